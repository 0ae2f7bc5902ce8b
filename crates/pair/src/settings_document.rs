//! `docs/settings.md` says what the tables say. `UPDATE=1 cargo test --package pair --lib document`
//! writes its tables anew; what stands around them is written by hand.

use std::fs;
use std::path::PathBuf;

use auth_service::settings as auth;
use business_service::settings as business;
use server_runtime::settings::{COMMON, Row};

use crate::plan;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/settings.md")
}

/// The sections, by the name that stands in their marks.
fn sections() -> [(&'static str, String); 4] {
    [
        ("auth-service", table(auth::TABLE)),
        ("business-service", table(business::TABLE)),
        ("every process", table(COMMON)),
        ("reinflate", table(&other_in_a_pair())),
    ]
}

/// What `reinflate` has another default or meaning for.
fn other_in_a_pair() -> Vec<Row> {
    let alone = [auth::TABLE, business::TABLE, COMMON].concat();
    let is_other = |row: &Row| {
        let same = |other: &Row| other.default == row.default && other.help == row.help;
        !alone.iter().any(|other| other.variable == row.variable && same(other))
    };
    plan::table().into_iter().filter(is_other).collect()
}

fn table(rows: &[Row]) -> String {
    let head = "| setting | default | takes | meaning |\n| --- | --- | --- | --- |\n";
    rows.iter().map(line).fold(head.to_owned(), |text, line| text + &line)
}

fn line(row: &Row) -> String {
    let given = match (row.flag, row.secret) {
        (Some(flag), _) => format!("`{}` `--{flag}`", row.variable),
        (None, true) => format!("`{0}` `{0}_FILE` (secret)", row.variable),
        (None, false) => format!("`{}`", row.variable),
    };
    let default = row.default.map_or_else(|| "none".to_owned(), |text| format!("`{text}`"));
    let note = row.note.map(|note| format!("; {note}")).unwrap_or_default();
    let cells = [given, default, row.accepted.to_owned(), format!("{}{note}", row.help)];
    format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
}

/// The document with its tables as they should be.
fn written(document: &str) -> String {
    sections().iter().fold(document.to_owned(), |document, (name, table)| {
        let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->\n"));
        let (before, rest) = document.split_once(&begin).expect("a mark where the table begins");
        let (_, after) = rest.split_once(&end).expect("a mark where the table ends");
        format!("{before}{begin}\n{table}\n{end}{after}")
    })
}

#[test]
fn the_document_of_settings_says_what_the_tables_say() {
    let document = fs::read_to_string(path()).unwrap();
    let written = written(&document);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path(), written).unwrap();
        return;
    }
    let as_it_is: Vec<&str> = document.lines().collect();
    let stale: Vec<&str> = written.lines().filter(|line| !as_it_is.contains(line)).collect();
    assert!(
        document == written,
        "docs/settings.md lacks, among others: {stale:#?}; run with UPDATE=1"
    );
}

#[test]
fn what_a_pair_changes_is_its_users_and_its_demo() {
    let names: Vec<&str> = other_in_a_pair().iter().map(|row| row.variable).collect();
    assert_eq!(names, [auth::DATABASE_URL.variable, auth::DEMO.variable]);
}

//! The table of docs/events.md, made of what was seen.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use super::Step;

const BEGIN: &str = "<!-- begin what makes which event -->\n";
const END: &str = "<!-- end what makes which event -->\n";
/// The order of the types.
const TYPES: [&str; 10] = [
    "session.issued",
    "session.rotated",
    "session.ended",
    "login.failed",
    "login.throttled",
    "user.created",
    "user.changed",
    "user.deleted",
    "password.changed",
    "email.changed",
];

/// That the document has this table, or writes it there.
pub(crate) fn check(steps: &[&Step], seen: &[Vec<BTreeSet<String>>]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/events.md");
    let document = fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).expect("a mark where the table begins");
    let (_, after) = rest.split_once(END).expect("a mark where the table ends");
    let written = format!("{before}{BEGIN}\n{}\n{END}{after}", table(steps, seen));
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, written).unwrap();
        return;
    }
    let stale: Vec<&str> = written.lines().filter(|line| !document.contains(line)).collect();
    assert!(
        document == written,
        "docs/events.md lacks, among others: {stale:#?}; run with UPDATE=1"
    );
}

fn table(steps: &[&Step], seen: &[Vec<BTreeSet<String>>]) -> String {
    let mut text = "| event | what makes it | `memory` | `sqlite:` | Redis |\n\
                    | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for kind in TYPES {
        let mut rows = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let events = step.events.iter().filter(|event| event.split(' ').next() == Some(kind));
            rows.extend(events.map(|event| (*event, index, step.what)));
        }
        rows.sort_by_key(|(event, index, _)| (*event, *index));
        for (event, index, what) in rows {
            let (kind, cause) = event.split_once(' ').unwrap_or((event, ""));
            let name =
                if cause.is_empty() { format!("`{kind}`") } else { format!("`{kind}` `{cause}`") };
            let cells: Vec<&str> = seen
                .iter()
                .map(|store| if store[index].contains(event) { "yes" } else { "no" })
                .collect();
            let _ = writeln!(text, "| {name} | {what} | {} |", cells.join(" | "));
        }
    }
    text
}

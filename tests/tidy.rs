//! The repository's own rules that clippy has no lint for, as tests: how long files may be, what
//! they may not be called, which crate may know which. It reads files and starts no process but git;
//! each rule is shown to catch a violation.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "tidy/alerts.rs"]
mod alerts;
#[path = "tidy/dashboard.rs"]
mod dashboard;
#[path = "tidy/edges.rs"]
mod edges;
#[path = "tidy/files.rs"]
mod files;
#[path = "tidy/floors.rs"]
mod floors;
#[path = "tidy/links.rs"]
mod links;
#[path = "tidy/scan.rs"]
mod scan;
#[path = "tidy/words.rs"]
mod words;

use files::{Found, repository, rust_sources};

const MAX_FILE_LINES: usize = 400;

#[track_caller]
fn assert_none(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}:\n  {}", violations.join("\n  "));
}

/// Applies a rule for one file's text to every Rust file.
#[track_caller]
fn for_each_source(rule: &str, check: impl Fn(&Found) -> Vec<String>) {
    let violations: Vec<String> = rust_sources().iter().flat_map(&check).collect();
    assert_none(rule, &violations);
}

fn too_long(file: &Found) -> Vec<String> {
    let lines = file.text.lines().count();
    if lines <= MAX_FILE_LINES {
        return Vec::new();
    }
    vec![format!("{} has {lines} lines", file.path)]
}

fn without_introduction(file: &Found) -> Vec<String> {
    if file.text.starts_with("//!") { Vec::new() } else { vec![file.path.clone()] }
}

fn source(path: &str, text: &str) -> Found {
    Found { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    for_each_source("at most 400 lines a file", too_long);
    assert_eq!(too_long(&source("a.rs", &"x\n".repeat(401))), ["a.rs has 401 lines"]);
    assert!(too_long(&source("a.rs", &"x\n".repeat(400))).is_empty());
}

#[test]
fn every_file_says_first_what_it_is() {
    for_each_source("each file begins with //!", without_introduction);
    assert_eq!(without_introduction(&source("a.rs", "use std::fmt;\n")), ["a.rs"]);
    assert!(without_introduction(&source("a.rs", "//! A thing.\n")).is_empty());
}

#[test]
fn no_file_or_module_has_a_name_that_says_nothing() {
    for_each_source("a thing without a home is not understood yet", words::empty_names);
    let paths = repository();
    let paths: Vec<String> = paths.iter().flat_map(|path| words::empty_path_names(path)).collect();
    assert_none("a thing without a home is not understood yet", &paths);
    for (path, text) in [("a/utils.rs", ""), ("helpers/a.rs", ""), ("a.rs", "pub mod common;\n")] {
        let found = source(path, text);
        let names = [words::empty_names(&found), words::empty_path_names(path)].concat();
        assert_eq!(names.len(), 1, "{path} {text}");
    }
    assert!(words::empty_path_names("crates/session/src/store.rs").is_empty());
}

#[test]
fn identifiers_have_the_words_of_the_field() {
    for_each_source("one word means one thing", words::old_words);
    for (code, count) in [
        ("let last_doors = 1;", 1),
        ("struct GathererTask;", 1),
        ("fn f(asked: u8, told: u8) {}", 2),
        ("const FREE_PLACES: u8 = kept();", 2),
        ("let replaced = displace(wired);", 0),
        ("let original = trigger;", 0),
        ("// told\nlet s = \"asked\";", 0),
    ] {
        assert_eq!(words::old_words(&source("crates/a/src/a.rs", code)).len(), count, "{code}");
    }
    let in_a_test = "#[cfg(test)]\nmod tests {\n    fn asked() {}\n}\n";
    assert!(words::old_words(&source("crates/a/src/a.rs", in_a_test)).is_empty());
}

#[test]
fn nothing_is_left_unfinished() {
    for_each_source("no unfinished places", words::unfinished);
    for bad in [concat!("// TO", "DO: x"), concat!("// FIX", "ME")] {
        assert_eq!(words::unfinished(&source("a.rs", bad)).len(), 1, "{bad}");
    }
    assert!(words::unfinished(&source("a.rs", "// done\n")).is_empty());
}

#[test]
fn no_lint_is_allowed_for_a_whole_file() {
    for_each_source("exceptions are #[expect(…, reason = …)]", words::allowed_for_all);
    assert_eq!(words::allowed_for_all(&source("a.rs", "#![allow(clippy::all)]")).len(), 1);
    assert!(words::allowed_for_all(&source("a.rs", "// #![allow(clippy::all)]")).is_empty());
}

#[test]
fn no_crate_knows_what_it_must_not() {
    let manifests = edges::manifests();
    assert!(manifests.len() >= 8, "the manifests were not found");
    let violations: Vec<String> = manifests.iter().flat_map(edges::violations).collect();
    assert_none("nothing points up", &violations);
}

#[test]
fn what_is_done_knows_nothing_of_http_and_programs_nothing_of_pages() {
    for_each_source("the floors of auth-service are apart", floors::strangers);
    for (path, text) in [
        ("operations/login.rs", "use axum::Json;"),
        ("operations.rs", "use crate::http::app::App;"),
        ("operations/throttle/mints.rs", "fn a(status: http::StatusCode) {}"),
        ("http/api/login.rs", "use crate::http::pages::login;"),
        ("http/pages/account/tokens.rs", "use crate::http::{api, reply};"),
    ] {
        let found = source(&format!("crates/auth-service/src/{path}"), text);
        assert_eq!(floors::strangers(&found).len(), 1, "{path}");
    }
    for (path, text) in [
        ("operations/login.rs", "//! Whoever asked: axum or not.\nuse auth_api_types::Kind;"),
        ("http/pages.rs", "use auth_api_types::Kind; use axum::Json;"),
        ("http/login.rs", "use super::{api, pages};"),
    ] {
        let found = source(&format!("crates/auth-service/src/{path}"), text);
        assert!(floors::strangers(&found).is_empty(), "{path}");
    }
}

#[test]
fn the_top_level_holds_nothing_unexpected() {
    let paths = repository();
    let strangers: Vec<String> = paths.iter().filter_map(|path| files::stranger(path)).collect();
    assert_none("a top-level entry that nobody knows", &strangers);
    assert_eq!(files::stranger("scratch/a.txt").as_deref(), Some("scratch"));
    assert_eq!(files::stranger("notes.txt").as_deref(), Some("notes.txt"));
    assert_eq!(files::stranger("crates/a/notes.txt"), None);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let paths = repository();
    let broken: Vec<String> =
        files::texts(&["md"]).iter().flat_map(|f| links::broken(f, &paths)).collect();
    assert_none("broken links", &broken);
}

#[test]
fn no_text_names_the_place_where_it_was_written() {
    let texts = files::texts(&["rs", "md", "toml", "sh", "yml", "yaml", "json", "html", "css", ""]);
    let violations: Vec<String> = texts.iter().flat_map(words::workplace).collect();
    assert_none("the project speaks for itself", &violations);
    for bad in
        [concat!("see /wo", "rk/main"), concat!("as is", "sue 3 says"), concat!("DES", "IGN.md")]
    {
        assert_eq!(words::workplace(&source("a.md", bad)).len(), 1, "{bad}");
    }
    assert!(words::workplace(&source("a.md", "the framework/main, an issue of tokens")).is_empty());
}

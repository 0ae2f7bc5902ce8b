//! The floors within auth-service: what is done below what speaks HTTP, and what serves programs
//! beside what serves people.

use super::files::Found;
use super::scan::code_only;

/// Where files lie, and the words that none of them may say.
const FLOORS: &[(&str, &[&str])] = &[
    ("crates/auth-service/src/operations", &["axum", "http", "hyper", "tower", "auth_http"]),
    ("crates/auth-service/src/http/api", &["pages"]),
    ("crates/auth-service/src/http/pages", &["api"]),
];

/// The words of a file that belong to another floor, or to the other half of its own.
pub(crate) fn strangers(file: &Found) -> Vec<String> {
    let on_floor = |floor: &str| {
        let rest = file.path.strip_prefix(floor);
        rest.is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
    };
    let floors = FLOORS.iter().filter(|(floor, _)| on_floor(floor));
    let forbidden: Vec<&str> = floors.flat_map(|(_, words)| *words).copied().collect();
    if forbidden.is_empty() {
        return Vec::new();
    }
    let code = code_only(&file.text);
    let words = |line: &str| {
        let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.filter(|word| forbidden.contains(word)).map(str::to_owned).collect::<Vec<_>>()
    };
    let lines = code.lines().enumerate();
    let found =
        lines.flat_map(|(index, line)| words(line).into_iter().map(move |word| (index + 1, word)));
    found.map(|(line, word)| format!("{}:{line} knows {word}", file.path)).collect()
}

//! Rules about words: names that say nothing, places left unfinished. The words are put together here, or this file would break its rules.

use super::files::Found;
use super::scan::code_only;

const EMPTY_NAMES: &[&str] =
    &["util", "utils", "common", "helper", "helpers", "misc", "shared", "core", "base"];

/// Modules declared under a name that says nothing.
pub(crate) fn empty_names(file: &Found) -> Vec<String> {
    let code = code_only(&file.text);
    let declared = code.split("mod ").skip(1).filter_map(|rest| rest.split([' ', ';', '{']).next());
    let empty = declared.filter(|name| EMPTY_NAMES.contains(name));
    empty.map(|name| format!("{}: mod {name}", file.path)).collect()
}

/// Files and directories called by a name that says nothing.
pub(crate) fn empty_path_names(path: &str) -> Vec<String> {
    let stems = path.split('/').map(|part| part.split('.').next().unwrap_or(part));
    stems.filter(|stem| EMPTY_NAMES.contains(stem)).map(|_| path.to_owned()).collect()
}

/// Places that somebody meant to come back to.
pub(crate) fn unfinished(file: &Found) -> Vec<String> {
    lines_with(file, &file.text, &[concat!("TO", "DO"), concat!("FIX", "ME")])
}

/// Lints that are allowed for a whole file; clippy sees to those of a single item.
pub(crate) fn allowed_for_all(file: &Found) -> Vec<String> {
    lines_with(file, &code_only(&file.text), &["#![allow("])
}

/// Words that mean something only where this was written.
pub(crate) fn workplace(file: &Found) -> Vec<String> {
    let names = [
        concat!("/wo", "rk/"),
        concat!("CONT", "RACT.md"),
        concat!("DES", "IGN.md"),
        concat!("RELIA", "BILITY.md"),
        concat!("DEPEN", "DENCIES.md"),
    ];
    let mut violations = lines_with(file, &file.text, &names);
    let text = file.text.to_lowercase();
    for (at, word) in text.match_indices(concat!("is", "sue ")) {
        let rest = text[at + word.len()..].trim_start_matches('#');
        if rest.starts_with(|c: char| c.is_ascii_digit()) {
            let line = 1 + text[..at].matches('\n').count();
            violations.push(format!(
                "{}:{line}: {word}{}",
                file.path,
                rest.split(' ').next().unwrap_or("")
            ));
        }
    }
    violations
}

/// Words that this code once had for what the field has a word for, and that word. They are looked
/// for as parts of identifiers: `last_doors`, `GathererTask`.
const OLD_WORDS: &[(&str, &str)] = &[
    ("aboard", "max_keys"),
    ("alarm", "timer"),
    ("asked", "requested"),
    ("avoided", "unavailable, or the breaker is open"),
    ("doors", "listener group, forward auth or login methods"),
    ("driven", "task"),
    ("gatherer", "batcher"),
    ("heard", "request"),
    ("kept", "stored"),
    ("lane", "shard or hashing pool"),
    ("lanes", "shards or hashing pool"),
    ("leaving", "draining"),
    ("nobody", "none"),
    ("noted", "recorded"),
    ("parcel", "batch"),
    ("passenger", "waiter"),
    ("patience", "timeout"),
    ("place", "worker, in-flight slot, index or origin"),
    ("places", "workers, in-flight slots, indices or paths"),
    ("quiet", "idle"),
    ("rig", "fixture"),
    ("risks", "warnings"),
    ("said", "reported"),
    ("staff", "workers"),
    ("telling", "reply"),
    ("told", "reply"),
    ("trip", "batch"),
    ("usual", "default or cached"),
    ("whoever", "the actor's name"),
    ("wire", "transport"),
    ("yielding", "eviction"),
];

/// Identifiers with an old word in them, in production code; names of tests are sentences.
pub(crate) fn old_words(file: &Found) -> Vec<String> {
    if is_test(&file.path) {
        return Vec::new();
    }
    let code = code_only(&file.text);
    let code = code.split("#[cfg(test)]\nmod ").next().unwrap_or(&code);
    let is_old = |identifier: &str| {
        let parts = parts(identifier);
        OLD_WORDS.iter().find(|(old, _)| parts.iter().any(|part| part == old))
    };
    let mut found = Vec::new();
    for (index, line) in code.lines().enumerate() {
        for identifier in line.split(|c: char| !c.is_alphanumeric() && c != '_') {
            if let Some((old, new)) = is_old(identifier) {
                let line = index + 1;
                found.push(format!("{}:{line}: {identifier}: not {old}, but {new}", file.path));
            }
        }
    }
    found
}

fn is_test(path: &str) -> bool {
    path.split(['/', '.']).any(|part| part == "tests" || part == "benches" || part == "examples")
}

/// The words of an identifier, in lower case.
fn parts(identifier: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut after_lower = false;
    for c in identifier.chars() {
        if c == '_' || c.is_uppercase() && after_lower {
            parts.push(String::new());
        }
        if c != '_'
            && let Some(last) = parts.last_mut()
        {
            last.extend(c.to_lowercase());
        }
        after_lower = c.is_lowercase();
    }
    parts
}

fn lines_with(file: &Found, text: &str, marks: &[&str]) -> Vec<String> {
    let numbered = text.lines().enumerate();
    let bad = numbered.filter(|(_, line)| marks.iter().any(|mark| line.contains(mark)));
    bad.map(|(index, line)| format!("{}:{}: {}", file.path, index + 1, line.trim())).collect()
}

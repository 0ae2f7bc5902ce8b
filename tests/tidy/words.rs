//! Rules about words: names that say nothing, places left unfinished, clocks read where time
//! should be a parameter. The words are put together here, or this file would break its rules.

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
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
    ];
    lines_with(file, &file.text, &marks)
}

/// Readings of the system's clock outside the crate that is for it, and outside of tests. Tokio's
/// `Instant` is the runtime's clock, which a test can stop: deadlines of I/O may use it.
pub(crate) fn clock_readings(file: &Found) -> Vec<String> {
    let is_test = file.path.starts_with("tests/") || file.path.contains("/tests/");
    if file.path.starts_with("crates/clock/") || file.path.contains("benches/") || is_test {
        return Vec::new();
    }
    let code = code_only(&file.text);
    let code = code.split("#[cfg(test)]\nmod ").next().unwrap_or(&code);
    let imports = code.lines().filter(|line| line.starts_with("use tokio::time::"));
    let marks: &[&str] = if imports.into_iter().any(|line| line.contains("Instant")) {
        &["SystemTime::now", "UtcDateTime::now", "now_utc"]
    } else {
        &["Instant::now", "SystemTime::now", "UtcDateTime::now", "now_utc"]
    };
    lines_with(file, code, marks)
}

/// Lint exceptions that do not say why.
pub(crate) fn bare_exceptions(file: &Found) -> Vec<String> {
    let code = code_only(&file.text);
    let mut violations = lines_with(file, &code, &["#[allow(", "#![allow("]);
    for (at, _) in code.match_indices("[expect(") {
        let end = code[at..].find(")]").unwrap_or(code.len() - at);
        if !code[at..at + end].contains("reason") {
            let line = 1 + code[..at].matches('\n').count();
            violations.push(format!("{}:{line}", file.path));
        }
    }
    violations
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

fn lines_with(file: &Found, text: &str, marks: &[&str]) -> Vec<String> {
    let numbered = text.lines().enumerate();
    let bad = numbered.filter(|(_, line)| marks.iter().any(|mark| line.contains(mark)));
    bad.map(|(index, line)| format!("{}:{}: {}", file.path, index + 1, line.trim())).collect()
}

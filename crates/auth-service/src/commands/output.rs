//! What commands write: results to standard output, one line of error to standard error.

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

/// Writes a result, if there is any; the exit code says whether it got out.
pub(super) fn print(text: impl Display) -> ExitCode {
    let text = text.to_string();
    if text.is_empty() {
        return ExitCode::SUCCESS;
    }
    match server_runtime::output::print(&format!("{}\n", text.trim_end_matches('\n'))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, error),
    }
}

/// Tells the person at the terminal what is no part of the result.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Writes one line of error; the exit code is `code`.
pub(super) fn fail(code: u8, error: impl Display) -> ExitCode {
    let line = error.to_string().replace(['\n', '\r'], " ");
    let _ = writeln!(std::io::stderr(), "auth-service: {line}");
    ExitCode::from(code)
}

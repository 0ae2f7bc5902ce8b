//! What commands write: results to standard output, remarks to standard error.

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

use server_runtime::output::Unwritten;

/// Writes a result, if there is any.
pub(super) fn print(text: impl Display) -> Result<ExitCode, Unwritten> {
    let text = text.to_string();
    if !text.is_empty() {
        server_runtime::output::print(&format!("{}\n", text.trim_end_matches('\n')))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells the person at the terminal what is no part of the result.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

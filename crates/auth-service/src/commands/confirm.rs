//! Asking the person at the terminal whether something is meant.

use std::io::{BufRead as _, Write as _};

use anyhow::Context as _;

/// Asks for a confirmation, which is read from the standard input.
pub(super) fn is_answered_with_yes(question: &str) -> anyhow::Result<bool> {
    let mut stderr = std::io::stderr();
    let printed = stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush());
    printed.context("the question cannot be printed")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("the answer cannot be read")?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

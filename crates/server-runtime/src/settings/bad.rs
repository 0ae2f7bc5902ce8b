//! A setting that cannot be used, in one line.

use std::fmt;

/// The longest value that is shown whole.
const SHOWN: usize = 200;

/// A setting that cannot be used. It displays as one line that names the setting as the caller gave
/// it, the value (masked where it is secret) and what is accepted.
#[derive(Clone, PartialEq, Eq)]
pub struct BadSetting {
    line: String,
}

impl BadSetting {
    /// The exit code of a process that was given a bad setting.
    pub const EXIT_CODE: u8 = 2;

    /// A value that was given and is not acceptable; `shown` is already masked.
    pub(super) fn value(name: &str, shown: &str, accepted: &str) -> Self {
        let shown = match shown.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &shown[..end]),
            None => shown.to_owned(),
        };
        Self::line(&format!("{name}: \"{shown}\" is not acceptable; it takes {accepted}"))
    }

    /// A setting that is wrong without a value to show.
    pub(super) fn line(line: &str) -> Self {
        Self { line: one_line(line) }
    }
}

/// Control characters would break the line, or the terminal.
pub(super) fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

impl fmt::Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl fmt::Debug for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BadSetting").field(&self.line).finish()
    }
}

impl std::error::Error for BadSetting {}

//! What is shown while it runs, on standard error.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of so many steps.
pub(crate) fn bar(steps: u64, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(steps);
    let template = "{msg:40!} [{elapsed_precise}] {wide_bar} {human_pos}/{human_len} {eta}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar
}

/// A line that stays.
#[expect(clippy::print_stderr, reason = "a bench tells its operator what it does")]
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}

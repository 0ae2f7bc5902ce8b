//! Waiting for what must happen, never longer than a deadline, and letting time pass where the
//! passing of time is what a test is about.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a test waits for something that needs no time of its own, on a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// The present moment: these tests watch real processes in real time.
#[expect(clippy::disallowed_methods, reason = "real processes cannot be given a manual clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// Looks again and again until there is something, and fails naming `what` after `within`.
pub fn eventually<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = now() + within;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(now() < deadline, "not within {within:?}: {what}");
        sleep(Duration::from_millis(10));
    }
}

/// Lets a session's time go by. Never for waiting until something has happened.
pub fn let_time_pass(duration: Duration) {
    sleep(duration);
}

/// Whether a program that a test needs is there; without it the test is skipped, unless
/// `REQUIRE_ALL` is set, where it fails.
pub fn skip_unless_installed(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", "command -v \"$0\" >/dev/null", program])
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        assert!(std::env::var_os("REQUIRE_ALL").is_none(), "{program} is not installed");
        eprintln!("skipped: {program} is not installed");
    }
    !found
}

/// Sends a process a signal, by its name without `SIG`.
pub(crate) fn send_signal(name: &str, process: u32) {
    let kill = ["-c", "kill -s \"$0\" \"$1\"", name, &process.to_string()];
    let sent = Command::new("sh").args(kill).status();
    assert!(sent.is_ok_and(|status| status.success()), "{name} could not be sent");
}

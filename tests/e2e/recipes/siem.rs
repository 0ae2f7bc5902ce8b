//! The feed of a security log, as docs/events.md has it: run by a shell, with the real curl.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::recipe::code;
use crate::harness::{
    AuthService, Launch, Request, TIMEOUT, eventually, skip_unless_installed, unused_port,
};

const KEY: &str = "fifteen-paper-lanterns-on-a-string";

/// The script and what it has started, which end with their owner.
struct Feed {
    shell: Child,
    home: TempDir,
}

impl Feed {
    fn start(port: u16) -> Self {
        let home = TempDir::with_prefix("reinflate-e2e-").unwrap();
        fs::write(home.path().join("siem_feed.sh"), code("siem_feed.sh")).unwrap();
        let mut command = Command::new("sh");
        command.arg("siem_feed.sh").current_dir(home.path()).process_group(0);
        command.env("AUTH_INTERNAL_KEY", KEY);
        command.env("AUTH_INTERNAL_URL", format!("http://127.0.0.1:{port}"));
        let shell = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { shell, home }
    }

    fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.home.path().join("events.jsonl")).unwrap_or_default();
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// That the file has these events, each once and in their order.
    fn comes_to(&self, events: &Value) {
        let events = events.as_array().unwrap();
        eventually("the events in the file", TIMEOUT, || {
            (self.lines().len() >= events.len()).then_some(())
        });
        assert_eq!(&self.lines(), events);
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let group = format!("-{}", self.shell.id());
        // Fails only where all of them have ended already.
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.shell.wait();
    }
}

#[test]
fn a_feed_goes_on_behind_its_last_line_after_a_kill_of_the_service() {
    if skip_unless_installed("curl") {
        return;
    }
    let directory = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let path = |name: &str| format!("sqlite:{}", directory.path().join(name).display());
    let port = unused_port();
    let launch = Launch::auth()
        .var("AUTH_INTERNAL_ADDR", format!("127.0.0.1:{port}"))
        .var("AUTH_DATABASE_URL", path("users.db"))
        .var("AUTH_SESSION_STORE", path("sessions.db"))
        .var("AUTH_INTERNAL_KEY", KEY);
    let events = |auth: &AuthService| {
        let page = Request::get("/events?after=0").bearer(KEY);
        auth.internal.send(page).expect(200).json()["events"].clone()
    };
    let mut auth = AuthService::launch(&launch);
    auth.logout(&auth.token());
    let feed = Feed::start(port);
    feed.comes_to(&events(&auth));
    auth.token();
    feed.comes_to(&events(&auth));
    auth.kill();
    let auth = AuthService::launch(&launch);
    auth.logout(&auth.token());
    let all = events(&auth);
    assert_eq!(all.as_array().unwrap().len(), 5);
    feed.comes_to(&all);
}

//! The recipes of `docs/webhooks.md`, taken from there and run as written.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use super::receiver::{Receiver, SECRET, log_out, posting_to};
use crate::harness::{AuthService, DEMO, Launch, Listener, Request, TIMEOUT, eventually};
use crate::harness::{skip_unless_installed, unused_port};
use crate::recipes::code;

/// The example that the libraries of Standard Webhooks are tested with.
const EXAMPLE: [&str; 5] = [
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "1614265330",
    r#"{"test": 2432232314}"#,
    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
];

/// A recipe that runs, and ends with its owner.
struct Running {
    listener: Listener,
    child: Child,
    lines: BufReader<ChildStdout>,
    _home: TempDir,
}

impl Running {
    /// The last of these files, with the others beside it.
    fn start(program: &str, files: &[&str], chat: &str) -> Option<Self> {
        if skip_unless_installed(program) {
            return None;
        }
        let home = written(files);
        let port = unused_port();
        let mut child = Command::new(program)
            .arg(files.last().unwrap())
            .current_dir(home.path())
            .env("PORT", port.to_string())
            .env("WEBHOOK_SECRET", SECRET)
            .env("CHAT_URL", chat)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let running = Self { listener: Listener { port }, child, lines, _home: home };
        eventually("the recipe accepts", TIMEOUT, || running.listener.try_connect().ok());
        Some(running)
    }

    fn launch(&self) -> AuthService {
        let url = format!("http://127.0.0.1:{}/hook", self.listener.port);
        AuthService::launch(&posting_to(&url, Launch::auth()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn written(files: &[&str]) -> TempDir {
    let home = TempDir::with_prefix("reinflate-e2e-").unwrap();
    for file in files {
        fs::write(home.path().join(file), code(file)).unwrap();
    }
    home
}

/// A recipe takes a real post, and refuses those that are forged, altered or old.
fn verifies(program: &str, file: &str) {
    let Some(mut running) = Running::start(program, &[file], "") else { return };
    let auth = running.launch();
    log_out(&auth, 1);
    let mut line = String::new();
    running.lines.read_line(&mut line).unwrap();
    assert!(line.starts_with("msg_") && line.ends_with(" session.ended logout\n"), "{line}");
    let [_, id, sent_at, body, signature] = EXAMPLE;
    let forged = Request::post("/hook")
        .header("webhook-id", id)
        .header("webhook-timestamp", sent_at)
        .header("webhook-signature", signature)
        .body("application/json", body);
    assert_eq!(running.listener.send(forged).status, 401);
}

/// What a program prints about the example, altered in each of its parts.
fn verdicts(program: &str, file: &str, script: &str) {
    if skip_unless_installed(program) {
        return;
    }
    let home = written(&[file]);
    let flag = if program == "node" { "-e" } else { "-c" };
    judge(|| {
        let mut command = Command::new(program);
        command.args([flag, script]).current_dir(home.path());
        command
    });
}

/// Whether a command that prints what it is to verify takes the example, and nothing else.
fn judge(command: impl Fn() -> Command) {
    let verdict = |parts: &[&str], now: &str| {
        let output = command().args(parts).arg(now).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_lowercase() == "true"
    };
    assert!(verdict(&EXAMPLE, "1614265330"));
    assert!(verdict(&EXAMPLE, "1614265630") && verdict(&EXAMPLE, "1614265030"));
    assert!(!verdict(&EXAMPLE, "1614265631") && !verdict(&EXAMPLE, "1614265029"));
    let both = format!("v1,{} {}", "A".repeat(43) + "=", EXAMPLE[4]);
    let [secret, id, sent_at, body, signature] = EXAMPLE;
    assert!(verdict(&[secret, id, sent_at, body, &both], sent_at), "of several, any one");
    for (index, wrong) in [
        (0, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx"),
        (1, "msg_p5jXN8AQM9LWM0D4loKWxJel"),
        (2, "1614265331"),
        (2, "-1"),
        (3, r#"{"test": 2432232315}"#),
        (4, "v1,"),
        (4, ""),
        (4, &signature.replace("v1", "v2")),
    ] {
        let mut altered = EXAMPLE;
        altered[index] = wrong;
        assert!(!verdict(&altered, sent_at), "{wrong}");
    }
}

#[test]
fn the_python_recipe_takes_what_is_signed_and_nothing_else() {
    verifies("python3", "webhook.py");
    let script = "import sys, webhook; s, i, t, b, g, n = sys.argv[1:]; \
        h = {'webhook-id': i, 'webhook-timestamp': t, 'webhook-signature': g}; \
        print(webhook.verify(s, h, b.encode(), int(n)))";
    verdicts("python3", "webhook.py", script);
}

#[test]
fn the_node_recipe_takes_what_is_signed_and_nothing_else() {
    verifies("node", "webhook.js");
    let script = "const [s, i, t, b, g, n] = process.argv.slice(1); \
        const h = {'webhook-id': i, 'webhook-timestamp': t, 'webhook-signature': g}; \
        console.log(require('./webhook.js').verify(s, h, Buffer.from(b), Number(n)))";
    verdicts("node", "webhook.js", script);
}

#[test]
fn a_chat_is_told_and_what_it_does_not_take_comes_again() {
    let chat = Receiver::start();
    chat.answer(500);
    let Some(running) = Running::start("python3", &["webhook.py", "notice.py"], &chat.url()) else {
        return;
    };
    let auth = running.launch();
    log_out(&auth, 1);
    chat.tried_at_least(1);
    chat.answer(200);
    let told = chat.taken_at_least(1).remove(0).json();
    assert_eq!(told, json!({"text": format!("session.ended (logout): {}", DEMO.0)}));
}

/// Prints what the recipe says of its arguments.
const GO_MAIN: &str = r#"package main

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"example.com/hooks/webhook"
)

func main() {
	a := os.Args[1:]
	header := http.Header{}
	header.Set("webhook-id", a[1])
	header.Set("webhook-timestamp", a[2])
	header.Set("webhook-signature", a[4])
	now, _ := strconv.ParseInt(a[5], 10, 64)
	fmt.Println(webhook.Verify(a[0], header, []byte(a[3]), time.Unix(now, 0)))
}
"#;

#[test]
fn the_go_recipe_takes_what_is_signed_and_nothing_else() {
    if skip_unless_installed("go") {
        return;
    }
    let home = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let path = |name: &str| home.path().join(name);
    fs::create_dir(path("webhook")).unwrap();
    fs::write(path("webhook/webhook.go"), code("webhook.go")).unwrap();
    fs::write(path("go.mod"), "module example.com/hooks\n\ngo 1.19\n").unwrap();
    fs::write(path("main.go"), GO_MAIN).unwrap();
    let mut build = Command::new("go");
    build.args(["build", "-o", "verify", "."]).current_dir(home.path()).env("CGO_ENABLED", "0");
    let cache = concat!(env!("CARGO_TARGET_TMPDIR"), "/go");
    let output = build.env("GOCACHE", cache).env("GOPROXY", "off").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    judge(|| Command::new(path("verify")));
}

//! The example of auth-client whose connections end with their sessions, as a running process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::recipe::code;
use crate::harness::{AuthService, Launch, Listener, TIMEOUT, eventually, unused_port};

const KEY: &str = "fourteen-paper-lanterns-on-a-string";

/// It ends with its owner.
struct Example {
    listener: Listener,
    child: Child,
}

impl Example {
    /// `None` where it was not built, which `cargo test` does but for one that names its targets,
    /// unless `REQUIRE_ALL` is set.
    fn start(auth: &AuthService) -> Option<Self> {
        let tests = std::env::current_exe().unwrap();
        let program: PathBuf = tests.parent()?.parent()?.join("examples/close_ended");
        if !program.exists() {
            assert!(std::env::var_os("REQUIRE_ALL").is_none(), "build the examples of auth-client");
            eprintln!("skipped: the examples of auth-client are not built");
            return None;
        }
        let port = unused_port();
        let mut command = Command::new(program);
        command
            .env("AUTH_URL", format!("http://127.0.0.1:{}", auth.internal.port))
            .env("AUTH_KEY", KEY)
            .env("ADDR", format!("127.0.0.1:{port}"));
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        let example = Self { listener: Listener { port }, child };
        eventually("the example accepts", TIMEOUT, || example.listener.try_connect().ok());
        Some(example)
    }

    /// A connection that stays open.
    fn open(&self, token: &str) -> Feed {
        let mut stream = TcpStream::connect(("127.0.0.1", self.listener.port)).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        let head = format!(
            "GET /feed HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        Feed(BufReader::new(stream))
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Feed(BufReader<TcpStream>);

impl Feed {
    /// The next line, which is empty at its end; what frames a part is passed over.
    fn wait_for(&mut self, text: &str) {
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "it ended before {text:?}");
            if line.trim_end() == text {
                return;
            }
        }
    }

    fn is_alive(&mut self) {
        self.wait_for("still here");
        self.wait_for("still here");
    }

    /// The last part of a body that ends as it should.
    fn ends(mut self) {
        self.wait_for("0");
    }
}

#[test]
fn a_connection_ends_with_its_session_and_no_other_does() {
    let launch = Launch::auth().var("AUTH_INTERNAL_KEY", KEY).var("AUTH_TOKEN_TTL", "10m");
    let auth = AuthService::launch(&launch);
    let Some(example) = Example::start(&auth) else { return };
    let (one, other) = (auth.token(), auth.token());
    let (mut first, mut second) = (example.open(&one), example.open(&one));
    let mut stays = example.open(&other);
    first.is_alive();
    second.is_alive();
    auth.logout(&one);
    first.ends();
    second.ends();
    stays.is_alive();
    let mut refused = example.open(&one);
    refused.wait_for("HTTP/1.1 401 Unauthorized");
}

#[test]
fn the_document_has_the_part_of_the_example_that_listens() {
    let example =
        concat!(env!("CARGO_MANIFEST_DIR"), "/crates/auth-client/examples/close_ended.rs");
    let example = std::fs::read_to_string(example).unwrap();
    let lines = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let code = code("close_ended.rs");
    let (_, part) = code.split_once('\n').unwrap();
    assert!(lines(&example).contains(lines(part).trim()), "{part}");
}

//! A real mail server, Debian's aiosmtpd, with TLS where a test wants it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use super::mailbox::Letter;
use crate::harness::{Launch, Listener, TIMEOUT, eventually, unused_port};

const SCRIPT: &str = include_str!("server.py");
const PYTHON: &str = "/usr/bin/python3";

/// How a server is spoken to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Plain,
    StartTls,
    Smtps,
}

/// A running mail server, and what it took.
pub(super) struct MailServer {
    port: u16,
    mode: Mode,
    with_login: bool,
    process: Option<Child>,
    taken: Arc<Mutex<Vec<Value>>>,
    certificates: Certificates,
}

/// An authority, and what it certifies for `localhost`.
struct Certificates {
    home: TempDir,
}

/// Whether there is no aiosmtpd here; the test is then skipped, or fails.
pub(super) fn skip_without_mail_server() -> bool {
    let found = Command::new(PYTHON).args(["-c", "import aiosmtpd"]).stderr(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        assert!(std::env::var_os("REQUIRE_ALL").is_none(), "python3-aiosmtpd is not installed");
        eprintln!("skipped: python3-aiosmtpd is not installed");
    }
    !found
}

impl MailServer {
    pub(super) fn start(mode: Mode) -> Self {
        let mut server = Self::away(mode);
        server.come_back();
        server
    }

    /// One that wants to know who hands mail in.
    pub(super) fn start_with_login(mode: Mode) -> Self {
        let mut server = Self::away(mode);
        server.with_login = true;
        server.come_back();
        server
    }

    /// One that does not run yet.
    pub(super) fn away(mode: Mode) -> Self {
        let (port, taken) = (unused_port(), Arc::default());
        let certificates = Certificates::make();
        Self { port, mode, with_login: false, process: None, taken, certificates }
    }

    pub(super) fn come_back(&mut self) {
        let mode = match self.mode {
            Mode::Plain => "plain",
            Mode::StartTls => "starttls",
            Mode::Smtps => "smtps",
        };
        let mut child = Command::new(PYTHON)
            .args(["-c", SCRIPT])
            .env("MODE", mode)
            .env("PORT", self.port.to_string())
            .env("CERTIFICATE", self.certificates.path("server.pem"))
            .env("KEY", self.certificates.path("server.key"))
            .env("WITH_LOGIN", if self.with_login { "1" } else { "" })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the mail server starts");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let taken = Arc::clone(&self.taken);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                taken.lock().unwrap().extend(serde_json::from_str::<Value>(&line));
            }
        });
        self.process = Some(child);
        let listener = Listener { port: self.port };
        eventually("the mail server listens", TIMEOUT, || listener.try_connect().ok());
    }

    pub(super) fn go_away(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// auth-service, which sends its mails here.
    pub(super) fn launch(&self) -> Launch {
        let url = match self.mode {
            Mode::Plain => format!("smtp://127.0.0.1:{}?tls=none", self.port),
            Mode::StartTls => format!("smtp://localhost:{}", self.port),
            Mode::Smtps => format!("smtps://localhost:{}", self.port),
        };
        let launch = Launch::auth()
            .var("AUTH_MAIL_URL", url)
            .var("AUTH_MAIL_FROM", "auth@example.com")
            .var("SSL_CERT_FILE", self.certificates.path("ca.pem").display().to_string());
        if self.with_login {
            let launch = launch.var("AUTH_MAIL_USERNAME", "reinflate");
            launch.var("AUTH_MAIL_PASSWORD", "a secret of the post")
        } else {
            launch
        }
    }

    /// What it took so far: all that a client said of each mail.
    pub(super) fn taken(&self) -> Vec<Value> {
        self.taken.lock().unwrap().clone()
    }

    /// The mails that it took for an address, once there are so many.
    #[track_caller]
    pub(super) fn letters_to(&self, address: &str, count: usize) -> Vec<Letter> {
        eventually(&format!("{count} mails to {address}"), 3 * TIMEOUT, || {
            let taken = self.taken();
            let for_it = taken.iter().filter(|mail| mail["to"][0] == address);
            let letters: Vec<Letter> =
                for_it.map(|mail| Letter::read(mail["data"].as_str().unwrap())).collect();
            (letters.len() >= count).then_some(letters)
        })
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.go_away();
    }
}

impl Certificates {
    fn make() -> Self {
        let home = TempDir::with_prefix("reinflate-mail-tls-").unwrap();
        let this = Self { home };
        this.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=tests \
             -keyout ca.key -out ca.pem -addext basicConstraints=critical,CA:TRUE",
        );
        this.openssl(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
             -keyout server.key -out server.csr",
        );
        std::fs::write(this.path("names"), "subjectAltName=DNS:localhost").unwrap();
        this.openssl(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
             -extfile names -out server.pem",
        );
        this
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        command.args(arguments.split_whitespace()).current_dir(self.home.path());
        let done = command.stderr(Stdio::null()).stdout(Stdio::null()).status();
        assert!(done.is_ok_and(|status| status.success()), "openssl {arguments}");
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(self.home.path()).join(name)
    }
}

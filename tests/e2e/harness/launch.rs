//! How a binary is started: its arguments, its environment, and nothing of ours beside it.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use tempfile::TempDir;

use super::{PATIENCE, Process};

const AUTH_SERVICE: &str = env!("CARGO_BIN_EXE_auth-service");
const BUSINESS_SERVICE: &str = env!("CARGO_BIN_EXE_business-service");
const REINFLATE: &str = env!("CARGO_BIN_EXE_reinflate");

/// A process to be: variables and arguments, which a test may change before the start.
#[derive(Clone)]
pub(crate) struct Launch {
    binary: &'static str,
    arguments: Vec<String>,
    variables: BTreeMap<String, String>,
    open_files: Option<u32>,
}

/// What a process that has ended leaves behind.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Launch {
    /// auth-service with the demo user, users in memory, free ports.
    pub(crate) fn auth() -> Self {
        Self::new(AUTH_SERVICE)
            .var("AUTH_DEMO", "true")
            .var("AUTH_DATABASE_URL", "sqlite::memory:")
            .var("AUTH_PUBLIC_ADDR", "127.0.0.1:0")
            .var("AUTH_INTERNAL_ADDR", "127.0.0.1:0")
    }

    /// business-service on free ports, asking the internal listener on this port.
    pub(crate) fn business(auth_port: u16) -> Self {
        Self::new(BUSINESS_SERVICE)
            .var("BUSINESS_AUTH_URL", format!("http://127.0.0.1:{auth_port}"))
            .var("BUSINESS_ADDR", "127.0.0.1:0")
            .var("BUSINESS_INTERNAL_ADDR", "127.0.0.1:0")
            // The demo user's cookie: see `auth`.
            .var("BUSINESS_COOKIE_NAME", "reinflate")
    }

    /// Both services in one process, each listener on a free port.
    pub(crate) fn pair() -> Self {
        Self::new(REINFLATE)
            .var("AUTH_PUBLIC_ADDR", "127.0.0.1:0")
            .var("AUTH_INTERNAL_ADDR", "127.0.0.1:0")
            .var("BUSINESS_ADDR", "127.0.0.1:0")
            .var("BUSINESS_INTERNAL_ADDR", "127.0.0.1:0")
    }

    /// The name of the listener that people use.
    pub(crate) fn front_door(&self) -> &'static str {
        if self.binary == BUSINESS_SERVICE { "business" } else { "public" }
    }

    fn new(binary: &'static str) -> Self {
        let (arguments, variables) = (Vec::new(), BTreeMap::new());
        let launch = Self { binary, arguments, variables, open_files: None };
        let level = std::env::var("E2E_RUST_LOG").unwrap_or_else(|_| "debug".to_owned());
        launch.var("RUST_LOG", level).var("DRAIN_DELAY", "100ms")
    }

    pub(crate) fn var(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    pub(crate) fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// With so many open files at most.
    pub(crate) fn open_files(mut self, limit: u32) -> Self {
        self.open_files = Some(limit);
        self
    }

    /// Starts it and leaves it running.
    pub(crate) fn start(&self) -> Process {
        let (mut command, home) = self.command();
        command.stdin(Stdio::null());
        Process::own(command.spawn().expect("the binary starts"), home)
    }

    /// Starts it with its outputs where the test wants them.
    pub(crate) fn start_writing_to(&self, stdout: Stdio, stderr: Stdio) -> Process {
        let (mut command, home) = self.command();
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        Process::own(command.spawn().expect("the binary starts"), home)
    }

    /// Runs it to its end, which must come by itself.
    pub(crate) fn run(&self) -> Output {
        self.run_with_input("")
    }

    /// The same, with this on its standard input.
    pub(crate) fn run_with_input(&self, input: &str) -> Output {
        let (mut command, home) = self.command();
        command.stdin(Stdio::piped());
        Self::run_command(command, home, input)
    }

    fn run_command(mut command: Command, home: TempDir, input: &str) -> Output {
        let mut child = command.spawn().expect("the binary starts");
        let mut stdin = child.stdin.take().expect("standard input is a pipe");
        // Fails only where the process does not read its input.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let mut process = Process::own(child, home);
        let code = process.wait_for_end(PATIENCE).code();
        Output { code, stdout: process.output().join("\n"), stderr: process.errors().join("\n") }
    }

    /// The same with this as its standard output, which is not kept.
    pub(crate) fn run_writing_to(&self, stdout: Stdio, input: &str) -> Output {
        let (mut command, home) = self.command();
        command.stdin(Stdio::piped()).stdout(stdout);
        Self::run_command(command, home, input)
    }

    fn command(&self) -> (Command, TempDir) {
        let home = TempDir::with_prefix("reinflate-e2e-").expect("a temporary directory");
        let mut command = match self.open_files {
            None => Command::new(self.binary),
            Some(limit) => {
                let mut shell = Command::new("sh");
                let script = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
                shell.args(["-c", &script, self.binary]);
                shell
            }
        };
        command
            .args(&self.arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home.path())
            .env("TMPDIR", home.path())
            .envs(&self.variables)
            .current_dir(home.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        (command, home)
    }
}

impl Output {
    /// All that was printed, whichever way.
    pub(crate) fn lines(&self) -> Vec<&str> {
        let lines = self.stdout.lines().chain(self.stderr.lines());
        lines.filter(|line| !line.trim().is_empty()).collect()
    }
}

/// A port that nobody takes by accident: below those that the system hands out.
pub(crate) fn quiet_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 100).expect("below 100") * 100;
    loop {
        let port = 21_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

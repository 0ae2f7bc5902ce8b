//! How a binary is started: its arguments and its environment, and nothing of the test's own.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use tempfile::TempDir;

use super::{Process, TIMEOUT};

const AUTH_SERVICE: &str = "auth-service";
const BUSINESS_SERVICE: &str = "business-service";
const REINFLATE: &str = "reinflate";

/// A process to be: variables and arguments, which a test may change before the start.
#[derive(Clone)]
pub struct Launch {
    binary: &'static str,
    /// Where it is, unless it is one of this workspace.
    directory: Option<PathBuf>,
    arguments: Vec<String>,
    variables: BTreeMap<String, String>,
    /// What a shell does before it executes the binary.
    limits: Option<String>,
    /// Listeners that are handed over to it.
    sockets: Option<Arc<[OwnedFd; 2]>>,
}

/// The exit code and the output of a process that has ended.
#[derive(Debug)]
pub struct Output {
    /// Its exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Launch {
    /// auth-service with the demo user, users in memory, free ports.
    pub fn auth() -> Self {
        Self::new(AUTH_SERVICE)
            .var("AUTH_DEMO", "true")
            .var("AUTH_DATABASE_URL", "sqlite::memory:")
            .var("AUTH_PUBLIC_ADDR", "127.0.0.1:0")
            .var("AUTH_INTERNAL_ADDR", "127.0.0.1:0")
    }

    /// business-service on free ports, asking the internal listener on this port.
    pub fn business(auth_port: u16) -> Self {
        Self::new(BUSINESS_SERVICE)
            .var("BUSINESS_AUTH_URL", format!("http://127.0.0.1:{auth_port}"))
            .var("BUSINESS_ADDR", "127.0.0.1:0")
            .var("BUSINESS_INTERNAL_ADDR", "127.0.0.1:0")
            // The demo user's cookie: see `auth`.
            .var("BUSINESS_COOKIE_NAME", "reinflate")
    }

    /// Both services in one process, each listener on a free port.
    pub fn pair() -> Self {
        Self::new(REINFLATE)
            .var("AUTH_PUBLIC_ADDR", "127.0.0.1:0")
            .var("AUTH_INTERNAL_ADDR", "127.0.0.1:0")
            .var("BUSINESS_ADDR", "127.0.0.1:0")
            .var("BUSINESS_INTERNAL_ADDR", "127.0.0.1:0")
    }

    /// The name of the listener that people use.
    pub fn public_listener(&self) -> &'static str {
        if self.binary == BUSINESS_SERVICE { "business" } else { "public" }
    }

    fn new(binary: &'static str) -> Self {
        let (arguments, variables) = (Vec::new(), BTreeMap::new());
        let launch =
            Self { binary, directory: None, arguments, variables, limits: None, sockets: None };
        let level = std::env::var("E2E_RUST_LOG").unwrap_or_else(|_| "debug".to_owned());
        launch.var("RUST_LOG", level).var("DRAIN_DELAY", "100ms")
    }

    /// With this variable in its environment.
    pub fn var(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// Without this variable.
    pub fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    /// The binary of another version, in this directory.
    pub fn binaries_in(mut self, directory: PathBuf) -> Self {
        self.directory = Some(directory);
        self
    }

    /// With one more library that is loaded before the system's.
    pub(crate) fn preload(self, library: &Path) -> Self {
        let before = self.variables.get("LD_PRELOAD").map(|before| format!("{before}:"));
        let all = format!("{}{}", before.unwrap_or_default(), library.display());
        self.var("LD_PRELOAD", all)
    }

    /// With one more argument.
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// With so many open files at most.
    pub fn open_files(mut self, limit: u32) -> Self {
        self.limits = Some(format!("ulimit -n {limit}"));
        self
    }

    /// With no file beyond so many KiB: writing more fails, as it does on a full disk.
    pub fn largest_file_kib(mut self, limit: u32) -> Self {
        // The shell counts in blocks of 512 bytes, and the signal would end the process.
        self.limits = Some(format!("trap '' XFSZ; ulimit -S -f {}", 2 * limit));
        self
    }

    /// With these listeners handed over, by these names, as systemd does. Its standard error is not
    /// kept then.
    pub fn sockets(mut self, sockets: [(&str, &TcpListener); 2]) -> Self {
        let names = sockets.map(|(name, _)| name).join(":");
        let own = |(_, listener): (&str, &TcpListener)| {
            OwnedFd::from(listener.try_clone().expect("a second descriptor"))
        };
        self.sockets = Some(Arc::new(sockets.map(own)));
        // They come as the shell's standard input and standard error, since nothing else gets there
        // without reaching the children of other tests as well.
        self.limits =
            Some("exec 3<&0 4>&2 </dev/null 2>/dev/null; export LISTEN_PID=$$".to_owned());
        self.var("LISTEN_FDS", "2").var("LISTEN_FDNAMES", names)
    }

    /// Starts it and leaves it running.
    pub fn start(&self) -> Process {
        let (mut command, home) = self.command();
        command.stdin(Stdio::null());
        if let Some(sockets) = &self.sockets {
            let [first, second] = sockets
                .each_ref()
                .map(|socket| Stdio::from(socket.try_clone().expect("a second descriptor")));
            command.stdin(first).stderr(second);
        }
        Process::own(command.spawn().expect("the binary starts"), home)
    }

    /// Starts it with its outputs where the test wants them.
    pub fn start_writing_to(&self, stdout: Stdio, stderr: Stdio) -> Process {
        let (mut command, home) = self.command();
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        Process::own(command.spawn().expect("the binary starts"), home)
    }

    /// Runs it to its end, which must come by itself.
    pub fn run(&self) -> Output {
        self.run_with_input("")
    }

    /// The same, with this on its standard input.
    pub fn run_with_input(&self, input: &str) -> Output {
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
        let code = process.wait_for_end(TIMEOUT).code();
        Output { code, stdout: process.output().join("\n"), stderr: process.errors().join("\n") }
    }

    /// The same with this as its standard output, which is not collected.
    pub fn run_writing_to(&self, stdout: Stdio, input: &str) -> Output {
        let (mut command, home) = self.command();
        command.stdin(Stdio::piped()).stdout(stdout);
        Self::run_command(command, home, input)
    }

    fn command(&self) -> (Command, TempDir) {
        let home = TempDir::with_prefix("reinflate-e2e-").expect("a temporary directory");
        let binary = match &self.directory {
            Some(directory) => directory.join(self.binary),
            None => built(self.binary),
        };
        let mut command = match &self.limits {
            None => Command::new(binary),
            Some(limits) => {
                let mut shell = Command::new("sh");
                let script = format!("{limits}; exec \"$0\" \"$@\"");
                shell.args(["-c", &script]).arg(binary);
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
    pub fn lines(&self) -> Vec<&str> {
        let lines = self.stdout.lines().chain(self.stderr.lines());
        lines.filter(|line| !line.trim().is_empty()).collect()
    }
}

/// Where cargo has put a binary of this workspace: beside the directory of the tests.
fn built(binary: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it stands");
    test.ancestors().nth(2).expect("target/PROFILE/deps/TEST").join(binary)
}

/// A free port below the ephemeral range, so that no other process gets it by accident. The port
/// 10,000 above it, which a member of a Redis cluster uses as well, is free too.
pub fn unused_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 100).expect("below 100") * 100;
    let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let port = 11_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
}

//! A PostgreSQL of a test's own: in a directory of its own, on a socket in it, stopped when dropped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{TIMEOUT, eventually};

/// A server with one database, open to every user of its socket.
pub struct Postgres {
    home: TempDir,
    binaries: PathBuf,
    process: Option<Child>,
    arguments: Vec<String>,
}

impl Postgres {
    /// Starts one. `None` where there is none to start: the test is skipped, unless `REQUIRE_ALL`
    /// is set, where it fails.
    pub fn start() -> Option<Self> {
        let binaries = found()?;
        let mut server = Self::initialised(binaries, vec!["listen_addresses=".to_owned()]);
        server.resume();
        Some(server)
    }

    /// The same on a port of loopback as well, with the `server.crt` and `server.key` of that directory.
    pub fn start_with_tls(certificates: &Path, port: u16) -> Option<Self> {
        let binaries = found()?;
        let settings = ["listen_addresses=127.0.0.1".to_owned(), format!("port={port}")];
        let mut server =
            Self::initialised(binaries, [&settings[..], &["ssl=on".to_owned()]].concat());
        for (name, mode) in [("server.crt", "0644"), ("server.key", "0600")] {
            let owner: &[&str] = if is_root() { &["-o", "postgres"] } else { &[] };
            let mut install = Command::new("install");
            install.args(owner).args(["-m", mode]).arg(certificates.join(name));
            run(install.arg(server.data().join(name)));
        }
        server.resume();
        Some(server)
    }

    /// One that has been set up in a directory of its own, and does not run yet.
    fn initialised(binaries: PathBuf, arguments: Vec<String>) -> Self {
        // A socket's path is short.
        let home = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("a directory");
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(home.path()));
        }
        let server = Self { home, binaries, process: None, arguments };
        let mut initdb = server.command("initdb");
        initdb.args(["--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8", "-D"]);
        run(initdb.arg(server.data()));
        server
    }

    /// The address of its database.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The address of another database on it.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.home.path().display())
    }

    /// Starts it, for the first time or again, and waits until it takes connections.
    pub fn resume(&mut self) {
        let mut postgres = self.command("postgres");
        postgres.arg("-D").arg(self.data()).arg("-k").arg(self.home.path());
        postgres.args(["-c", "fsync=off", "-c", "max_connections=200"]);
        postgres.args(self.arguments.iter().flat_map(|setting| ["-c", setting]));
        self.process = Some(postgres.spawn().expect("PostgreSQL starts"));
        eventually("PostgreSQL is ready", TIMEOUT, || {
            let state = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
            state.lines().nth(7)?.trim().eq("ready").then_some(())
        });
    }

    /// Ends it at once, as a crash would.
    pub fn crash(&mut self) {
        if let Some(mut process) = self.process.take() {
            signal("QUIT", &[process.id()]);
            process.wait().expect("the child is ours");
        }
    }

    /// Stops it and all that serve its connections, which stay open and silent.
    pub fn freeze(&self) {
        signal("STOP", &self.processes());
    }

    /// Continues them.
    pub fn thaw(&self) {
        signal("CONT", &self.processes());
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// As the user `postgres` where we are root, whom it refuses to serve.
    fn command(&self, name: &str) -> Command {
        let binary = self.binaries.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
            command.args(["--pdeathsig", "QUIT"]).arg(binary);
            command
        } else {
            Command::new(binary)
        };
        command.current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn processes(&self) -> Vec<u32> {
        let Some(main) = self.process.as_ref().map(Child::id) else { return Vec::new() };
        let children = fs::read_to_string(format!("/proc/{main}/task/{main}/children"));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().filter_map(|id| id.parse().ok());
        std::iter::once(main).chain(children).collect()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.thaw();
        self.crash();
    }
}

/// Where PostgreSQL is, or that the test is skipped.
fn found() -> Option<PathBuf> {
    let binaries = binaries();
    if binaries.is_none() {
        assert!(std::env::var_os("REQUIRE_ALL").is_none(), "PostgreSQL is not installed");
        eprintln!("skipped: PostgreSQL is not installed");
    }
    binaries
}

fn binaries() -> Option<PathBuf> {
    let packaged = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let packaged = packaged.map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has = |directory: &Path, name: &str| directory.join(name).is_file();
    packaged
        .chain(std::env::split_paths(&path))
        .find(|directory| has(directory, "postgres") && has(directory, "initdb"))
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:\t0\t"))
}

fn signal(name: &str, processes: &[u32]) {
    if !processes.is_empty() {
        let ids = processes.iter().map(u32::to_string);
        let _has_ended_already = Command::new("kill").arg(format!("-{name}")).args(ids).status();
    }
}

fn run(command: &mut Command) {
    let status = command.status().expect("it starts");
    assert!(status.success(), "{command:?} failed");
}

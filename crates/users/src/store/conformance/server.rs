//! A PostgreSQL of our own: started in a directory of its own on a socket in it, gone when dropped.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(super) struct Server {
    home: TempDir,
    binaries: PathBuf,
    process: Option<Child>,
    databases: AtomicU32,
}

impl Server {
    /// Starts one, or says that the tests are skipped where there is none to start.
    pub(super) fn start() -> Option<Self> {
        let Some(binaries) = binaries() else {
            assert!(std::env::var("REQUIRE_ALL").as_deref() != Ok("1"), "there is no PostgreSQL");
            eprintln!("skipped: there is no PostgreSQL on this machine");
            return None;
        };
        let home = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").unwrap();
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(home.path()));
        }
        let mut server = Self { home, binaries, process: None, databases: AtomicU32::new(0) };
        let data = server.data();
        let mut initdb = server.command("initdb", false);
        run(initdb
            .args(["--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8", "-D"])
            .arg(data));
        server.resume();
        Some(server)
    }

    /// Starts the server again, or for the first time, and waits until it answers.
    pub(super) fn resume(&mut self) {
        let mut postgres = self.command("postgres", true);
        postgres.arg("-D").arg(self.data()).arg("-k").arg(self.home.path());
        postgres.args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200"]);
        self.process = Some(postgres.spawn().unwrap());
        let runtime = Runtime::new().unwrap();
        let answers = || {
            runtime.block_on(async { PgConnection::connect(&self.url("postgres")).await.is_ok() })
        };
        let mut polls = 0;
        while !answers() {
            polls += 1;
            assert!(polls < 600, "PostgreSQL does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends the server at once, as a crash would.
    pub(super) fn crash(&mut self) {
        if let Some(mut process) = self.process.take() {
            signal("QUIT", &[process.id()]);
            process.wait().unwrap();
        }
    }

    /// Stops the server and all that serve connections, which stay open and silent.
    pub(super) fn freeze(&self) {
        signal("STOP", &self.processes());
    }

    pub(super) fn thaw(&self) {
        signal("CONT", &self.processes());
    }

    pub(super) fn fresh_database(&self, runtime: &Runtime) -> String {
        let name = format!("case{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let create = format!("CREATE DATABASE {name}");
        runtime.block_on(async {
            let mut connection = PgConnection::connect(&self.url("postgres")).await.unwrap();
            connection.execute(sqlx::AssertSqlSafe(create)).await.unwrap();
        });
        self.url(&name)
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.home.path().display())
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// A command as the user `postgres` where we are root, which PostgreSQL refuses to be.
    fn command(&self, name: &str, dies_with_us: bool) -> Command {
        let binary = self.binaries.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
            if dies_with_us {
                command.args(["--pdeathsig", "QUIT"]);
            }
            command.arg(binary);
            command
        } else {
            Command::new(binary)
        };
        command.current_dir("/").stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        command
    }

    fn processes(&self) -> Vec<u32> {
        let Some(main) = self.process.as_ref().map(Child::id) else {
            return Vec::new();
        };
        let children = fs::read_to_string(format!("/proc/{main}/task/{main}/children")).unwrap();
        let children = children.split_whitespace().map(|pid| pid.parse().unwrap());
        std::iter::once(main).chain(children).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.thaw();
        self.crash();
    }
}

fn binaries() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let packaged = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let packaged = packaged.flatten().map(|version| version.path().join("bin"));
    packaged.chain(on_path).find(|place| has(place, "postgres") && has(place, "initdb"))
}

fn has(place: &Path, name: &str) -> bool {
    place.join(name).is_file()
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:\t0\t"))
}

fn signal(name: &str, processes: &[u32]) {
    if !processes.is_empty() {
        let ids = processes.iter().map(u32::to_string);
        let _gone_already = Command::new("kill").arg(format!("-{name}")).args(ids).status();
    }
}

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?} failed");
}

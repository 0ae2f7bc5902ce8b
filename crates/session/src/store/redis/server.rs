//! Real servers for tests: started on ports of their own, in directories of their own, and killed
//! with their owner. A test that lacks the program is skipped, unless `REQUIRE_ALL` is set.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicI64, AtomicU16, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use clock::SystemClock;
use tempfile::TempDir;

use crate::{RedisConnection, RedisOptions};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// What tests demand that are about no time limit: a busy machine may keep a reply back for longer
/// than a service would wait for it.
pub(crate) const PATIENT: RedisOptions =
    RedisOptions { wait_for_replica: false, response_timeout: PATIENCE };
/// How many tests may have a database of their own.
const DATABASES: i64 = 1024;

/// A running `redis-server`.
pub(crate) struct Server {
    pub(crate) port: u16,
    arguments: Vec<String>,
    running: Running,
    directory: PathBuf,
}

/// A server's process, and the one that kills it when our end of its pipe is closed: also where
/// nothing of ours is left to be dropped.
struct Running {
    guard: Child,
    pipe: Option<ChildStdin>,
    id: String,
}

/// Starts what its arguments say and prints its number. When the input ends, kills it, and removes
/// its directory unless told to keep it.
const GUARD: &str = r#"dir=$1; shift; "$@" </dev/null >/dev/null 2>&1 & echo $!
    read -r word; kill -9 $! 2>/dev/null; wait; [ "$word" = keep ] || rm -rf "$dir""#;

/// The server that all tests share which break nothing.
static COMMON: LazyLock<Option<Server>> = LazyLock::new(|| {
    let databases = DATABASES.to_string();
    Server::start(&["--databases", &databases, "--hz", "100"])
});

/// A connection to an empty database that no other test has.
pub(crate) async fn fresh_database() -> Option<RedisConnection> {
    static NEXT: AtomicI64 = AtomicI64::new(0);
    let server = COMMON.as_ref()?;
    let database = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(database < DATABASES);
    Some(connect(&format!("redis://127.0.0.1:{}/{database}", server.port)).await)
}

/// A connection to whatever is there.
pub(crate) async fn connect(address: &str) -> RedisConnection {
    connect_with(address, PATIENT).await
}

pub(crate) async fn connect_with(address: &str, options: RedisOptions) -> RedisConnection {
    let address = address.parse().unwrap();
    let clock = Arc::new(SystemClock::new());
    RedisConnection::open(address, options, clock).await.unwrap()
}

impl Server {
    /// An empty server with these arguments beside ours, once it answers; `None` where there is no
    /// such program.
    pub(crate) fn start(arguments: &[&str]) -> Option<Self> {
        let server = Self::start_silent(arguments)?;
        server.wait();
        Some(server)
    }

    /// The same for one that does not answer everybody.
    pub(crate) fn start_silent(arguments: &[&str]) -> Option<Self> {
        if !is_installed() {
            return None;
        }
        let directory = TempDir::with_prefix("reinflate-redis-").unwrap().keep();
        let port = free_port();
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let running = spawn(port, &arguments, &directory);
        Some(Self { port, arguments, running, directory })
    }

    pub(crate) fn address(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What `redis-cli` prints for a command.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(&mut self) {
        self.end("keep\n");
    }

    fn end(&mut self, word: &str) {
        if let Some(mut pipe) = self.running.pipe.take() {
            pipe.write_all(word.as_bytes()).unwrap();
        }
        self.running.guard.wait().unwrap();
    }

    /// Starts it again after it was killed, with what it had on its disk.
    pub(crate) fn start_again(&mut self) {
        self.running = spawn(self.port, &self.arguments, &self.directory);
    }

    /// Waits until it answers.
    pub(crate) fn wait(&self) {
        until("the server answers", || self.cli(&["ping"]) == "PONG");
    }

    /// Sends a signal by its name: `STOP`, `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, &self.running.id])
            .status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end("");
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Looks until it is so.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let rounds = PATIENCE.as_millis() / 20;
    for _ in 0..rounds {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("not within {PATIENCE:?}: {what}");
}

/// Three masters that share the slots, and as many replicas for each as asked for.
pub(crate) fn cluster(replicas: usize) -> Option<Vec<Server>> {
    let arguments = [
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        "2000",
        "--cluster-require-full-coverage",
        "no",
        "--hz",
        "100",
    ];
    let servers: Option<Vec<Server>> =
        (0..3 * (1 + replicas)).map(|_| Server::start(&arguments)).collect();
    let servers = servers?;
    let hosts = servers.iter().map(|server| format!("127.0.0.1:{}", server.port));
    let created = Command::new("redis-cli")
        .args(["--cluster", "create"])
        .args(hosts)
        .args(["--cluster-replicas", &replicas.to_string(), "--cluster-yes"])
        .output()
        .unwrap();
    assert!(created.status.success(), "{created:?}");
    for server in &servers {
        until("the cluster is whole", || {
            let info = server.cli(&["cluster", "info"]);
            info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384")
        });
    }
    Some(servers)
}

/// The address of a cluster.
pub(crate) fn cluster_address(servers: &[Server]) -> String {
    let hosts: Vec<String> =
        servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
    format!("redis-cluster://{}", hosts.join(","))
}

fn is_installed() -> bool {
    let found = Command::new("redis-server").arg("--version").output().is_ok();
    if !found {
        assert!(std::env::var_os("REQUIRE_ALL").is_none(), "redis-server is not installed");
        eprintln!("skipped: redis-server is not installed");
    }
    found
}

/// A port below those that the system hands out, with the one 10,000 above it free as well, which
/// a member of a cluster takes too.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 90).unwrap() * 100;
    loop {
        let port = 11_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 9_000;
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if free(port) && free(port + 10_000) {
            return port;
        }
    }
}

fn spawn(port: u16, arguments: &[String], directory: &Path) -> Running {
    let mut guard = Command::new("sh")
        .args(["-c", GUARD, "sh"])
        .arg(directory)
        .arg("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--dir"])
        .arg(directory)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut id = String::new();
    let output = guard.stdout.take().unwrap();
    BufReader::new(output).read_line(&mut id).unwrap();
    Running { pipe: guard.stdin.take(), id: id.trim().to_owned(), guard }
}

//! A real `redis-server` of a test's own: on a port of its own, in a directory of its own.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use tempfile::TempDir;

use super::{TIMEOUT, eventually, send_signal, skip_unless_installed, unused_port};

/// Runs its arguments as a command and prints its process id. When the input ends, kills it, and
/// removes its directory unless the input says `keep`.
const GUARD: &str = r#"dir=$1; shift; "$@" </dev/null >/dev/null 2>&1 & echo $!
    read -r word; kill -9 $! 2>/dev/null; wait; [ "$word" = keep ] || rm -rf "$dir""#;
/// Makes a server lose nothing when it is killed, as long as the machine lives.
const DURABLE: [&str; 6] = ["--appendonly", "yes", "--appendfsync", "no", "--rdbcompression", "no"];

/// A running server, killed with its owner.
pub struct Redis {
    /// Where it listens on loopback.
    pub port: u16,
    arguments: Vec<String>,
    running: Running,
    directory: PathBuf,
}

/// A server's process, and the one that kills it when our end of its pipe is closed: also where
/// the test's process is killed, or the owner is never dropped.
struct Running {
    guard: Child,
    pipe: Option<ChildStdin>,
    id: u32,
}

impl Redis {
    /// An empty server with these arguments, once it answers; `None` where there is no such program.
    pub fn start(arguments: &[&str]) -> Option<Self> {
        let redis = Self::start_silent(arguments)?;
        redis.wait();
        Some(redis)
    }

    /// The same for one that loses nothing when it is killed.
    pub fn start_durable(arguments: &[&str]) -> Option<Self> {
        Self::start(&[&DURABLE, arguments].concat())
    }

    /// The same for one that holds what this dump does.
    pub fn start_from(dump: &Path) -> Option<Self> {
        let redis = Self::start_in(&[], |directory| {
            fs::copy(dump, directory.join("dump.rdb")).expect("the dump is there");
        })?;
        redis.wait();
        Some(redis)
    }

    /// The same for one that requires a password or TLS, and is not waited for.
    pub fn start_silent(arguments: &[&str]) -> Option<Self> {
        Self::start_in(arguments, |_| {})
    }

    fn start_in(arguments: &[&str], prepare: impl FnOnce(&Path)) -> Option<Self> {
        if skip_unless_installed("redis-server") {
            return None;
        }
        let directory = TempDir::with_prefix("reinflate-redis-").expect("a directory").keep();
        prepare(&directory);
        let port = unused_port();
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let running = spawn(port, &arguments, &directory);
        Some(Self { port, arguments, running, directory })
    }

    /// Its address, as the services take it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What `redis-cli` prints for a command.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(arguments)
            .output()
            .expect("redis-cli runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// How many sessions it stores.
    pub fn sessions(&self) -> usize {
        let script = "return #redis.call('KEYS', 'session:*')";
        self.cli(&["EVAL", script, "0"]).parse().expect("a number")
    }

    /// The sessions that are not a string of the current format with a time to live.
    pub fn odd_sessions(&self) -> String {
        let script = "local odd = {}
            for _, key in ipairs(redis.call('KEYS', 'session:*')) do
                local ttl = redis.call('PTTL', key)
                local whole = redis.call('TYPE', key).ok == 'string'
                    and redis.call('GETRANGE', key, 0, 0) == '\\2' and redis.call('STRLEN', key) > 60
                -- -2: it expired between the two commands.
                if ttl == -1 or ttl == 0 or ttl > 0 and not whole then odd[#odd + 1] = key end
            end
            return odd";
        self.cli(&["EVAL", script, "0"])
    }

    /// Everything that it stores, as it lies on its disk.
    pub fn contents(&self) -> Vec<u8> {
        assert_eq!(self.cli(&["SAVE"]), "OK");
        fs::read(self.directory.join("dump.rdb")).expect("the dump was written")
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        self.end("keep\n");
    }

    /// Sets something, from now on and whenever it is started again.
    pub fn configure(&mut self, name: &str, value: &str) {
        assert_eq!(self.cli(&["CONFIG", "SET", name, value]), "OK");
        self.arguments.extend([format!("--{name}"), value.to_owned()]);
    }

    /// Sends a signal, by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        send_signal(name, self.running.id);
    }

    /// Starts it again after it was killed, with what lies on its disk.
    pub fn start_again(&mut self) {
        self.running = spawn(self.port, &self.arguments, &self.directory);
    }

    /// Waits until it answers.
    pub fn wait(&self) {
        eventually("Redis answers", TIMEOUT, || (self.cli(&["PING"]) == "PONG").then_some(()));
    }

    fn end(&mut self, word: &str) {
        if let Some(mut pipe) = self.running.pipe.take() {
            pipe.write_all(word.as_bytes()).expect("the guard waits for its word");
        }
        self.running.guard.wait().expect("the child is ours");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.end("");
        // The guard has removed it, unless the server was killed before.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Three masters that share the slots, and so many replicas of each, all with these arguments.
pub fn redis_cluster(replicas: usize, arguments: &[&str]) -> Option<Vec<Redis>> {
    let cluster = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
    let arguments = [&cluster, arguments].concat();
    let servers = (0..3 * (1 + replicas)).map(|_| Redis::start(&arguments));
    let servers = servers.collect::<Option<Vec<_>>>()?;
    let created = Command::new("redis-cli")
        .args(["--cluster", "create"])
        .args(servers.iter().map(|server| format!("127.0.0.1:{}", server.port)))
        .args(["--cluster-replicas", &replicas.to_string(), "--cluster-yes"])
        .output()
        .expect("redis-cli runs");
    assert!(created.status.success(), "{created:?}");
    for server in &servers {
        eventually("the cluster is whole", TIMEOUT, || {
            let info = server.cli(&["CLUSTER", "INFO"]);
            let is_whole = ["cluster_state:ok", "cluster_slots_ok:16384"];
            is_whole.iter().all(|line| info.contains(line)).then_some(())
        });
    }
    Some(servers)
}

fn spawn(port: u16, arguments: &[String], directory: &Path) -> Running {
    let mut guard = Command::new("sh")
        .args(["-c", GUARD, "sh"])
        .arg(directory)
        .arg("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
        .arg(directory)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sh starts");
    let mut id = String::new();
    let output = guard.stdout.take().expect("its output is a pipe");
    BufReader::new(output).read_line(&mut id).expect("the guard prints a process id");
    Running { pipe: guard.stdin.take(), id: id.trim().parse().expect("a process id"), guard }
}

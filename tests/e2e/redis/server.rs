//! A real `redis-server` of a test's own.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::harness::{PATIENCE, eventually, quiet_port, skip_unless_installed};

/// A running server, killed with its owner.
pub(crate) struct Redis {
    pub(crate) port: u16,
    arguments: Vec<String>,
    child: Child,
    directory: TempDir,
}

impl Redis {
    /// An empty server that loses nothing when it is killed, as long as the machine lives, with these
    /// arguments beside; `None` where there is no such program.
    pub(crate) fn start(arguments: &[&str]) -> Option<Self> {
        if skip_unless_installed("redis-server") {
            return None;
        }
        let directory = TempDir::with_prefix("reinflate-e2e-").expect("a temporary directory");
        let port = port_for(arguments);
        let safe = ["--appendonly", "yes", "--appendfsync", "no", "--rdbcompression", "no"];
        let arguments = safe.iter().chain(arguments);
        let arguments: Vec<String> = arguments.map(ToString::to_string).collect();
        let child = spawn(port, &arguments, &directory);
        let redis = Self { port, arguments, child, directory };
        redis.wait();
        Some(redis)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What `redis-cli` prints for a command.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(arguments)
            .output()
            .expect("redis-cli runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// How many sessions it keeps.
    pub(crate) fn sessions(&self) -> usize {
        let script = "return #redis.call('KEYS', 'session:*')";
        self.cli(&["EVAL", script, "0"]).parse().expect("a number")
    }

    /// The sessions that are not a string of the known form with a time to live.
    pub(crate) fn odd_sessions(&self) -> String {
        let script = "local odd = {}
            for _, key in ipairs(redis.call('KEYS', 'session:*')) do
                local left = redis.call('PTTL', key)
                local whole = redis.call('TYPE', key).ok == 'string'
                    and redis.call('GETRANGE', key, 0, 0) == '\\2' and redis.call('STRLEN', key) > 60
                -- -2: it went while this was looked at.
                if left == -1 or left == 0 or left > 0 and not whole then odd[#odd + 1] = key end
            end
            return odd";
        self.cli(&["EVAL", script, "0"])
    }

    /// Everything that it keeps, as it lies on its disk.
    pub(crate) fn contents(&self) -> Vec<u8> {
        assert_eq!(self.cli(&["SAVE"]), "OK");
        let path: PathBuf = self.directory.path().join("dump.rdb");
        fs::read(path).expect("the dump was written")
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(&mut self) {
        // Fails only where it has ended already.
        let _ = self.child.kill();
        self.child.wait().expect("the child is ours");
    }

    /// Sends a signal, by its name without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &id]).status();
        assert!(sent.is_ok_and(|status| status.success()), "{name} could not be sent");
    }

    /// Starts it again after it was killed, with what lies on its disk.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(self.port, &self.arguments, &self.directory);
    }

    /// Waits until it answers.
    pub(crate) fn wait(&self) {
        eventually("Redis answers", PATIENCE, || (self.cli(&["PING"]) == "PONG").then_some(()));
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port for a server with these arguments. One of a cluster takes another for its fellows, 10,000
/// above: that has to be free too, and below those that the system hands out.
fn port_for(arguments: &[&str]) -> u16 {
    if !arguments.contains(&"--cluster-enabled") {
        return quiet_port();
    }
    loop {
        let port = 21_000 + quiet_port() % 1_700;
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
}

fn spawn(port: u16, arguments: &[String], directory: &TempDir) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(arguments)
        .current_dir(directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server starts")
}

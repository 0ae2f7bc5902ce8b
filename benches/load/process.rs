//! A server's process: how it is started, what it costs, how it ends. Nothing here knows which
//! server it is.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clock::{Clock, SystemClock};

const START_DEADLINE: Duration = Duration::from_secs(30);
const END_DEADLINE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(1);

/// A running server, ended when this is dropped.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a server that writes its log to a file.
    pub(crate) fn start(mut command: Command, log: PathBuf) -> Result<Self> {
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self { child, log })
    }

    /// Waits until the log says where the server listens, on a line with this word.
    pub(crate) fn address(&mut self, word: &str) -> Result<SocketAddr> {
        let log = self.log.clone();
        self.wait(|| {
            let text = fs::read_to_string(&log).ok()?;
            let mut lines = text.lines();
            let is_it = |line: &&str| line.contains("listening on http://") && line.contains(word);
            let line = lines.rfind(is_it)?;
            let address = line.split("http://").nth(1)?;
            address
                .split(|c: char| c != '.' && c != ':' && !c.is_ascii_digit())
                .next()?
                .parse()
                .ok()
        })
    }

    /// Waits until something comes out, unless the server ends before.
    pub(crate) fn wait<T>(&mut self, mut attempt: impl FnMut() -> Option<T>) -> Result<T> {
        let clock = SystemClock::new();
        loop {
            if let Some(outcome) = attempt() {
                return Ok(outcome);
            }
            let ended = self.child.try_wait()?;
            if ended.is_some() || clock.now() > START_DEADLINE {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                bail!("a server did not start ({ended:?}); {}:\n{log}", self.log.display());
            }
            thread::sleep(POLL);
        }
    }

    /// The process itself.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A signal that a master passes on to its workers; the standard library sends only SIGKILL.
        let pid = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status();
        let clock = SystemClock::new();
        while sent.is_ok() && clock.now() < END_DEADLINE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(POLL);
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// These processes and whatever they have started.
pub(crate) fn with_children(roots: &[u32]) -> Vec<u32> {
    let mut tree = roots.to_vec();
    let parents = parents();
    let mut at = 0;
    while at < tree.len() {
        let parent = tree[at];
        tree.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    tree
}

/// The processor time that processes have used so far, in clock ticks.
pub(crate) fn cpu_ticks(pids: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let fields = stat(&format!("/proc/{pid}"))?;
        Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
    };
    pids.iter().filter_map(of).sum()
}

/// The processor time of the children that a process has waited for, in clock ticks.
pub(crate) fn children_ticks(pid: u32) -> u64 {
    let fields = stat(&format!("/proc/{pid}")).unwrap_or_default();
    let field = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    field(13).unwrap_or_default() + field(14).unwrap_or_default()
}

/// A process's resident memory in bytes.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()).context("no VmRSS")?;
    Ok(kib.parse::<u64>()? * 1024)
}

/// A port that was free a moment ago, for servers that cannot take one themselves.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Where a command stands, if it is installed.
pub(crate) fn installed(command: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let directories = std::env::split_paths(&path).chain(system);
    directories.map(|directory| directory.join(command)).find(|file| file.is_file())
}

fn parents() -> Vec<(u32, u32)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let of = |path: &Path| {
        let pid = path.file_name()?.to_str()?.parse().ok()?;
        Some((pid, stat(path.to_str()?)?.get(1)?.parse().ok()?))
    };
    entries.flatten().filter_map(|entry| of(&entry.path())).collect()
}

/// The fields of a process's `stat` behind its name, which may hold anything.
fn stat(directory: &str) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("{directory}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

//! A process of a test: its output is collected, signals are sent by its id, and it does not
//! outlive its owner.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::{Listener, TIMEOUT, eventually, send_signal};

/// How much of another process's memory is read at a time.
const CHUNK: usize = 1 << 20;

/// A running process. Dropping it kills it, prints its output where the test failed, and fails
/// the test where a secret that the test used stands in that output.
pub struct Process {
    child: Child,
    output: Lines,
    errors: Lines,
    readers: Vec<JoinHandle<()>>,
    secrets: Mutex<Vec<String>>,
    _home: TempDir,
}

type Lines = Arc<Mutex<Vec<String>>>;

impl Process {
    pub(crate) fn own(mut child: Child, home: TempDir) -> Self {
        let (output, errors) = (Lines::default(), Lines::default());
        // A test may have taken an output for itself.
        let stdout = child.stdout.take().map(|pipe| keep(pipe, &output));
        let stderr = child.stderr.take().map(|pipe| keep(pipe, &errors));
        let readers = stdout.into_iter().chain(stderr).collect();
        Self { child, output, errors, readers, secrets: Mutex::default(), _home: home }
    }

    /// The listener of this name, once the process says that it accepts.
    #[track_caller]
    pub fn listener(&mut self, name: &str) -> Listener {
        eventually(&format!("listening ({name})"), TIMEOUT, || {
            let port = self.output().iter().find_map(|line| port_in(line, name));
            let ended = self.child.try_wait().expect("the child is ours");
            assert!(port.is_some() || ended.is_none(), "it ended: {ended:?}");
            port
        })
    }

    /// The lines on standard output so far.
    pub fn output(&self) -> Vec<String> {
        self.output.lock().unwrap().clone()
    }

    /// The lines on standard error so far.
    pub fn errors(&self) -> Vec<String> {
        self.errors.lock().unwrap().clone()
    }

    /// The log so far; every line of it must be JSON.
    #[track_caller]
    pub fn log(&self) -> Vec<Value> {
        let parse = |line: &String| serde_json::from_str(line).expect("a log line is JSON");
        self.output().iter().map(parse).collect()
    }

    /// The lines of the log that hold this text, once there are `count` of them.
    #[track_caller]
    pub fn log_lines_with(&self, text: &str, count: usize) -> Vec<String> {
        eventually(&format!("{count} log lines with {text:?}"), TIMEOUT, || {
            let mut lines = self.output();
            lines.retain(|line| line.contains(text));
            (lines.len() >= count).then_some(lines)
        })
    }

    /// Declares a secret, which must never stand in the output; a word so short that it may stand
    /// there by chance is ignored.
    pub fn keep_secret(&self, secret: &str) {
        if secret.len() >= 7 {
            self.secrets.lock().unwrap().push(secret.to_owned());
        }
    }

    /// The secret part of a token must never stand in the output, whole or alone.
    pub fn keep_token_secret(&self, token: &str) {
        self.keep_secret(token.get(26..58).unwrap_or(token));
    }

    /// Its number in the system.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, by its name without `SIG`.
    pub fn signal(&self, signal: &str) {
        send_signal(signal, self.id());
    }

    /// Stops all its threads, as a machine that hangs would; the signal `CONT` continues it.
    #[track_caller]
    pub fn hang(&self) {
        self.signal("STOP");
        // The signal is sent at once, but each thread stops when it comes to it.
        eventually("every thread has stopped", TIMEOUT, || {
            let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()?;
            let mut states = threads.map(|thread| {
                let stat = fs::read_to_string(thread.ok()?.path().join("stat")).ok()?;
                let (_, after_name) = stat.rsplit_once(") ")?;
                after_name.chars().next()
            });
            states.all(|state| state == Some('T')).then_some(())
        });
    }

    /// The processor time that it has used so far, in the kernel's ticks of 10 ms.
    pub fn processor_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.expect("the process runs");
        let (_, after_name) = stat.rsplit_once(") ").expect("a name");
        // The 14th and 15th field, user and system, of which the name is the second (proc(5)).
        after_name.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    /// Its peak memory so far, in KiB.
    pub fn peak_memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the process runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
        peak.and_then(|peak| peak.parse().ok()).expect("a number of kB")
    }

    /// How often each of these stands in its memory; `None` where the system does not let us read it.
    pub fn in_memory(&self, needles: &[&str]) -> Option<Vec<usize>> {
        let id = self.id();
        let maps = fs::read_to_string(format!("/proc/{id}/maps")).ok()?;
        let memory = fs::File::open(format!("/proc/{id}/mem")).ok()?;
        let longest = needles.iter().map(|needle| needle.len()).max()?;
        let (mut chunk, zeros) = (vec![0; CHUNK + longest], vec![0; CHUNK + longest]);
        let mut found = vec![0; needles.len()];
        for map in maps.lines().filter(|map| map.contains(" rw")) {
            let (start, end) = map.split(' ').next()?.split_once('-')?;
            let address = |text| u64::from_str_radix(text, 16).ok();
            for at in (address(start)?..address(end)?).step_by(CHUNK) {
                // Where the mapping ends sooner, or was unmapped by now, less is read.
                let read = memory.read_at(&mut chunk, at).unwrap_or_default();
                if chunk[..read] == zeros[..read] {
                    continue;
                }
                for (needle, found) in needles.iter().zip(&mut found) {
                    let offsets = memchr::memmem::find_iter(&chunk[..read], needle.as_bytes());
                    *found += offsets.filter(|offset| *offset < CHUNK).count();
                }
            }
        }
        Some(found)
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        // Fails only where it has ended already.
        let _ = self.child.kill();
        self.child.wait().expect("the child is ours");
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the child is ours").is_none()
    }

    /// Waits until it has ended and all its output is there.
    #[track_caller]
    pub fn wait_for_end(&mut self, within: Duration) -> ExitStatus {
        let child = &mut self.child;
        let ended = eventually("the process ends", within, || child.try_wait().expect("ours"));
        self.read_to_the_end();
        ended
    }

    fn read_to_the_end(&mut self) {
        for reader in self.readers.drain(..) {
            // A reader ends with the pipe; it has nothing to panic about.
            let _ = reader.join();
        }
    }

    fn leaked(&self) -> Option<String> {
        let secrets = self.secrets.lock().unwrap();
        let lines = self.output().into_iter().chain(self.errors());
        lines.into_iter().find(|line| secrets.iter().any(|secret| line.contains(secret)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        self.read_to_the_end();
        if thread::panicking() {
            for line in self.output().iter().chain(&self.errors()) {
                eprintln!("[{}] {line}", self.child.id());
            }
        } else if let Some(line) = self.leaked() {
            panic!("a secret in the output: {line}");
        }
    }
}

fn keep(pipe: impl Read + Send + 'static, lines: &Lines) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            lines.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
        }
    })
}

/// The port in `listening on http://127.0.0.1:8080 (public)`.
fn port_in(line: &str, name: &str) -> Option<Listener> {
    let (_, rest) = line.split_once("listening on http://")?;
    let (address, rest) = rest.split_once(" (")?;
    let (listener, _) = rest.split_once(')')?;
    let (_, port) = address.rsplit_once(':')?;
    if listener != name {
        return None;
    }
    port.parse().ok().map(|port| Listener { port })
}

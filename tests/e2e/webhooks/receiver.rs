//! A receiver of webhooks that does with each post what its test says.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::harness::{AuthService, Launch, TIMEOUT, eventually, unused_port};

/// The secret of these tests.
pub(crate) const SECRET: &str = "whsec_c2V2ZW4gZ3JlZW4ga2V0dGxlcyB3aGlzdGxl";

/// What a receiver does with a post.
#[derive(Clone, Debug)]
pub(crate) enum Mode {
    /// It answers with this status and this further header.
    Answer(u16, String),
    /// It reads, and says nothing.
    Hang,
    /// It reads, and closes.
    Reset,
    /// It answers byte by byte, without an end.
    Trickle,
    /// It says that it goes on, again and again.
    Continue,
}

/// A post that was read.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    /// Whether it was answered by a 2xx.
    pub(crate) taken: bool,
}

impl Post {
    pub(crate) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Whether one of its signatures is by this secret.
    pub(crate) fn is_signed_by(&self, secret: &str) -> bool {
        let key = BASE64_STANDARD.decode(&secret["whsec_".len()..]).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        let signed = format!("{}.{}.{}", self.id(), self.headers["webhook-timestamp"], self.body);
        mac.update(signed.as_bytes());
        let expected = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
        self.headers["webhook-signature"].split(' ').any(|signature| signature == expected)
    }
}

struct State {
    mode: Mutex<Mode>,
    posts: Mutex<Vec<Post>>,
}

/// It listens on loopback while it is there.
pub(crate) struct Receiver {
    pub(crate) port: u16,
    state: Arc<State>,
    running: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Receiver {
    /// One that takes everything.
    pub(crate) fn start() -> Self {
        let mut receiver = Self::away();
        receiver.come_back();
        receiver
    }

    /// One that is not there yet.
    pub(crate) fn away() -> Self {
        let mode = Mutex::new(Mode::Answer(204, String::new()));
        let state = Arc::new(State { mode, posts: Mutex::default() });
        Self { port: unused_port(), state, running: None }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook?secret-of-the-path=1", self.port)
    }

    /// With this receiver as the only one.
    pub(crate) fn of(&self, launch: Launch) -> Launch {
        posting_to(&self.url(), launch)
    }

    pub(crate) fn answer(&self, status: u16) {
        self.set(Mode::Answer(status, String::new()));
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.state.mode.lock().unwrap() = mode;
    }

    pub(crate) fn come_back(&mut self) {
        let listener = eventually("the port is free", TIMEOUT, || {
            TcpListener::bind(("127.0.0.1", self.port)).ok()
        });
        listener.set_nonblocking(true).unwrap();
        let stopped = Arc::new(AtomicBool::new(false));
        let (stop, state) = (Arc::clone(&stopped), Arc::clone(&self.state));
        let thread = thread::spawn(move || accept(&listener, &state, &stop));
        self.running = Some((stopped, thread));
    }

    /// Ends it, and its connections.
    pub(crate) fn go_away(&mut self) {
        if let Some((stopped, thread)) = self.running.take() {
            stopped.store(true, Ordering::Relaxed);
            let _ = thread.join();
        }
    }

    pub(crate) fn posts(&self) -> Vec<Post> {
        self.state.posts.lock().unwrap().clone()
    }

    pub(crate) fn taken(&self) -> Vec<Post> {
        self.posts().into_iter().filter(|post| post.taken).collect()
    }

    /// What was taken, once it is so much.
    #[track_caller]
    pub(crate) fn taken_at_least(&self, count: usize) -> Vec<Post> {
        eventually("the posts", 3 * TIMEOUT, || Some(self.taken()).filter(|all| all.len() >= count))
    }

    /// Waits until so many events were taken, and gives the first post of each, in order.
    #[track_caller]
    pub(crate) fn events_at_least(&self, count: usize) -> Vec<Post> {
        eventually("the events", 3 * TIMEOUT, || {
            let mut seen = HashSet::new();
            let mut taken = self.taken();
            taken.retain(|post| seen.insert(post.id().to_owned()));
            (taken.len() >= count).then_some(taken)
        })
    }

    /// Waits until so many posts were read, whatever became of them.
    #[track_caller]
    pub(crate) fn tried_at_least(&self, count: usize) {
        eventually("the tries", 3 * TIMEOUT, || (self.posts().len() >= count).then_some(()));
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.go_away();
    }
}

/// With this URL, or these.
pub(crate) fn posting_to(urls: &str, launch: Launch) -> Launch {
    launch.var("AUTH_WEBHOOK_URL", urls).var("AUTH_WEBHOOK_SECRET", SECRET)
}

/// Logs in and out so often, and gives the ids of the sessions in the order in which they ended.
pub(crate) fn log_out(auth: &AuthService, count: usize) -> Vec<String> {
    let one = |_| {
        let answer = auth.login_answer(crate::harness::DEMO.0, crate::harness::DEMO.1);
        auth.logout(answer["token"].as_str().unwrap());
        answer["session"]["id"].as_str().unwrap().to_owned()
    };
    (0..count).map(one).collect()
}

/// The ids of the sessions that these posts are about.
pub(crate) fn sessions(posts: &[Post]) -> Vec<String> {
    let id = |post: &Post| post.json()["session"]["id"].as_str().map(str::to_owned);
    posts.iter().filter_map(id).collect()
}

fn accept(listener: &TcpListener, state: &Arc<State>, stopped: &Arc<AtomicBool>) {
    let mut served = Vec::new();
    while !stopped.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) => {
                let (state, stopped) = (Arc::clone(state), Arc::clone(stopped));
                served.push(thread::spawn(move || serve(stream, &state, &stopped)));
            }
            Err(_) => thread::sleep(Duration::from_millis(2)),
        }
    }
    for thread in served {
        let _ = thread.join();
    }
}

fn serve(stream: TcpStream, state: &State, stopped: &AtomicBool) {
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some((headers, body)) = read_post(&mut reader, stopped) {
        let mode = state.mode.lock().unwrap().clone();
        let taken = matches!(mode, Mode::Answer(200..300, _));
        state.posts.lock().unwrap().push(Post { headers, body, taken });
        let goes_on = match mode {
            Mode::Answer(status, header) => {
                let head = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n{header}\r\n");
                writer.write_all(head.as_bytes()).is_ok()
            }
            Mode::Reset => false,
            Mode::Hang => {
                wait_for(stopped, || false);
                false
            }
            Mode::Continue => {
                let many = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(4_000);
                while !stopped.load(Ordering::Relaxed) && writer.write_all(&many).is_ok() {}
                false
            }
            Mode::Trickle => {
                let mut bytes =
                    b"HTTP/1.1 200 OK\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'a'));
                wait_for(stopped, || {
                    bytes.next().is_none_or(|byte| writer.write_all(&[*byte]).is_err())
                });
                false
            }
        };
        if !goes_on {
            let _ = writer.shutdown(Shutdown::Both);
            return;
        }
    }
}

/// Until the receiver goes away, or the connection is over.
fn wait_for(stopped: &AtomicBool, mut is_over: impl FnMut() -> bool) {
    while !stopped.load(Ordering::Relaxed) && !is_over() {
        thread::sleep(Duration::from_millis(20));
    }
}

fn read_post(
    reader: &mut BufReader<TcpStream>,
    stopped: &AtomicBool,
) -> Option<(BTreeMap<String, String>, String)> {
    let mut headers = BTreeMap::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        read_line(reader, &mut line, stopped)?;
        let text = String::from_utf8(line.clone()).unwrap();
        let text = text.trim_end();
        if text.is_empty() {
            break;
        }
        if let Some((name, value)) = text.split_once(": ") {
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    let mut read = 0;
    while read < body.len() {
        match reader.read(&mut body[read..]) {
            Ok(0) => return None,
            Ok(count) => read += count,
            Err(error) if error.kind() != ErrorKind::WouldBlock => return None,
            Err(_) if stopped.load(Ordering::Relaxed) => return None,
            Err(_) => {}
        }
    }
    Some((headers, String::from_utf8(body).unwrap()))
}

fn read_line(
    reader: &mut BufReader<TcpStream>,
    line: &mut Vec<u8>,
    stopped: &AtomicBool,
) -> Option<()> {
    loop {
        match reader.read_until(b'\n', line) {
            Ok(0) => return None,
            Ok(_) if line.ends_with(b"\n") => return Some(()),
            Ok(_) => return None,
            Err(error) if error.kind() != ErrorKind::WouldBlock => return None,
            Err(_) if stopped.load(Ordering::Relaxed) => return None,
            Err(_) => {}
        }
    }
}

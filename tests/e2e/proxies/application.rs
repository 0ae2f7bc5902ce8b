//! An application behind a proxy that answers with what it received.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::harness::{Answer, TIMEOUT};

/// Answers 200 with the request as it came; below `/fail`, 500; at a path that ends in `/socket`, 101
/// whether or not it was asked to, and the same bytes through the tunnel.
pub(super) struct Application {
    pub(super) port: u16,
    received: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Application {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.set_nonblocking(true).expect("the listener can be polled");
        let port = listener.local_addr().expect("it is bound").port();
        let (received, stopped) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (count, stop) = (Arc::clone(&received), Arc::clone(&stopped));
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let count = Arc::clone(&count);
                        thread::spawn(move || serve(stream, &count));
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        thread::sleep(Duration::from_millis(2));
                    }
                    Err(error) => panic!("accept: {error}"),
                }
            }
        });
        Self { port, received, stopped, thread: Some(thread) }
    }

    /// How many requests have reached it.
    pub(super) fn received(&self) -> usize {
        self.received.load(Ordering::SeqCst)
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it panicked of has been printed; the test fails by the missing answers.
            let _ = thread.join();
        }
    }
}

/// One request a connection.
fn serve(stream: TcpStream, count: &AtomicUsize) {
    stream.set_nonblocking(false).expect("the connection can be waited for");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout can be set");
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if !matches!(stream.read_line(&mut head), Ok(1..)) {
            return;
        }
    }
    count.fetch_add(1, Ordering::SeqCst);
    let length = head.to_ascii_lowercase().lines().find_map(|line| {
        line.strip_prefix("content-length:").map(|length| length.trim().parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    if stream.read_exact(&mut body).is_err() {
        return;
    }
    let target = head.split(' ').nth(1).unwrap_or_default();
    if target.ends_with("/socket") {
        let protocol = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("upgrade").then_some(value.trim())
        });
        let agreed = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: {}\r\nConnection: Upgrade\r\n\r\n",
            protocol.unwrap_or("h2c")
        );
        let _ = stream.get_mut().write_all(&[agreed.as_bytes(), head.as_bytes()].concat());
        return;
    }
    let status = if target.starts_with("/fail") { "500 Broken" } else { "200 OK" };
    let no_body = head.starts_with("HEAD ");
    let echo = [head.trim_end().as_bytes(), b"\r\n\r\n", &body].concat();
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        echo.len()
    )
    .into_bytes();
    if !no_body {
        answer.extend(echo);
    }
    // The proxy may be gone: that is its right.
    let _ = stream.get_mut().write_all(&answer);
}

/// A request as the application received it.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) line: String,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Received {
    /// What stands in an answer of the application.
    #[track_caller]
    pub(super) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{answer:?}");
        Self::read(&answer.text())
    }

    /// The request in these bytes.
    #[track_caller]
    pub(super) fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("an echoed request");
        let mut lines = head.lines();
        let line = lines.next().expect("a request line").to_owned();
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Self { line, headers, body: body.to_owned() }
    }

    /// The one value of a header, named in lower case.
    #[track_caller]
    pub(super) fn header(&self, name: &str) -> &str {
        let values: Vec<&str> =
            self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
        assert_eq!(values.len(), 1, "{name} is there {} times: {self:?}", values.len());
        values[0]
    }

    /// The names that an application might take for `name`: CGI and its heirs turn whatever is
    /// no letter and no digit into `_`.
    pub(super) fn aliases(&self, name: &str) -> Vec<&str> {
        let key = |name: &str| -> String {
            let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
            name.to_ascii_lowercase().chars().map(plain).collect()
        };
        let alike = self.headers.iter().filter(|(n, _)| key(n) == key(name));
        alike.map(|(n, _)| n.as_str()).collect()
    }
}

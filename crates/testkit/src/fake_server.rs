//! An HTTP server with one fixed answer, for what our services send requests to.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Answers each request with the same bytes and then closes the connection; stores the requests'
/// heads and bodies.
pub struct FakeServer {
    /// Where it listens on loopback.
    pub port: u16,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FakeServer {
    /// Answers with exactly these bytes.
    pub fn answering(bytes: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.set_nonblocking(true).expect("the listener can be polled");
        let port = listener.local_addr().expect("it is bound").port();
        let (requests, stopped) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (received, stop, bytes) = (Arc::clone(&requests), Arc::clone(&stopped), bytes.into());
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => serve(stream, &bytes, &received),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        thread::sleep(Duration::from_millis(2));
                    }
                    Err(error) => panic!("accept: {error}"),
                }
            }
        });
        Self { port, requests, stopped, thread: Some(thread) }
    }

    /// Answers with this status line's rest and this body.
    pub fn saying(status: &str, content_type: &str, body: &str) -> Self {
        Self::answering(format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        ))
    }

    /// The validation requests so far, without the probes of readiness.
    pub fn validations(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        let texts = requests.iter().map(|request| String::from_utf8_lossy(request).into_owned());
        texts.filter(|request| request.starts_with("POST /validateToken ")).collect()
    }

    /// The head and the body of each request so far.
    pub fn requests(&self) -> Vec<(String, Vec<u8>)> {
        let requests = self.requests.lock().unwrap();
        let parts = requests.iter().map(|request| {
            let (head, body) = request.split_at(end_of_head(request).expect("it was read whole"));
            (String::from_utf8_lossy(head).into_owned(), body.to_vec())
        });
        parts.collect()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of it was printed; the test fails by the missing answers.
            let _ = thread.join();
        }
    }
}

fn serve(mut stream: TcpStream, answer: &[u8], received: &Mutex<Vec<Vec<u8>>>) {
    stream.set_nonblocking(false).expect("the connection can be waited for");
    stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout can be set");
    if let Some(request) = read_request(&mut stream) {
        received.lock().unwrap().push(request);
        // The client may have closed the connection.
        let _ = stream.write_all(answer);
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// Head and body, by `Content-Length`.
fn read_request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(end) = end_of_head(&bytes) {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length = length.map_or(0, |length| length.trim().parse().unwrap_or(0));
            if bytes.len() >= end + length {
                return Some(bytes);
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
        }
    }
}

/// Where the body begins.
fn end_of_head(request: &[u8]) -> Option<usize> {
    request.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

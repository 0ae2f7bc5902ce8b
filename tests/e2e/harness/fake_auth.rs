//! Something on the auth service's port that answers as no auth service should.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Answers each request with the same bytes and then closes the connection; remembers the
/// requests' heads and bodies.
pub(crate) struct FakeAuth {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FakeAuth {
    /// Answers with exactly these bytes.
    pub(crate) fn answering(bytes: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.set_nonblocking(true).expect("the listener can be polled");
        let port = listener.local_addr().expect("it is bound").port();
        let (requests, stopped) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (heard, stop, bytes) = (Arc::clone(&requests), Arc::clone(&stopped), bytes.into());
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => serve(stream, &bytes, &heard),
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
    pub(crate) fn saying(status: &str, content_type: &str, body: &str) -> Self {
        Self::answering(format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        ))
    }

    /// The validations that it was asked for so far, probes left out.
    pub(crate) fn validations(&self) -> Vec<String> {
        let mut requests = self.requests.lock().unwrap().clone();
        requests.retain(|request| request.starts_with("POST /validateToken "));
        requests
    }
}

impl Drop for FakeAuth {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it panicked of has been printed; the test fails by the missing answers.
            let _ = thread.join();
        }
    }
}

fn serve(mut stream: TcpStream, answer: &[u8], heard: &Mutex<Vec<String>>) {
    stream.set_nonblocking(false).expect("the connection can be waited for");
    stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout can be set");
    if let Some(request) = read_request(&mut stream) {
        heard.lock().unwrap().push(request);
        // The client may be gone: that is its right.
        let _ = stream.write_all(answer);
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// Head and body, by `Content-Length`.
fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length = length.map_or(0, |length| length.trim().parse().unwrap_or(0));
            if body.len() >= length {
                return Some(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
        }
    }
}

//! What stands before an auth service and makes it one that does not know the packed form.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use auth_api_types::packed;

/// Passes requests on, one connection of its own for each, but answers packed ones with 415, and knows no
/// packed answers, as a release before does, until it is told to let them through.
pub(crate) struct Front {
    /// Where it listens on loopback.
    pub(crate) port: u16,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    lets_through: AtomicBool,
    is_down: AtomicBool,
    stopped: AtomicBool,
    packed: AtomicUsize,
    json: AtomicUsize,
}

impl Front {
    /// One before the service at this port.
    pub(crate) fn to(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::<Shared>::default();
        let of_thread = Arc::clone(&shared);
        let accepting = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if of_thread.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&of_thread);
                thread::spawn(move || pass_on(stream, target, &shared));
            }
        });
        Self { port, shared, accepting: Some(accepting) }
    }

    /// From now on it is another release, which knows the form.
    pub(crate) fn let_through(&self) {
        self.shared.lets_through.store(true, Ordering::SeqCst);
    }

    /// Ends each connection that something comes on, or no longer does.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.shared.is_down.store(is_down, Ordering::SeqCst);
    }

    /// How many validations came packed, and how many in JSON.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let Shared { packed, json, .. } = &*self.shared;
        (packed.load(Ordering::SeqCst), json.load(Ordering::SeqCst))
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn pass_on(mut client: TcpStream, target: u16, shared: &Shared) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", target)) else { return };
    let mut buffers = (Vec::new(), Vec::new());
    while let Some(request) = message(&mut client, &mut buffers.0) {
        if shared.is_down.load(Ordering::SeqCst) {
            return;
        }
        let head = String::from_utf8_lossy(&request).to_lowercase();
        let is_packed = head.contains(&format!("\r\ncontent-type: {}\r\n", packed::MEDIA_TYPE));
        let is_validation = head.starts_with("post /validatetoken ");
        let count = if is_packed { &shared.packed } else { &shared.json };
        count.fetch_add(usize::from(is_validation), Ordering::SeqCst);
        let answer = if is_packed && !shared.lets_through.load(Ordering::SeqCst) {
            let head =
                "HTTP/1.1 415 Unsupported Media Type\r\ncontent-type: application/problem+json";
            Some(format!("{head}\r\ncontent-length: 2\r\n\r\n{{}}").into_bytes())
        } else {
            let request = if shared.lets_through.load(Ordering::SeqCst) {
                request
            } else {
                without_packed_answers(&request)
            };
            let written = server.write_all(&request);
            written.ok().and_then(|()| message(&mut server, &mut buffers.1))
        };
        let Some(answer) = answer else { return };
        if client.write_all(&answer).is_err() {
            return;
        }
    }
}

/// The same request, in which the packed form is not accepted.
fn without_packed_answers(request: &[u8]) -> Vec<u8> {
    let accepted = format!("{}, application/json", packed::MEDIA_TYPE);
    let found = request.windows(accepted.len()).position(|part| part == accepted.as_bytes());
    let Some(at) = found else { return request.to_vec() };
    [&request[..at], b"application/json", &request[at + accepted.len()..]].concat()
}

/// Head and body of the next request or answer; what follows stays in the buffer.
fn message(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let whole = end + 4 + length.map_or(0, |length| length.trim().parse().unwrap());
            if buffer.len() >= whole {
                let rest = buffer.split_off(whole);
                return Some(std::mem::replace(buffer, rest));
            }
        }
        let mut piece = [0; 16 * 1024];
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(count) => buffer.extend_from_slice(&piece[..count]),
        }
    }
}

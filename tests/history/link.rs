//! A link between two processes, the business service and a node or a node and Redis: a TCP proxy
//! that can be slow, and reset what goes through it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use socket2::SockRef;
use testkit::let_time_pass;

/// How often an idle connection looks whether it is to be reset.
const LOOK: Duration = Duration::from_millis(50);

/// What has been done to the link, which its connections look at.
#[derive(Default)]
struct State {
    /// How much later each byte arrives.
    delay_ms: AtomicU64,
    /// How often all connections were reset.
    resets: AtomicU64,
}

/// A link to a port of this machine; it lasts as long as the process.
pub(crate) struct Link {
    /// Where it listens on loopback.
    pub(crate) port: u16,
    state: Arc<State>,
}

impl Link {
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let own = listener.local_addr().expect("it is bound").port();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A server that is down is one to which there is no connection.
                if let Ok(server) = TcpStream::connect(("127.0.0.1", port)) {
                    forward(&client, &server, &shared);
                }
            }
        });
        Self { port: own, state }
    }

    /// Has each byte arrive so much later from now on.
    pub(crate) fn delay(&self, delay: Duration) {
        let delay_ms = u64::try_from(delay.as_millis()).expect("a short time");
        self.state.delay_ms.store(delay_ms, SeqCst);
    }

    /// Resets all connections that there are.
    pub(crate) fn reset(&self) {
        self.state.resets.fetch_add(1, SeqCst);
    }
}

/// Both directions of one connection.
fn forward(client: &TcpStream, server: &TcpStream, state: &Arc<State>) {
    let resets = state.resets.load(SeqCst);
    for (from, to) in [(client, server), (server, client)] {
        let copy = |stream: &TcpStream| stream.try_clone().expect("a second handle");
        let (from, to, state) = (copy(from), copy(to), Arc::clone(state));
        to.set_nodelay(true).expect("no delay but ours");
        from.set_read_timeout(Some(LOOK)).expect("a time");
        thread::spawn(move || pump(from, to, &state, resets));
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, state: &State, resets: u64) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = from.read(&mut buffer);
        if state.resets.load(SeqCst) != resets {
            for stream in [&from, &to] {
                // What is closed like this is reset; it fails only where it is closed already.
                let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
            }
            return;
        }
        match read {
            Ok(0) => break,
            Ok(count) => {
                let_time_pass(Duration::from_millis(state.delay_ms.load(SeqCst)));
                if to.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    // Fails only where it is closed already.
    let _ = to.shutdown(Shutdown::Both);
}

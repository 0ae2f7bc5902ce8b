//! A TCP proxy with latency: what is sent through it arrives later, in order.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::now;

/// Passes connections on to a port of this machine; each byte to it arrives `delay` later.
pub struct DelayProxy {
    /// Where it listens on loopback.
    pub port: u16,
    stopped: Arc<AtomicBool>,
    cut: Arc<AtomicBool>,
    target: Arc<AtomicU16>,
    thread: Option<JoinHandle<()>>,
}

impl DelayProxy {
    /// A proxy to this port.
    pub fn to(port: u16, delay: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.set_nonblocking(true).expect("the listener can be polled");
        let own = listener.local_addr().expect("it is bound").port();
        let stopped = Arc::new(AtomicBool::new(false));
        let cut = Arc::new(AtomicBool::new(false));
        let target = Arc::new(AtomicU16::new(port));
        let (stop, is_cut, to) = (Arc::clone(&stopped), Arc::clone(&cut), Arc::clone(&target));
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok(_) if is_cut.load(Ordering::Relaxed) => {}
                    Ok((stream, _)) => forward(&stream, to.load(Ordering::Relaxed), delay, &is_cut),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        thread::sleep(Duration::from_millis(1));
                    }
                    Err(error) => panic!("accept: {error}"),
                }
            }
        });
        Self { port: own, stopped, cut, target, thread: Some(thread) }
    }

    /// Forwards nothing from now on, and closes each connection on which something is sent.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }

    /// Leads to another port what is connected from now on.
    pub fn lead_to(&self, port: u16) {
        self.target.store(port, Ordering::Relaxed);
    }

    /// Forwards again what is connected from now on.
    pub fn mend(&self) {
        self.cut.store(false, Ordering::Relaxed);
    }
}

impl Drop for DelayProxy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has nothing to panic about once the test is over.
            let _ = thread.join();
        }
    }
}

/// Both directions of one connection, each ending with its source.
fn forward(client: &TcpStream, port: u16, delay: Duration, cut: &Arc<AtomicBool>) {
    client.set_nonblocking(false).expect("a blocking connection");
    client.set_nodelay(true).expect("no delay but ours");
    let server = TcpStream::connect(("127.0.0.1", port)).expect("the server accepts");
    server.set_nodelay(true).expect("no delay but ours");
    let copy = |stream: &TcpStream| stream.try_clone().expect("a second handle");
    pump(copy(client), copy(&server), delay, Arc::clone(cut));
    pump(copy(&server), copy(client), Duration::ZERO, Arc::clone(cut));
}

fn pump(mut from: TcpStream, mut to: TcpStream, delay: Duration, cut: Arc<AtomicBool>) {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if sender.send((now() + delay, buffer[..count].to_vec())).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (due, bytes) in receiver {
            thread::sleep(due.saturating_duration_since(now()));
            if cut.load(Ordering::Relaxed) || to.write_all(&bytes).is_err() {
                break;
            }
        }
        // Fails only where it is closed already.
        let _ = to.shutdown(Shutdown::Both);
    });
}

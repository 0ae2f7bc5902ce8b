//! What a client may take of a listener: time, bytes and connections.

use std::time::Duration;

/// What a client may take of us.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long the head of a request may take from its first byte, and the first byte from the
    /// connection's beginning.
    pub head_timeout: Duration,
    /// How long the body of a request may take from the end of its head.
    pub body_timeout: Duration,
    /// How long a connection may stay open between two requests.
    pub idle_timeout: Duration,
    /// How long a client may leave a response unread: 16 KiB of it, or the rest.
    pub write_timeout: Duration,
    /// The longest head of a request, in bytes; the limit of 100 headers holds too.
    pub head_bytes: usize,
    /// Whether connections may take the last quarter of the process's open files.
    pub all_files: bool,
    /// Whether the head and the body of a response leave from one buffer: this costs less where bodies are
    /// small, and copies one that is not for each of its readers.
    pub one_buffer: bool,
    /// How many connections one listener holds. Past it, connections that are not being served are
    /// evicted, those of the largest network first; where there are none, the response is 503.
    pub connections: usize,
    /// How long a connection must have kept us waiting before it is evicted for another one of its
    /// own network, or of one that is no smaller.
    pub evict_after: Duration,
    /// How long we read what a client still sends after our last response.
    pub linger: Duration,
    /// How long a new connection may take to send its first request once the listener is closed.
    pub first_request_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(20),
            head_bytes: 16 * 1024,
            all_files: false,
            one_buffer: false,
            connections: 10_000,
            evict_after: Duration::from_secs(1),
            linger: Duration::from_secs(1),
            first_request_grace: Duration::from_millis(500),
        }
    }
}

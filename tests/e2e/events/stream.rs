//! A reader of a stream of server-sent events.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use super::KEY;
use crate::harness::{AuthService, TIMEOUT};

/// A stream of server-sent events.
pub(super) struct Stream(BufReader<TcpStream>);

impl Stream {
    pub(super) fn open(auth: &AuthService, query: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", auth.internal.port)).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        let head = format!(
            "GET /events{query} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n\
             Accept: text/event-stream\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut stream = Self(BufReader::new(stream));
        assert!(stream.line().is_some_and(|line| line.contains(" 200 ")));
        while stream.line().is_some_and(|line| !line.is_empty()) {}
        stream
    }

    /// `None` where the service has ended it.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        (self.0.read_line(&mut line).unwrap() > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event: its id, its type and its data.
    #[track_caller]
    pub(super) fn next(&mut self) -> (String, String, Value) {
        self.try_next().expect("the stream goes on")
    }

    /// The same, `None` where the service has ended the stream.
    pub(super) fn try_next(&mut self) -> Option<(String, String, Value)> {
        let (mut id, mut kind) = (String::new(), String::new());
        loop {
            let line = self.line()?;
            if let Some(text) = line.strip_prefix("id: ") {
                text.clone_into(&mut id);
            } else if let Some(text) = line.strip_prefix("event: ") {
                text.clone_into(&mut kind);
            } else if let Some(text) = line.strip_prefix("data: ") {
                return Some((id, kind, serde_json::from_str(text).unwrap()));
            }
        }
    }

    /// Whether the service has ended it.
    pub(super) fn ends(mut self) -> bool {
        let mut line = String::new();
        while self.0.read_line(&mut line).unwrap_or(0) > 0 {}
        true
    }
}

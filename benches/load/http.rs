//! An HTTP/1.1 client over one connection that is kept: enough to log in, to fill a store and to
//! time single requests, with nothing between the request and the socket.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Nothing that is measured here takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection.
pub(crate) struct Connection {
    reader: BufReader<TcpStream>,
    line: String,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) cookie: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    /// Connects to a server on this machine.
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { reader: BufReader::with_capacity(16 * 1024, stream), line: String::new() })
    }

    /// Sends a request as it is and waits for the answer.
    pub(crate) fn send(&mut self, request: &[u8]) -> Result<Answer> {
        self.reader.get_mut().write_all(request)?;
        let status = self.read_status()?;
        let mut answer = Answer { status, cookie: None, body: Vec::new() };
        let length = self.read_headers(&mut answer)?;
        answer.body.resize(length, 0);
        self.reader.read_exact(&mut answer.body)?;
        Ok(answer)
    }

    fn read_line(&mut self) -> Result<&str> {
        self.line.clear();
        ensure!(self.reader.read_line(&mut self.line)? > 0, "the connection was closed");
        Ok(self.line.trim_end())
    }

    fn read_status(&mut self) -> Result<u16> {
        let line = self.read_line()?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.with_context(|| format!("no status line: {line}"))
    }

    /// Reads up to the body, and says how long that is.
    fn read_headers(&mut self, answer: &mut Answer) -> Result<usize> {
        let mut length = 0;
        loop {
            let line = self.read_line()?;
            let Some((name, value)) = line.split_once(':') else {
                ensure!(line.is_empty(), "no header: {line}");
                return Ok(length);
            };
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse()?;
            } else if name.eq_ignore_ascii_case("set-cookie") {
                answer.cookie = value.split(';').next().map(str::to_owned);
            }
            ensure!(!name.eq_ignore_ascii_case("transfer-encoding"), "a length is expected");
        }
    }
}

impl Answer {
    /// The answer, if it has this status.
    pub(crate) fn expect(self, status: u16) -> Result<Self> {
        let body = String::from_utf8_lossy(&self.body);
        ensure!(self.status == status, "{} instead of {status}: {body}", self.status);
        Ok(self)
    }

    /// A string of a JSON body, by its name, without reading all of it.
    pub(crate) fn text(&self, name: &str) -> Result<String> {
        let body = std::str::from_utf8(&self.body)?;
        let mark = format!("\"{name}\":\"");
        let start = body.find(&mark).with_context(|| format!("no {name} in {body}"))?;
        let rest = &body[start + mark.len()..];
        Ok(rest[..rest.find('"').unwrap_or(rest.len())].to_owned())
    }
}

/// A request's bytes.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    for (name, value) in headers {
        text.push_str(name);
        text.push_str(": ");
        text.push_str(value);
        text.push_str("\r\n");
    }
    if method != "GET" {
        let _ = write!(text, "Content-Length: {}\r\n", body.len());
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

//! HTTP over one connection that is kept: enough to log in, to fill a store and to time single
//! requests, whose bytes are ready before they are sent. What goes wrong fails a measurement, not
//! the run.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use testkit::{Listener, Request};

/// One connection.
pub(crate) struct Connection(testkit::Connection);

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) cookie: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    /// Connects to a server on this machine.
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        Ok(Self(Listener { port: address.port() }.try_connect()?))
    }

    /// Sends a request as it is and waits for the answer.
    pub(crate) fn send(&mut self, request: &[u8]) -> Result<Answer> {
        ensure!(self.0.write(request), "the connection was closed");
        let answer = self.0.read_answer(false)?;
        let cookie = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next());
        Ok(Answer { status: answer.status, cookie: cookie.map(str::to_owned), body: answer.body })
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
    let request = Request::new(method, path).header("Host", "127.0.0.1");
    let add = |request: Request, (name, value): &(&str, &str)| request.header(name, value);
    let request = headers.iter().fold(request, add);
    if method == "GET" { request } else { request.untyped_body(body) }.encode(0)
}

//! A listener of a service and a connection to it, for requests and for raw bytes.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::{Answer, Request, TIMEOUT};

/// Where a service listens, on loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its port.
    pub port: u16,
}

impl Listener {
    /// Sends one request on a connection of its own.
    pub fn send(self, request: Request) -> Answer {
        let line = format!("{} to port {}", request.method, self.port);
        self.try_send(request).unwrap_or_else(|error| panic!("{line}: no answer: {error}"))
    }

    /// The same, for tests in which there may be no answer.
    pub fn try_send(self, request: Request) -> io::Result<Answer> {
        self.try_connect()?.try_send(&request.header("Connection", "close"))
    }

    /// Sends a `GET` on a connection of its own.
    pub fn get(self, target: &str) -> Answer {
        self.send(Request::get(target))
    }

    /// A connection, which must be accepted.
    pub fn connect(self) -> Connection {
        self.try_connect().expect("the listener accepts")
    }

    /// A connection, where the listener accepts.
    ///
    /// # Errors
    ///
    /// Where it does not.
    pub fn try_connect(self) -> io::Result<Connection> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        Self::over(TcpStream::connect_timeout(&address, TIMEOUT)?, self.port)
    }

    /// Connects from one of this machine's loopback addresses, which counts as a network of its own,
    /// and takes so many bytes at most before it is read from.
    pub fn connect_from(self, last: u8, receive_buffer: Option<usize>) -> Connection {
        let from = SocketAddr::from(([127, 0, 0, last], 0));
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes).expect("a smaller buffer");
        }
        socket.bind(&from.into()).expect("all of 127.0.0.0/8 is ours");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        socket.connect_timeout(&address.into(), TIMEOUT).expect("the listener accepts");
        Self::over(socket.into(), self.port).expect("timeouts can be set")
    }

    fn over(stream: TcpStream, port: u16) -> io::Result<Connection> {
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream: BufReader::new(stream), port })
    }

    /// Sends these bytes and returns what comes back until the end, lossily. After a while of
    /// silence it closes its half: the service may wait for more.
    pub fn exchange(self, bytes: &[u8]) -> String {
        let mut connection = self.connect();
        connection.write(bytes);
        let mut answer = Vec::new();
        connection.set_read_timeout(Duration::from_millis(700));
        if connection.stream.read_to_end(&mut answer).is_err() {
            connection.finish_writing();
            connection.set_read_timeout(TIMEOUT);
            answer.extend(connection.read_rest().into_bytes());
        }
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// A connection that stays open until it is dropped or the service closes it.
pub struct Connection {
    stream: BufReader<TcpStream>,
    port: u16,
}

impl Connection {
    /// Sends a request, which must be answered.
    pub fn send(&mut self, request: &Request) -> Answer {
        self.try_send(request).expect("an answer on the open connection")
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn try_send(&mut self, request: &Request) -> io::Result<Answer> {
        // A service may refuse a body before it has read it: then the answer counts.
        let written = self.stream.get_mut().write_all(&request.encode(self.port));
        match self.read_answer(request.method == "HEAD") {
            Err(error) => Err(written.err().unwrap_or(error)),
            answered => answered,
        }
    }

    /// Sends bytes as they are; that the other side has closed already is no failure here.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.get_mut().write_all(bytes).is_ok()
    }

    /// Closes our half: nothing more will be sent.
    pub fn finish_writing(&mut self) {
        // Fails only where the other side has closed, which the reading will show.
        let _ = self.stream.get_ref().shutdown(Shutdown::Write);
    }

    /// Sets how long to wait for the next bytes.
    pub fn set_read_timeout(&mut self, timeout: Duration) {
        self.stream.get_ref().set_read_timeout(Some(timeout)).expect("a timeout can be set");
    }

    /// Everything until the other side closes or resets.
    pub fn read_rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let end = self.stream.read_to_end(&mut bytes);
        if let Err(error) = end {
            let timed_out =
                matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
            assert!(
                !timed_out,
                "the connection was left open: {}",
                String::from_utf8_lossy(&bytes)
            );
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Reads one answer.
    pub fn read_answer(&mut self, head_only: bool) -> io::Result<Answer> {
        let status_line = self.read_line()?;
        let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| bad(&format!("no status line: {status_line:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) =
                line.split_once(':').ok_or_else(|| bad("a header without a colon"))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        if !head_only && !matches!(status, 100..=199 | 204 | 304) {
            answer.body = self.read_body(&answer)?;
        }
        Ok(answer)
    }

    fn read_body(&mut self, answer: &Answer) -> io::Result<Vec<u8>> {
        if answer.header("transfer-encoding") == Some("chunked") {
            return self.read_chunks();
        }
        let mut body = Vec::new();
        if let Some(length) = answer.header("content-length") {
            let length: usize = length.parse().map_err(|_| bad("a bad content-length"))?;
            body.resize(length, 0);
            self.stream.read_exact(&mut body)?;
        } else {
            self.stream.read_to_end(&mut body)?;
        }
        Ok(body)
    }

    fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size =
                usize::from_str_radix(&self.read_line()?, 16).map_err(|_| bad("a bad chunk"))?;
            let mut chunk = vec![0; size];
            self.stream.read_exact(&mut chunk)?;
            self.read_line()?;
            if size == 0 {
                return Ok(body);
            }
            body.append(&mut chunk);
        }
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') || line.pop() != Some(b'\r') {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed"));
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

//! A small HTTP client that can misbehave, and that sees what a real one hides.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longer than anything here takes; a test that waits so long has failed.
const TIMEOUT: Duration = Duration::from_secs(20);

pub(super) struct Client {
    tcp: TcpStream,
    buffer: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    /// Whether it announces the end of the connection.
    pub(super) fn closes(&self) -> bool {
        self.head.contains("\r\nconnection: close")
    }
}

impl Client {
    pub(super) async fn connect(addr: SocketAddr) -> std::io::Result<Self> {
        let tcp = TcpStream::connect(addr).await?;
        Ok(Self { tcp, buffer: Vec::new() })
    }

    /// Connects from one of this machine's loopback addresses, which counts as a network of its own.
    pub(super) async fn connect_from(last: u8, addr: SocketAddr) -> std::io::Result<Self> {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, last], 0)))?;
        Ok(Self { tcp: socket.connect(addr).await?, buffer: Vec::new() })
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.tcp.local_addr().unwrap()
    }

    /// Sends what it can: the other side may have closed.
    pub(super) async fn send(&mut self, text: &str) {
        let _ = self.tcp.write_all(text.as_bytes()).await;
    }

    pub(super) async fn try_send(&mut self, text: &str) -> std::io::Result<()> {
        self.tcp.write_all(text.as_bytes()).await
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.try_get(path).await.unwrap()
    }

    pub(super) async fn try_get(&mut self, path: &str) -> Option<Answer> {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        self.answer().await
    }

    /// The next answer; `None` where the connection ended instead.
    pub(super) async fn answer(&mut self) -> Option<Answer> {
        tokio::time::timeout(TIMEOUT, self.read_answer()).await.expect("an answer in time")
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break end + 4;
            }
            self.read_some().await?;
        };
        let head = String::from_utf8(self.buffer.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |l| l.parse().unwrap());
        while self.buffer.len() < length {
            self.read_some().await?;
        }
        let body = String::from_utf8(self.buffer.drain(..length).collect()).unwrap();
        Some(Answer { status, head, body })
    }

    /// Takes so many bytes at a time at most, with a pause between, until the other side has ended
    /// in whatever way. Returns how many there were.
    pub(super) async fn take_all(&mut self, at_a_time: usize, pause: Duration) -> usize {
        let (mut taken, mut bytes) = (0, vec![0; at_a_time.min(1024 * 1024)]);
        while let Ok(count @ 1..) = self.tcp.read(&mut bytes).await {
            taken += count;
            tokio::time::sleep(pause).await;
        }
        taken
    }

    async fn read_some(&mut self) -> Option<()> {
        let read = self.tcp.read_buf(&mut self.buffer).await;
        read.ok().filter(|n| *n > 0).map(|_| ())
    }

    /// Waits until the other side has closed, without another answer and without a reset, which
    /// could have destroyed an answer before it.
    pub(super) async fn is_closed_cleanly(&mut self) {
        let read = tokio::time::timeout(TIMEOUT, self.tcp.read_buf(&mut self.buffer));
        assert_eq!(read.await.expect("an end in time").expect("no reset"), 0);
    }

    /// Waits until the other side has closed, without another answer.
    pub(super) async fn is_closed(&mut self) {
        let read = tokio::time::timeout(TIMEOUT, self.read_some()).await.expect("an end in time");
        assert!(
            read.is_none() && self.buffer.is_empty(),
            "{:?}",
            String::from_utf8_lossy(&self.buffer)
        );
    }
}

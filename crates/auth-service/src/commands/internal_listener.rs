//! The running service, as commands ask it: by its internal listener, with its key.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::config::Config;
use crate::internal_keys::InternalKeys;

/// A copy of many millions of sessions takes minutes, and so does a walk through them.
const TIMEOUT: Duration = Duration::from_mins(10);
/// No answer is longer.
const ANSWER_LIMIT: u64 = 16 * 1024 * 1024;

/// The internal listener of the settings' service.
pub(super) struct InternalListener<'a> {
    address: SocketAddr,
    keys: &'a InternalKeys,
}

impl<'a> InternalListener<'a> {
    /// That of the service with these settings.
    pub(super) fn of(config: &'a Config) -> anyhow::Result<Self> {
        let keys = config.internal_keys.as_ref();
        let keys = keys.context("set AUTH_INTERNAL_KEY to the service's")?;
        Ok(Self { address: reachable(config.internal_addr), keys })
    }

    /// The body of the answer, which must be a good one.
    pub(super) async fn ask(
        &self,
        method: &str,
        target: &str,
        body: Option<&str>,
    ) -> anyhow::Result<String> {
        let mut answer = String::new();
        for key in self.keys.expose() {
            let request = request(self.address, key, method, target, body);
            answer = self.exchange(&request).await?;
            // The service may not have read the first key yet, or not any more.
            if status(&answer) != Some(401) {
                break;
            }
        }
        let content = answer.split_once("\r\n\r\n").map_or("", |(_, content)| content);
        match status(&answer) {
            Some(200..300) => Ok(content.to_owned()),
            Some(status) => bail!("the service answered {status}: {}", detail(content)),
            None => bail!("what answers at {} is no auth-service", self.address),
        }
    }

    async fn exchange(&self, request: &str) -> anyhow::Result<String> {
        let address = self.address;
        let answer = tokio::time::timeout(TIMEOUT, exchange(address, request)).await;
        let answer =
            answer.map_err(|_| anyhow!("the service at {address} did not answer in time"))?;
        answer.with_context(|| format!("the service at {address} does not answer"))
    }
}

fn request(
    address: SocketAddr,
    key: &str,
    method: &str,
    target: &str,
    body: Option<&str>,
) -> String {
    let content = body.map_or_else(String::new, |body| {
        format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len())
    });
    let body = body.unwrap_or_default();
    format!(
        "{method} {target} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\
         {content}connection: close\r\n\r\n{body}"
    )
}

async fn exchange(address: SocketAddr, request: &str) -> io::Result<String> {
    let mut tcp = TcpStream::connect(address).await?;
    tcp.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    tcp.take(ANSWER_LIMIT).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.split(' ').next()?.parse().ok()
}

/// What the service says was wrong.
fn detail(content: &str) -> String {
    let problem: serde_json::Value = serde_json::from_str(content).unwrap_or_default();
    problem["detail"].as_str().unwrap_or("no reason given").to_owned()
}

/// Of an address that stands for all, the loopback one.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

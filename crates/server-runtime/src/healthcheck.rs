//! Asking a running process whether it is ready, for images without a shell.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long the answer may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Asks `GET /readyz` of the process that listens on `addr`: success if and only if the answer is
/// 200 within two seconds; otherwise a line on standard error says why. Where the process
/// listens on all addresses, the request goes to the loopback one.
pub async fn healthcheck(addr: SocketAddr) -> ExitCode {
    match get(addr, "/readyz", TIMEOUT).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = writeln!(io::stderr(), "http://{}/readyz: {why}", reachable(addr));
            ExitCode::FAILURE
        }
    }
}

/// Requests `path` of the process that listens on `addr`: `Ok` if and only if the answer is 200 in
/// time, else what came instead.
pub(crate) async fn get(addr: SocketAddr, path: &str, limit: Duration) -> Result<(), String> {
    match tokio::time::timeout(limit, status_line(reachable(addr), path)).await {
        Ok(Ok(line)) if is_ok(&line) => Ok(()),
        Ok(Ok(line)) => Err(line),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

fn is_ok(line: &str) -> bool {
    line.split(' ').nth(1) == Some("200")
}

async fn status_line(addr: SocketAddr, path: &str) -> io::Result<String> {
    let mut tcp = TcpStream::connect(addr).await?;
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\naccept: */*\r\n\r\n");
    tcp.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    tcp.take(64 * 1024).read_to_end(&mut answer).await?;
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).chars().filter(|c| !c.is_control()).take(100).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Lifecycle, Listener, Readiness};

    fn is(code: ExitCode, expected: ExitCode) -> bool {
        format!("{code:?}") == format!("{expected:?}")
    }

    #[tokio::test]
    async fn it_succeeds_while_the_process_is_ready_and_only_then() {
        let life = Lifecycle::new(Duration::ZERO);
        let any = SocketAddr::from(([0, 0, 0, 0], 0));
        let listener = Listener::bind("test", any).await.unwrap();
        let addr = listener.local_addr();
        listener.serve(Readiness::new(&life).routes(), &life);
        assert!(is(healthcheck(addr).await, ExitCode::SUCCESS));
        life.drain();
        assert!(is(healthcheck(addr).await, ExitCode::FAILURE));
    }

    #[tokio::test]
    async fn nobody_there_is_not_ready() {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Listener::bind("test", loopback).await.unwrap();
        let addr = listener.local_addr();
        drop(listener);
        assert!(is(healthcheck(addr).await, ExitCode::FAILURE));
    }
}

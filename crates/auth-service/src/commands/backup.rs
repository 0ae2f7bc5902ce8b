//! `auth-service sessions backup FILE`: has the running service write a copy of its session file.
//! Only the service opens that file, so the request goes to its internal listener.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::{Arg, ArgMatches, Command, value_parser};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::output;
use crate::config::Config;
use crate::http::api::backup::BackupRequest;

/// A copy of many millions of sessions takes minutes.
const TIMEOUT: Duration = Duration::from_mins(10);
/// No answer is longer.
const ANSWER_LIMIT: u64 = 64 * 1024;

/// The subcommand.
pub(super) fn command() -> Command {
    let file = Arg::new("file")
        .value_name("FILE")
        .required(true)
        .value_parser(value_parser!(std::path::PathBuf))
        .help("Where to write it, on the service's machine; nothing may be there");
    Command::new("backup").about("Has the running service copy its session file").arg(file)
}

/// Does it.
pub(super) async fn run(config: &Config, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let file = matches.get_one::<std::path::PathBuf>("file").context("FILE is missing")?;
    let path = std::path::absolute(file).context("FILE is no path")?;
    let keys = config.internal_keys.as_ref().context("set AUTH_INTERNAL_KEY to the service's")?;
    let address = reachable(config.internal_addr);
    let mut answer = String::new();
    for key in keys.expose() {
        answer = ask(address, &request(address, key, &path)?).await?;
        // The service may not have read the first key yet, or not any more.
        if status(&answer) != Some(401) {
            break;
        }
    }
    match status(&answer) {
        Some(201) => Ok(output::print(format_args!("{}", path.display()))?),
        Some(status) => bail!("the service answered {status}: {}", detail(&answer)),
        None => bail!("what answers at {address} is no auth-service"),
    }
}

async fn ask(address: SocketAddr, request: &str) -> anyhow::Result<String> {
    let answer = tokio::time::timeout(TIMEOUT, exchange(address, request)).await;
    let answer = answer.map_err(|_| anyhow!("the service at {address} did not answer in time"))?;
    answer.with_context(|| format!("the service at {address} does not answer"))
}

fn request(address: SocketAddr, key: &str, path: &Path) -> anyhow::Result<String> {
    let path = path.to_str().context("FILE is no UTF-8")?.to_owned();
    let body = serde_json::to_string(&BackupRequest { path })?;
    let length = body.len();
    Ok(format!(
        "POST /sessions/backup HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    ))
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
fn detail(answer: &str) -> String {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let problem: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
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

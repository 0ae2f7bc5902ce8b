//! The classic pair: two Flask services with `requests` between them, under gunicorn, in a virtual
//! environment of their own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::filling::write_tokens;
use crate::http::Connection;
use crate::process::{Server, free_port};
use crate::progress;
use crate::services::Starter;

/// Both services, the one that is asked first.
pub(crate) struct Pair {
    pub(crate) servers: [Server; 2],
    pub(crate) address: SocketAddr,
}

impl Pair {
    /// Starts both, with these tokens alive.
    pub(crate) fn start(starter: Starter<'_>, tokens: &[String]) -> Result<Self> {
        let environment = environment(&starter.paths.scratch)?;
        let file = starter.paths.scratch.join("flask-live.tokens");
        write_tokens(&file, tokens)?;
        // The tokens are in one process's memory.
        let tokens = file.to_string_lossy().into_owned();
        let (auth, auth_address) = gunicorn(starter, &environment, "auth", 1, ("TOKENS", &tokens))?;
        let workers = 2 * starter.pinning.visible_cores() + 1;
        let url = format!("http://{auth_address}");
        let (business, address) =
            gunicorn(starter, &environment, "business", workers, ("AUTH_URL", &url))?;
        Ok(Self { servers: [business, auth], address })
    }
}

fn gunicorn(
    starter: Starter<'_>,
    environment: &Path,
    module: &str,
    workers: usize,
    setting: (&str, &str),
) -> Result<(Server, SocketAddr)> {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let program = environment.join("bin/gunicorn");
    let mut command = starter.pinning.server(&program.to_string_lossy());
    command.args(["--bind", &address.to_string(), "--workers", &workers.to_string()]);
    command.arg("--chdir").arg(starter.paths.repository.join("benches/yardsticks/flask"));
    command.arg(format!("{module}:app"));
    command.env("PYTHONDONTWRITEBYTECODE", "1").env(setting.0, setting.1);
    let log = starter.paths.scratch.join(format!("flask-{module}.log"));
    let mut server = Server::start(command, log)?;
    let hello = crate::http::request("GET", "/", &[], "");
    server.wait(|| Connection::open(address).ok()?.send(&hello).ok())?;
    Ok((server, address))
}

/// A virtual environment with what the services import, made once.
fn environment(scratch: &Path) -> Result<PathBuf> {
    let directory = scratch.join("python");
    let packages = ["flask", "requests", "gunicorn"];
    if directory.join("bin/gunicorn").exists() {
        return Ok(directory);
    }
    progress::say("installing Flask, requests and gunicorn into a virtual environment");
    run(Command::new("python3").args(["-m", "venv"]).arg(&directory))?;
    let pip = directory.join("bin/pip");
    run(Command::new(pip).args(["install", "--quiet"]).args(packages))?;
    Ok(directory)
}

/// What is installed there, for the record.
pub(crate) fn versions(scratch: &Path) -> String {
    let output = Command::new(scratch.join("python/bin/pip")).args(["freeze"]).output();
    let text = output.map_or_else(|_| String::new(), |o| String::from_utf8_lossy(&o.stdout).into());
    let wanted = |line: &&str| {
        let name = line.split("==").next().unwrap_or_default().to_lowercase();
        ["flask", "requests", "gunicorn"].contains(&name.as_str())
    };
    let lines: Vec<String> =
        text.lines().filter(wanted).map(|line| line.replace("==", " ")).collect();
    lines.join(", ")
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {text}");
    Ok(())
}

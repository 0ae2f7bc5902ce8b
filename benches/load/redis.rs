//! One Redis for the whole run, filled once: its sessions outlive the services that made them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::Result;

use crate::filling::Users;
use crate::pinning::{Pinning, move_process};
use crate::process::{Server, free_port, resident};
use crate::progress;
use crate::services::Starter;
use crate::world::stride;

/// A Redis with live sessions in it.
pub(crate) struct Redis {
    pub(crate) server: Server,
    pub(crate) url: String,
    pub(crate) tokens: Vec<String>,
    /// Resident bytes before and after it was filled.
    pub(crate) resident: (u64, u64),
}

impl Redis {
    /// Starts Redis, which keeps nothing on disk, and fills it through an auth service that ends
    /// afterwards.
    pub(crate) fn fill(starter: Starter<'_>) -> Result<Self> {
        let starter = Starter { pinning: Pinning::Unpinned, ..starter };
        let port = free_port()?;
        let mut command = starter.pinning.server("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
        command.args(["--save", "", "--appendonly", "no"]);
        command.current_dir(&starter.paths.scratch);
        let mut server = Server::start(command, starter.paths.scratch.join("redis.log"))?;
        server.wait(|| answers(port))?;
        let empty = resident(server.pid())?;
        let url = format!("redis://127.0.0.1:{port}");
        starter.paths.forget_users(&url);
        let auth = starter.auth("filling", &url)?;
        let live = starter.options.live;
        let bar = progress::bar(0, "users");
        let users = Users::create(auth.public, &bar)?;
        bar.finish_and_clear();
        let bar = progress::bar(live as u64, "live sessions in Redis");
        let tokens = users.mint(live, stride(live), &bar, &|| "6h".to_owned())?;
        bar.finish();
        let full = resident(server.pid())?;
        Ok(Self { server, url, tokens, resident: (empty, full) })
    }

    /// Moves Redis to where the servers of a pinning run.
    pub(crate) fn pin(&self, pinning: Pinning) -> Result<()> {
        move_process(self.server.pid(), &pinning.server_cores())
    }
}

fn answers(port: u16) -> Option<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    stream.write_all(b"PING\r\n").ok()?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).ok()?;
    (&answer == b"+PONG").then_some(())
}

//! Live sessions, made over HTTP as any client makes them: a hundred users log in, and their
//! tokens mint the rest on many connections.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Result, anyhow};
use indicatif::ProgressBar;

use crate::http::{Connection, request};
use crate::services::DEMO_LOGIN;

const USERS: usize = 100;
const CONNECTIONS: usize = 16;
const PASSWORD: &str = "correct horse battery staple";

/// The tokens in use at most.
pub(crate) const IN_USE: usize = 10_000;

/// Users who have logged in at one auth service.
pub(crate) struct Users {
    address: SocketAddr,
    /// On how many connections they mint.
    pub(crate) connections: usize,
    tokens: Vec<String>,
}

impl Users {
    /// Creates the users and logs each in.
    pub(crate) fn create(address: SocketAddr, bar: &ProgressBar) -> Result<Self> {
        let mut connection = Connection::open(address)?;
        let admin = log_in(&mut connection, DEMO_LOGIN)?;
        let bearer = format!("Bearer {admin}");
        bar.set_length(USERS as u64);
        let mut tokens = Vec::with_capacity(USERS);
        for number in 0..USERS {
            let name = format!("user-{number}@example.com");
            let user = format!(r#"{{"email":"{name}","password":"{PASSWORD}"}}"#);
            let headers = [("content-type", "application/json"), ("authorization", &bearer)];
            let create = request("POST", "/api/v1/users", &headers, &user);
            connection.send(&create)?.expect(201)?;
            let login = format!(r#"{{"username":"{name}","password":"{PASSWORD}"}}"#);
            tokens.push(log_in(&mut connection, &login)?);
            bar.inc(1);
        }
        Ok(Self { address, connections: CONNECTIONS, tokens })
    }

    /// Mints so many tokens, and gives back every so many-th of them. `ttl` is asked for before
    /// each.
    pub(crate) fn mint(
        &self,
        count: usize,
        every: usize,
        bar: &ProgressBar,
        ttl: &(impl Fn() -> String + Sync),
    ) -> Result<Vec<String>> {
        let next = AtomicUsize::new(0);
        let work = || self.mint_some(&next, count, every, bar, ttl);
        let parts = thread::scope(|scope| {
            let threads: Vec<_> = (0..self.connections).map(|_| scope.spawn(work)).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, Result<Vec<String>>>| {
                thread.join().map_err(|_| anyhow!("a filling thread panicked"))?
            };
            threads.into_iter().map(join).collect::<Result<Vec<_>>>()
        })?;
        Ok(parts.concat())
    }

    fn mint_some(
        &self,
        next: &AtomicUsize,
        count: usize,
        every: usize,
        bar: &ProgressBar,
        ttl: &impl Fn() -> String,
    ) -> Result<Vec<String>> {
        let mut connection = Connection::open(self.address)?;
        let mut returned = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(returned);
            }
            let bearer = format!("Bearer {}", self.tokens[number % self.tokens.len()]);
            let headers = [
                ("content-type", "application/json"),
                ("authorization", &bearer),
                ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101"),
            ];
            let body = format!(r#"{{"kind":"sliding","ttl":"{}"}}"#, ttl());
            let answer = connection.send(&request("POST", "/tokens", &headers, &body))?;
            let answer = answer.expect(201)?;
            if number.is_multiple_of(every) {
                returned.push(answer.text("token")?);
            }
            bar.inc(1);
        }
    }
}

/// Logs somebody in with a JSON body.
fn log_in(connection: &mut Connection, body: &str) -> Result<String> {
    let headers = [("content-type", "application/json")];
    connection.send(&request("POST", "/login", &headers, body))?.expect(200)?.text("token")
}

/// Logs in to a yardstick that keeps sessions in cookies, and gives back the cookies.
pub(crate) fn cookies(address: SocketAddr, count: usize, bar: &ProgressBar) -> Result<Vec<String>> {
    let mut connection = Connection::open(address)?;
    bar.set_length(count as u64);
    let log_in = |number: usize| {
        let path = format!("/login/{}", number % USERS + 1);
        let answer = connection.send(&request("POST", &path, &[], ""))?.expect(204)?;
        bar.inc(1);
        answer.cookie.ok_or_else(|| anyhow!("no cookie"))
    };
    (0..count).map(log_in).collect()
}

/// Writes what is to be sent, one a line.
pub(crate) fn write_tokens(file: &Path, tokens: &[String]) -> Result<()> {
    Ok(fs::write(file, tokens.join("\n") + "\n")?)
}

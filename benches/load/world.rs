//! All servers of one pinning, started and filled before the first measurement.

use std::net::SocketAddr;

use anyhow::Result;

use crate::builds::OtherBuild;
use crate::filling::{IN_USE, Users, cookies};
use crate::flask::Pair;
use crate::memory::{self, Filled};
use crate::nginx;
use crate::process::Server;
use crate::progress;
use crate::redis::Redis;
use crate::results::Results;
use crate::rows::Row;
use crate::services::{AuthService, Starter};
use crate::session_file::SessionFile;
use crate::wrk::Shape;

/// What a yardstick within the process is called, whether it saves each use, whether in Redis.
const IN_PROCESS: &[(&str, bool, bool)] = &[
    ("axum-login", false, false),
    ("axum-login-redis", false, true),
    ("axum-login-saved", true, false),
    ("axum-login-saved-redis", true, true),
];

pub(crate) const VALIDATE: Shape = Shape::Post { path: "/validateToken" };
pub(crate) const DATA: Shape = get("/data");

/// A request whose token is in the header that our services read; others are sent it as well, so
/// that all requests are of the same length.
const fn get(path: &'static str) -> Shape {
    Shape::Get { path, header: "token" }
}

/// What is filled once for the whole run.
pub(crate) struct Stores {
    pub(crate) redis: Option<Redis>,
    pub(crate) durable: Option<SessionFile>,
    pub(crate) builds: Vec<OtherBuild>,
}

/// What runs, and the rows that can be measured with it.
pub(crate) struct World<'a> {
    pub(crate) starter: Starter<'a>,
    pub(crate) rows: Vec<Row>,
    pub(crate) auth: AuthService,
    pub(crate) users: Users,
    /// The tokens in use, of the auth service whose sessions are in memory.
    pub(crate) tokens: Vec<String>,
    /// Resident bytes of the auth service against its live sessions.
    pub(crate) growth: Vec<(usize, u64)>,
    pub(crate) minted_per_second: f64,
    /// Kept alive.
    pub(crate) servers: Vec<Server>,
}

impl<'a> World<'a> {
    /// Starts everything that is wanted and can be had.
    pub(crate) fn start(
        starter: Starter<'a>,
        stores: &'a Stores,
        results: &mut Results,
    ) -> Result<Self> {
        let auth = starter.auth("auth", "memory")?;
        let bar = progress::bar(0, "users");
        let users = Users::create(auth.public, &bar)?;
        bar.finish_and_clear();
        let filled = memory::fill(&auth, &users, starter.options.live)?;
        let Filled { tokens, growth, per_second: minted_per_second } = filled;
        let (rows, servers) = (Vec::new(), Vec::new());
        let mut world =
            Self { starter, rows, auth, users, tokens, growth, minted_per_second, servers };
        world.add_axum()?;
        world.add_services()?;
        world.add_pair()?;
        if let Some(durable) = &stores.durable {
            world.add_durable(durable)?;
        }
        if let Some(redis) = &stores.redis {
            redis.pin(starter.pinning)?;
            world.add_services_on(redis)?;
        }
        for other in &stores.builds {
            world.add_build(other)?;
        }
        world.add_in_process(stores.redis.as_ref())?;
        world.add_nginx()?;
        world.add_flask(results)?;
        Ok(world)
    }

    fn add_axum(&mut self) -> Result<()> {
        let rows = [
            ("hello", "yardstick-hello", get("/")),
            ("echo", "yardstick-echo", Shape::Post { path: "/echo" }),
        ];
        for (name, program, shape) in rows {
            if self.wants(name) {
                let (server, address) = self.yardstick(name, program, &[])?;
                let row = self.row(name, address, &[&server], shape, &self.tokens.clone())?;
                self.rows.push(row);
                self.servers.push(server);
            }
        }
        Ok(())
    }

    fn add_services(&mut self) -> Result<()> {
        let tokens = self.tokens.clone();
        let internal = self.auth.internal;
        if self.wants("validate") {
            let row = self.row("validate", internal, &[&self.auth.server], VALIDATE, &tokens)?;
            self.rows.push(row);
        }
        if self.wants("data") || self.wants("livez") {
            let business = self.starter.business("data", &self.auth, None)?;
            let (address, server) = (business.address, business.server);
            if self.wants("livez") {
                let row = self.row("livez", address, &[&server], get("/livez"), &tokens)?;
                self.rows.push(row);
            }
            if self.wants("data") {
                let row =
                    self.row("data", address, &[&server, &self.auth.server], DATA, &tokens)?;
                self.rows.push(row);
            }
            self.servers.push(server);
        }
        if self.wants("data-unbatched") {
            let business = self.starter.business("data-unbatched", &self.auth, Some("0"))?;
            let servers = [&business.server, &self.auth.server];
            let row = self.row("data-unbatched", business.address, &servers, DATA, &tokens)?;
            self.rows.push(row);
            self.servers.push(business.server);
        }
        Ok(())
    }

    fn add_durable(&mut self, durable: &SessionFile) -> Result<()> {
        let auth = self.starter.auth("auth-durable", &durable.store)?;
        let (address, server) = (auth.internal, auth.server);
        let row = self.row("validate-durable", address, &[&server], VALIDATE, &durable.tokens)?;
        self.rows.push(row);
        self.servers.push(server);
        Ok(())
    }

    fn add_services_on(&mut self, redis: &Redis) -> Result<()> {
        if !self.wants("validate-redis") && !self.wants("data-redis") {
            return Ok(());
        }
        let auth = self.starter.auth("auth-redis", &redis.url)?;
        let servers = [&auth.server, &redis.server];
        if self.wants("validate-redis") {
            let row =
                self.row("validate-redis", auth.internal, &servers, VALIDATE, &redis.tokens)?;
            self.rows.push(row);
        }
        if self.wants("data-redis") {
            let business = self.starter.business("data-redis", &auth, None)?;
            let servers = [&business.server, &auth.server, &redis.server];
            let row = self.row("data-redis", business.address, &servers, DATA, &redis.tokens)?;
            self.rows.push(row);
            self.servers.push(business.server);
        }
        self.servers.push(auth.server);
        Ok(())
    }

    fn add_in_process(&mut self, redis: Option<&Redis>) -> Result<()> {
        for &(name, saves, in_redis) in IN_PROCESS {
            if !self.wants(name) || (in_redis && redis.is_none()) {
                continue;
            }
            let store = redis.filter(|_| in_redis);
            let mut arguments: Vec<&str> = store.iter().map(|redis| redis.url.as_str()).collect();
            arguments.extend(saves.then_some("--save"));
            let (server, address) = self.yardstick(name, "yardstick-axum-login", &arguments)?;
            let bar = progress::bar(0, name);
            let cookies = cookies(address, self.tokens.len(), &bar)?;
            bar.finish_and_clear();
            let mut servers = vec![&server];
            servers.extend(store.map(|redis| &redis.server));
            let shape = Shape::Get { path: "/data", header: "cookie" };
            let row = self.row(name, address, &servers, shape, &cookies)?;
            self.rows.push(row);
            self.servers.push(server);
        }
        Ok(())
    }

    fn add_nginx(&mut self) -> Result<()> {
        let (alone, asking) = (self.wants("nginx"), self.wants("nginx-auth"));
        if !alone && !asking || crate::process::installed("nginx").is_none() {
            return Ok(());
        }
        let (server, address) = nginx::start(self.starter, &self.auth)?;
        let tokens = self.tokens.clone();
        if alone {
            let row = self.row("nginx", address, &[&server], get("/data.json"), &tokens)?;
            self.rows.push(row);
        }
        if asking {
            let servers = [&server, &self.auth.server];
            let row = self.row("nginx-auth", address, &servers, get("/protected.json"), &tokens)?;
            self.rows.push(row);
        }
        self.servers.push(server);
        Ok(())
    }

    fn add_flask(&mut self, results: &mut Results) -> Result<()> {
        if !self.wants("flask") {
            return Ok(());
        }
        let tokens = self.tokens.clone();
        match Pair::start(self.starter, &tokens) {
            Ok(Pair { servers, address }) => {
                let row = self.row("flask", address, &servers.each_ref(), DATA, &tokens)?;
                self.rows.push(row);
                self.servers.extend(servers);
            }
            // The environment needs a package index; everything else is worth measuring without.
            Err(error) => {
                progress::say(&format!("left out: flask: {error:#}"));
                results
                    .missing
                    .push("the Flask services, whose packages could not be had".to_owned());
            }
        }
        Ok(())
    }

    /// Starts one of the programs of `benches/yardsticks`.
    fn yardstick(
        &self,
        name: &str,
        program: &str,
        arguments: &[&str],
    ) -> Result<(Server, SocketAddr)> {
        let paths = self.starter.paths;
        let program = paths.target.join("release").join(program);
        let mut command = self.starter.pinning.server(&program.to_string_lossy());
        command.args(arguments);
        let mut server = Server::start(command, paths.scratch.join(format!("{name}.log")))?;
        let address = server.address("listening")?;
        Ok((server, address))
    }

    pub(crate) fn row(
        &self,
        name: &'static str,
        address: SocketAddr,
        servers: &[&Server],
        shape: Shape,
        tokens: &[String],
    ) -> Result<Row> {
        let pids = servers.iter().map(|server| server.pid()).collect();
        Row::new(name, address, pids, shape, tokens, &self.starter.paths.scratch)
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.starter.options.wants(name)
    }
}

/// Every so many-th of the live sessions' tokens is in use.
pub(crate) fn stride(live: usize) -> usize {
    (live / IN_USE).max(1)
}

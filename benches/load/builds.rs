//! Other builds of the services beside those of this tree, in the same rounds: an older one, to see
//! what has changed, and one that a profile has optimised.

use std::path::PathBuf;

use anyhow::Result;

use crate::filling::Users;
use crate::memory::{self, Filled};
use crate::options::Options;
use crate::progress;
use crate::redis::Redis;
use crate::services::{AuthService, Paths, Starter};
use crate::world::{DATA, VALIDATE, World};

/// A build that a directory is given for on the command line, and what its rows are called.
pub(crate) struct Build {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    rows: Rows,
}

struct Rows {
    validate: &'static str,
    data: &'static str,
    pair: &'static str,
    validate_redis: &'static str,
    data_redis: &'static str,
}

pub(crate) const BUILDS: &[Build] = &[
    Build {
        name: "before",
        help: "A directory with older builds of the services, to hold these against them",
        rows: Rows {
            validate: "validate-before",
            data: "data-before",
            pair: "pair-before",
            validate_redis: "validate-redis-before",
            data_redis: "data-redis-before",
        },
    },
    Build {
        name: "profiled",
        help: "A directory with builds of this tree that a profile has optimised",
        rows: Rows {
            validate: "validate-profiled",
            data: "data-profiled",
            pair: "pair-profiled",
            validate_redis: "validate-redis-profiled",
            data_redis: "data-redis-profiled",
        },
    },
];

/// One of them, for the whole run.
pub(crate) struct OtherBuild {
    build: &'static Build,
    paths: Paths,
    /// Its own: an older build cannot read what a newer one stores.
    redis: Option<Redis>,
}

impl OtherBuild {
    /// Those that are wanted, with a Redis of their own where rows need one.
    pub(crate) fn of(options: &Options, starter: Starter<'_>) -> Result<Vec<Self>> {
        let other = |(build, binaries): &(&'static Build, PathBuf)| {
            let paths = starter.paths.of_build(build.name, binaries)?;
            let Rows { validate_redis, data_redis, .. } = build.rows;
            let needs_redis = options.wants(validate_redis) || options.wants(data_redis);
            let is_installed = crate::process::installed("redis-server").is_some();
            let redis = (needs_redis && is_installed)
                .then(|| Redis::fill(Starter { paths: &paths, ..starter }))
                .transpose()?;
            Ok(Self { build, paths, redis })
        };
        options.builds.iter().map(other).collect()
    }
}

impl<'a> World<'a> {
    /// Both services in one process.
    pub(crate) fn add_pair(&mut self) -> Result<()> {
        self.add_pair_of(self.starter, "pair")
    }

    /// The rows of another build.
    pub(crate) fn add_build(&mut self, other: &'a OtherBuild) -> Result<()> {
        let starter = Starter { paths: &other.paths, ..self.starter };
        let rows = &other.build.rows;
        if self.wants(rows.validate) || self.wants(rows.data) {
            let auth = starter.auth("auth", "memory")?;
            let tokens = fill(&auth, starter.options.live)?;
            self.add_both(starter, (rows.validate, rows.data), auth, &tokens, None)?;
        }
        if let Some(redis) = &other.redis {
            redis.pin(starter.pinning)?;
            let auth = starter.auth("auth-redis", &redis.url)?;
            let names = (rows.validate_redis, rows.data_redis);
            self.add_both(starter, names, auth, &redis.tokens, Some(redis))?;
        }
        self.add_pair_of(starter, rows.pair)
    }

    fn add_both(
        &mut self,
        starter: Starter<'_>,
        (validate, data): (&'static str, &'static str),
        auth: AuthService,
        tokens: &[String],
        redis: Option<&Redis>,
    ) -> Result<()> {
        let store = redis.map(|redis| &redis.server);
        if self.wants(validate) {
            let servers: Vec<_> = [&auth.server].into_iter().chain(store).collect();
            let row = self.row(validate, auth.internal, &servers, VALIDATE, tokens)?;
            self.rows.push(row);
        }
        if self.wants(data) {
            let business = starter.business(data, &auth, None)?;
            let servers: Vec<_> =
                [&business.server, &auth.server].into_iter().chain(store).collect();
            let row = self.row(data, business.address, &servers, DATA, tokens)?;
            self.rows.push(row);
            self.servers.push(business.server);
        }
        self.servers.push(auth.server);
        Ok(())
    }

    fn add_pair_of(&mut self, starter: Starter<'_>, name: &'static str) -> Result<()> {
        if !self.wants(name) || !starter.paths.pair.exists() {
            return Ok(());
        }
        let (auth, business) = starter.pair(name)?;
        let tokens = fill(&auth, starter.options.live)?;
        let row = self.row(name, business, &[&auth.server], DATA, &tokens)?;
        self.rows.push(row);
        self.servers.push(auth.server);
        Ok(())
    }
}

/// Fills a service, and gives back the tokens in use.
fn fill(auth: &AuthService, live: usize) -> Result<Vec<String>> {
    let bar = progress::bar(0, "users");
    let users = Users::create(auth.public, &bar)?;
    bar.finish_and_clear();
    let Filled { tokens, .. } = memory::fill(auth, &users, live)?;
    Ok(tokens)
}

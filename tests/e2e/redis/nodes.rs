//! Nodes of auth-service that share a Redis and a database of users.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{
    Answer, AuthService, BusinessService, Connection, Launch, Redis, Request, TIMEOUT, eventually,
    unused_port,
};

/// A Redis, and the settings of every node on it.
pub(crate) struct Site {
    pub(crate) redis: Redis,
    users: TempDir,
}

impl Site {
    /// `None` where there is no Redis to be had.
    pub(crate) fn open() -> Option<Self> {
        let redis = Redis::start_durable(&[])?;
        let users = TempDir::with_prefix("reinflate-e2e-").expect("a temporary directory");
        Some(Self { redis, users })
    }

    /// A node to be, without limits on how much one test may do.
    pub(crate) fn node(&self) -> Launch {
        self.limited_node()
            .var("AUTH_LOGIN_ATTEMPTS", "0")
            .var("AUTH_LOGIN_ATTEMPTS_PER_ACCOUNT", "0")
            .var("AUTH_LOGIN_ATTEMPTS_PER_ADDRESS", "0")
            .var("AUTH_MINTS_PER_USER", "0")
            .var("AUTH_LOGINS_PER_ADDRESS", "0")
            .var("AUTH_MAX_SESSIONS_PER_USER", "0")
            .var("AUTH_TOKEN_TTL", "10m")
            .var("AUTH_FRESH_FOR", "1h")
    }

    /// The same with the limits that a node has by itself.
    pub(crate) fn limited_node(&self) -> Launch {
        Launch::auth()
            .var("AUTH_SESSION_STORE", self.redis.url())
            .var("AUTH_DATABASE_URL", format!("sqlite:{}", self.users().display()))
            .var("RUST_LOG", "info")
    }

    /// Where the users are.
    pub(crate) fn users(&self) -> PathBuf {
        self.users.path().join("users.db")
    }

    /// Two nodes that run.
    pub(crate) fn two_nodes(&self) -> [AuthService; 2] {
        [(); 2].map(|()| AuthService::launch(&self.node()))
    }

    /// A node on ports that it keeps when it is started again.
    pub(crate) fn settled_node(&self) -> Launch {
        let address = || format!("127.0.0.1:{}", unused_port());
        self.node().var("AUTH_PUBLIC_ADDR", address()).var("AUTH_INTERNAL_ADDR", address())
    }
}

/// business-service in front of these nodes.
pub(crate) fn business(nodes: &[&AuthService]) -> BusinessService {
    let url = |node: &&AuthService| format!("http://127.0.0.1:{}", node.internal.port);
    let urls: Vec<String> = nodes.iter().map(url).collect();
    let launch = Launch::business(1).var("BUSINESS_AUTH_URL", urls.join(","));
    BusinessService::launch(&launch.var("RUST_LOG", "info"))
}

/// The answer to a request that is made again as long as Redis does not answer in time, as it may on
/// a busy machine.
pub(crate) fn insist(connection: &mut Connection, request: &Request) -> Answer {
    eventually("a definite answer", TIMEOUT, || {
        let answer = connection.send(request);
        (answer.status != 503).then_some(answer)
    })
}

/// Mints this many tokens of a kind, which live for ten minutes, on a connection of its own.
pub(crate) fn mint_many(node: &AuthService, maker: &str, kind: &str, count: usize) -> Vec<String> {
    let mut connection = node.public.connect();
    let body = json!({"kind": kind, "ttl": "10m"});
    let request = Request::post("/tokens").bearer(maker).json(&body);
    let mint = |_| {
        let answer = insist(&mut connection, &request).expect(201).json();
        answer["token"].as_str().expect("a token").to_owned()
    };
    (0..count).map(mint).collect()
}

/// Asks for many tokens at once; whether each is alive, `None` where that is not known.
pub(crate) fn validate_many(connection: &mut Connection, tokens: &[&str]) -> Vec<Option<bool>> {
    let body = json!({"tokens": tokens});
    let answer = connection.send(&Request::post("/validateToken").json(&body));
    if answer.status == 503 {
        return vec![None; tokens.len()];
    }
    let answer = answer.expect(200).json();
    let results = answer["results"].as_array().expect("results");
    let alive = |result: &Value| result["authenticated"].as_bool();
    results.iter().map(alive).collect()
}

//! The ways to a Redis: with a password, through TLS, by way of a file; and none at all.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{
    AuthService, Launch, Redis, Request, is_alive, redis_cluster, skip_unless_installed,
    unused_port,
};

fn on(redis: &str) -> Launch {
    Launch::auth().var("AUTH_SESSION_STORE", redis).var("AUTH_DATABASE_URL", "sqlite:users.db")
}

fn works(node: &AuthService) {
    let token = node.token();
    assert!(is_alive(&node.validate(&token)));
    node.logout(&token);
    assert!(!is_alive(&node.validate(&token)));
}

#[test]
fn a_store_out_of_reach_ends_the_start_with_one_line() {
    let address = format!("127.0.0.1:{}", unused_port());
    for scheme in ["redis", "rediss", "redis-cluster"] {
        let output = on(&format!("{scheme}://ann:hunter-secret@{address}")).run();
        assert_eq!(output.code, Some(1), "{output:?}");
        let lines = output.lines();
        let naming: Vec<_> = lines.iter().filter(|line| line.contains("session store")).collect();
        assert_eq!(naming.len(), 1, "{output:?}");
        assert!(scheme == "redis-cluster" || naming[0].contains(&address), "{output:?}");
        assert!(!lines.iter().any(|line| line.contains("hunter-secret")), "{output:?}");
    }
}

#[test]
fn what_is_no_address_is_refused_and_its_password_is_not_shown() {
    for bad in [
        "redis",
        "redis://",
        "redis:///0",
        "redis://:hunter-secret@a,b",
        "http://x",
        "redis-cluster://a/1",
    ] {
        let output = on(bad).run();
        assert_eq!(output.code, Some(2), "{bad}: {output:?}");
        assert_eq!(output.lines().len(), 1, "{output:?}");
        assert!(output.stderr.contains("AUTH_SESSION_STORE"), "{output:?}");
        assert!(!output.stderr.contains("hunter-secret"), "{output:?}");
    }
}

#[test]
fn a_password_comes_from_a_file_and_belongs_to_a_user() {
    let acl = [
        "--user",
        "ann",
        "on",
        ">secret-of-ann",
        "+@all",
        "~session:*",
        "~subject:*",
        "~attempts:*",
        "~known:*",
        "~fence:*",
    ];
    let Some(redis) = Redis::start_durable(&acl) else { return };
    let directory = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let file = directory.path().join("password");
    fs::write(&file, "secret-of-ann\n").unwrap();
    let launch = on(&redis.url()).var("AUTH_REDIS_USERNAME", "ann");
    let node = AuthService::launch(
        &launch.clone().var("AUTH_REDIS_PASSWORD_FILE", file.display().to_string()),
    );
    node.keep_secret("secret-of-ann");
    works(&node);
    assert!(redis.cli(&["CLIENT", "LIST"]).contains("user=ann"));
    let refused = launch.var("AUTH_REDIS_PASSWORD", "not-the-secret").run();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(!refused.stderr.contains("not-the-secret"), "{refused:?}");
}

/// A server that is reached through TLS, and where its certificate's authority is.
pub(super) struct TlsRedis {
    pub(super) redis: Redis,
    pub(super) url: String,
    directory: TempDir,
}

impl TlsRedis {
    pub(super) fn start() -> Option<Self> {
        if skip_unless_installed("openssl") {
            return None;
        }
        let directory = certificates();
        let path = |name: &str| directory.path().join(name).display().to_string();
        let (certificate, key, authority) =
            (path("server.pem"), path("server.key"), path("redis.pem"));
        fs::copy(path("ca.pem"), &authority).unwrap();
        Self::with(&certificate, &key, directory)
    }

    /// With this certificate, in a directory whose `redis.pem` is the authority.
    fn with(certificate: &str, key: &str, directory: TempDir) -> Option<Self> {
        let port = unused_port().to_string();
        let authority = directory.path().join("redis.pem").display().to_string();
        let redis = Redis::start_durable(&[
            "--tls-port",
            &port,
            "--tls-cert-file",
            certificate,
            "--tls-key-file",
            key,
            "--tls-ca-cert-file",
            &authority,
            "--tls-auth-clients",
            "no",
        ])?;
        Some(Self { redis, url: format!("rediss://localhost:{port}"), directory })
    }

    /// A node on it that knows the authority.
    pub(super) fn node(&self) -> Launch {
        let authority = self.directory.path().join("redis.pem").display().to_string();
        on(&self.url).var("SSL_CERT_FILE", authority)
    }
}

/// An authority, and a certificate for localhost that it vouches for.
fn certificates() -> TempDir {
    let directory = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let openssl = |arguments: &str| {
        let done = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(directory.path())
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    fs::write(
        path("names"),
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
    )
    .unwrap();
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-ca",
    );
    openssl("req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost");
    openssl(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile names",
    );
    directory
}

#[test]
fn a_server_whose_certificate_is_trusted_is_reached_through_tls() {
    let Some(tls) = TlsRedis::start() else { return };
    works(&AuthService::launch(&tls.node()));
    let refused = on(&tls.url).run();
    assert_eq!(refused.code, Some(1), "a certificate that nobody vouches for: {refused:?}");
}

/// The command of the documentation, run as written but for the name of the host.
#[test]
fn the_documented_self_signed_certificate_is_taken_and_a_bare_one_is_not() {
    if skip_unless_installed("openssl") {
        return;
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md");
    let document = fs::read_to_string(path).unwrap();
    let blocks = document.split("\n```sh\n").skip(1);
    let mut blocks = blocks.filter_map(|block| block.split("\n```").next());
    let command = blocks.find(|block| block.starts_with("openssl req -x509")).unwrap();
    let documented = command.replace("redis.internal", "localhost");
    let bare = documented.split("-addext").next().unwrap().trim_end_matches([' ', '\\', '\n']);
    let constrained = format!("{bare} -addext basicConstraints=critical,CA:FALSE");
    for (command, is_taken) in [(documented.as_str(), true), (bare, false), (&constrained, false)] {
        let home = TempDir::with_prefix("reinflate-e2e-").unwrap();
        let made = Command::new("sh").args(["-c", command]).current_dir(home.path()).output();
        assert!(made.as_ref().is_ok_and(|made| made.status.success()), "{command}: {made:?}");
        let file = |name: &str| home.path().join(name).display().to_string();
        let Some(tls) = TlsRedis::with(&file("redis.pem"), &file("redis.key"), home) else {
            return;
        };
        if is_taken {
            works(&AuthService::launch(&tls.node()));
        } else {
            assert_eq!(tls.node().run().code, Some(1), "{command}");
        }
    }
}

/// A node on a cluster; one of its servers is enough to find the others.
pub(super) fn on_cluster(servers: &[Redis]) -> Launch {
    on(&format!("redis-cluster://127.0.0.1:{}", servers[2].port))
}

#[test]
fn a_cluster_of_three_masters_is_one_store() {
    let Some(servers) = redis_cluster(0, &[]) else { return };
    let home = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let users = home.path().join("users.db");
    let launch =
        on_cluster(&servers).var("AUTH_DATABASE_URL", format!("sqlite:{}", users.display()));
    let nodes = [(); 2].map(|()| AuthService::launch(&launch));
    works(&nodes[0]);
    let tokens = nodes[0].tokens(9);
    let listed = nodes[1].public.send(Request::get("/sessions").bearer(&tokens[0])).expect(200);
    assert_eq!(listed.json()["sessions"].as_array().unwrap().len(), 9);
    for token in &tokens {
        assert!(is_alive(&nodes[1].validate(token)));
    }
    let counts: Vec<usize> = servers.iter().map(Redis::sessions).collect();
    assert!(
        counts.iter().sum::<usize>() == 9 && counts.iter().all(|count| *count < 9),
        "{counts:?}"
    );
    nodes[1].public.send(Request::delete("/sessions").bearer(&tokens[0])).expect(204);
    for token in &tokens {
        assert!(!is_alive(&nodes[0].validate(token)));
    }
}

//! The ways to a Redis: with a password, through TLS, by way of a file; and none at all.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use super::server::Redis;
use crate::harness::{AuthService, Launch, is_alive, quiet_port, skip_unless_installed};

fn on(redis: &str) -> Launch {
    Launch::auth().var("AUTH_SESSION_STORE", redis)
}

fn works(node: &AuthService) {
    let token = node.token();
    assert!(is_alive(&node.validate(&token)));
    node.logout(&token);
    assert!(!is_alive(&node.validate(&token)));
}

#[test]
fn a_store_out_of_reach_ends_the_start_with_one_line() {
    let address = format!("127.0.0.1:{}", quiet_port());
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
    let acl = ["--user", "ann", "on", ">secret-of-ann", "~*", "+@all"];
    let Some(redis) = Redis::start(&acl) else { return };
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

#[test]
fn a_server_whose_certificate_is_trusted_is_reached_through_tls() {
    if skip_unless_installed("openssl") {
        return;
    }
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
    openssl("req -newkey rsa:2048 -nodes -keyout redis.key -out redis.csr -subj /CN=localhost");
    openssl(
        "x509 -req -in redis.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out redis.pem -days 2 -extfile names",
    );
    let port = quiet_port().to_string();
    let Some(_redis) = Redis::start(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &path("redis.pem"),
        "--tls-key-file",
        &path("redis.key"),
        "--tls-ca-cert-file",
        &path("ca.pem"),
        "--tls-auth-clients",
        "no",
    ]) else {
        return;
    };
    let launch = on(&format!("rediss://localhost:{port}"));
    works(&AuthService::launch(&launch.clone().var("SSL_CERT_FILE", path("ca.pem"))));
    let refused = launch.run();
    assert_eq!(refused.code, Some(1), "a certificate that nobody vouches for: {refused:?}");
}

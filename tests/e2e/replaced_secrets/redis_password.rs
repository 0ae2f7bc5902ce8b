//! The password for Redis, which new connections take once it was read again.

use super::{Files, expect_taken};
use crate::harness::{AuthService, Launch, Redis, TIMEOUT, eventually, is_alive};

#[test]
fn a_new_password_for_redis_is_used_by_new_connections() {
    const OLD: &str = "old-password-of-redis";
    const NEW: &str = "new-password-of-redis";
    let Some(redis) = Redis::start(&[]) else { return };
    let files = Files::new();
    files.put("redis", OLD);
    assert_eq!(redis.cli(&["CONFIG", "SET", "requirepass", OLD]), "OK");
    let launch = Launch::auth()
        .var("AUTH_SESSION_STORE", redis.url())
        .var("AUTH_DATABASE_URL", format!("sqlite:{}", files.path("users.db").display()))
        .var("AUTH_REDIS_PASSWORD_FILE", files.path("redis").display().to_string())
        .var("AUTH_TOKEN_TTL", "10m")
        .var("RUST_LOG", "info");
    let auth = AuthService::launch(&launch);
    auth.keep_secret(OLD);
    auth.keep_secret(NEW);
    let token = auth.token();
    assert!(is_alive(&auth.validate(&token)));

    let with_password = |password: &str, command: &[&str]| {
        redis.cli(&[&["-a", password, "--no-auth-warning"], command].concat())
    };
    assert_eq!(with_password(OLD, &["CONFIG", "SET", "requirepass", NEW]), "OK");
    files.put("redis", NEW);
    expect_taken(&auth, 1);
    // The connections of before are still let in; those after them show the new password.
    let closed: usize = with_password(NEW, &["CLIENT", "KILL", "TYPE", "normal"]).parse().unwrap();
    assert!(closed >= 1);
    eventually("a new connection is let in", TIMEOUT, || {
        let answer = auth.try_validate(&serde_json::json!({"token": token}));
        (answer.status == 200).then(|| assert!(is_alive(&answer.json())))
    });
}

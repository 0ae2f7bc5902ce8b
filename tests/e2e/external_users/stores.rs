//! External users and scopes where sessions outlive the process.

use serde_json::json;
use tempfile::TempDir;

use super::{KEY, issue, launch, listed, text, user, validate};
use crate::harness::{AuthService, Launch, Redis, Request, TIMEOUT, is_alive};

/// A restart changes nothing about them; neither does what ends the sessions of our own users.
fn survives(launch: &Launch) {
    let mut auth = AuthService::launch(launch);
    let theirs = issue(&auth, &user("a/b"));
    let token = text(&theirs["token"]);
    let maker = auth.token();
    let scopes = json!({"kind": "fixed", "scopes": ["reports:read"]});
    let narrowed = auth.mint(&maker, &scopes);
    auth.signal("TERM");
    auth.wait_for_end(TIMEOUT);
    let auth = AuthService::launch(launch);
    let verdict = validate(&auth, &token);
    assert!(is_alive(&verdict));
    assert_eq!(verdict["session"]["user"], theirs["session"]["user"]);
    assert_eq!(verdict["session"]["user"]["external"], true);
    assert_eq!(listed(&auth, "a/b"), [text(&theirs["session"]["id"])]);
    let session = auth.session(&narrowed).expect(200).json();
    assert_eq!(session["scopes"], json!(["reports:read"]));
    auth.public.send(Request::get("/sessions").bearer(&narrowed)).expect(403);
    auth.public.send(Request::get("/account").bearer(&token)).expect(403);
    let path = "/subjects/a%2Fb/sessions";
    auth.internal.send(Request::delete(path).bearer(KEY)).expect(200);
    assert!(!is_alive(&validate(&auth, &token)));
}

#[test]
fn a_restart_on_a_file_changes_nothing_about_them() {
    let directory = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let path = |name: &str| format!("sqlite:{}", directory.path().join(name).display());
    let launch = launch()
        .var("AUTH_DATABASE_URL", path("users.db"))
        .var("AUTH_SESSION_STORE", path("sessions.db"));
    survives(&launch);
}

#[test]
fn a_restart_beside_redis_changes_nothing_about_them() {
    let Some(redis) = Redis::start(&[]) else { return };
    let directory = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let database = format!("sqlite:{}", directory.path().join("users.db").display());
    let launch = launch().var("AUTH_DATABASE_URL", database).var("AUTH_SESSION_STORE", redis.url());
    survives(&launch);
}

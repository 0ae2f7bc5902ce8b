//! Users that live elsewhere: a backend asks for their sessions, which open no account of ours.

mod admission;
mod auth_client;
mod grants;
mod identity;
mod stores;

use serde_json::{Value, json};
use testkit::percent_encoded;

use crate::harness::{Answer, AuthService, Launch, Request};

/// What the backend shows.
const KEY: &str = "twelve-paper-lanterns-on-a-string";

fn launch() -> Launch {
    Launch::auth().var("AUTH_INTERNAL_KEY", KEY)
}

fn start() -> AuthService {
    AuthService::launch(&launch())
}

/// The answer to `POST /sessions`.
fn try_issue(auth: &AuthService, body: &Value) -> Answer {
    auth.internal.send(Request::post("/sessions").bearer(KEY).json(body))
}

#[track_caller]
fn issue(auth: &AuthService, body: &Value) -> Value {
    try_issue(auth, body).expect(201).json()
}

/// A backend's user of this id, in the role `admin` that the backend has given that name.
fn user(id: &str) -> Value {
    json!({"user": {"id": id, "username": "ann@example.com", "roles": ["admin", "user"]}})
}

/// The token of a new session of that user.
#[track_caller]
fn token(auth: &AuthService, id: &str) -> String {
    text(&issue(auth, &user(id))["token"])
}

#[track_caller]
fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn validate(auth: &AuthService, token: &str) -> Value {
    let body = json!({"token": token});
    auth.internal.send(Request::post("/validateToken").bearer(KEY).json(&body)).expect(200).json()
}

/// The ids of a backend's user's live sessions.
#[track_caller]
fn listed(auth: &AuthService, id: &str) -> Vec<String> {
    let path = format!("/subjects/{}/sessions", percent_encoded(id));
    let list = auth.internal.send(Request::get(&path).bearer(KEY)).expect(200).json();
    list["sessions"].as_array().unwrap().iter().map(|session| text(&session["id"])).collect()
}

/// How many sessions a deletion on the internal listener ended.
#[track_caller]
fn ended(auth: &AuthService, path: &str) -> u64 {
    let answer = auth.internal.send(Request::delete(path).bearer(KEY)).expect(200).json();
    answer["ended"].as_u64().expect("a number")
}

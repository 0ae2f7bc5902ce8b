//! One line for each event that matters: who, from where, in which request, and no secret.

use serde_json::{Value, json};

use super::{ANN, WRONG, limits};
use crate::harness::{
    Answer, AuthService, DEMO, LONG_PASSWORD, Launch, Request, TIMEOUT, eventually,
};

const NEW: &str = "eight purple trams ring";
const FROM: &str = "192.0.2.7";

/// Sends it from a known address, as the request of this id.
fn send(
    auth: &AuthService,
    id: &str,
    token: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> Answer {
    for secret in [WRONG, LONG_PASSWORD, NEW, token.get(26..58).unwrap_or_default()] {
        auth.keep_secret(secret);
    }
    let mut request =
        Request::new(method, path).header("X-Request-Id", id).header("X-Forwarded-For", FROM);
    if !token.is_empty() {
        request = request.bearer(token);
    }
    if !body.is_null() {
        request = request.json(body);
    }
    auth.public.send(request)
}

fn login(auth: &AuthService, id: &str, password: &str) -> Answer {
    let body = json!({"username": "ANN@example.com", "password": password});
    send(auth, id, "", "POST", "/login", &body)
}

/// The one audit line of this event in this request; it says where the request came from.
#[track_caller]
fn line(auth: &AuthService, event: &str, request: &str) -> Value {
    let line = eventually(&format!("{event} of {request} in the log"), TIMEOUT, || {
        let mut lines = auth.log();
        lines.retain(|line| line["target"] == "audit" && line["event"] == event);
        lines.retain(|line| line["request_id"] == request);
        assert!(lines.len() < 2, "{lines:?}");
        lines.pop()
    });
    assert_eq!(line["ip"], FROM, "{line}");
    line
}

/// With audit lines although little else is logged, and an admin: the token, and its session.
fn start() -> (AuthService, String, Value) {
    let auth = AuthService::launch(&limits("3/1h", "0", "0").var("RUST_LOG", "info"));
    let admin = auth.login_answer(DEMO.0, DEMO.1);
    let token = admin["token"].as_str().unwrap().to_owned();
    (auth, token, admin["session"].clone())
}

#[test]
fn every_login_is_told_whatever_became_of_it() {
    let (auth, admin, _) = start();
    let ann = Value::from(auth.create(&admin, ANN));
    let answer = login(&auth, "r-login", LONG_PASSWORD).expect(200).json();
    let logged = line(&auth, "session.issued", "r-login");
    assert_eq!((&logged["user_id"], &logged["username"]), (&ann, &json!(ANN)));
    assert_eq!(logged["session_id"], answer["session"]["id"]);
    for n in 0..2 {
        login(&auth, &format!("r-wrong-{n}"), WRONG).expect(401);
        let failed = line(&auth, "login.failed", &format!("r-wrong-{n}"));
        assert_eq!((&failed["user_id"], &failed["username"]), (&ann, &json!(ANN)));
    }
    let wrong = json!({"current_password": WRONG, "new_password": NEW});
    let token = answer["token"].as_str().unwrap();
    send(&auth, "r-current", token, "PUT", "/api/v1/users/me/password", &wrong).expect(422);
    let failed = line(&auth, "login.failed", "r-current");
    assert_eq!((&failed["user_id"], &failed["cause"]), (&ann, &json!("current_password")));
    login(&auth, "r-throttled", LONG_PASSWORD).expect(429);
    let throttled = line(&auth, "login.throttled", "r-throttled");
    assert_eq!((&throttled["user_id"], &throttled["username"]), (&ann, &json!(ANN)));
}

#[test]
fn every_change_of_an_account_is_told_with_who_made_it() {
    let (auth, admin, session) = start();
    let by = (&session["user"]["id"], &session["id"]);
    let new = json!({"email": ANN, "password": LONG_PASSWORD});
    let created = send(&auth, "r-create", &admin, "POST", "/api/v1/users", &new).expect(201);
    let ann = created.json()["id"].clone();
    let path = format!("/api/v1/users/{}", ann.as_str().unwrap());
    let roles = json!({"first_name": "Ann", "roles": ["user", "team"]});
    send(&auth, "r-roles", &admin, "PUT", &path, &roles).expect(200);
    send(&auth, "r-disable", &admin, "PUT", &path, &json!({"disabled": true})).expect(200);
    let password = json!({"new_password": NEW});
    send(&auth, "r-password", &admin, "PUT", &format!("{path}/password"), &password).expect(204);
    send(&auth, "r-delete", &admin, "DELETE", &path, &Value::Null).expect(204);
    for (event, id) in [
        ("user.created", "r-create"),
        ("user.changed", "r-roles"),
        ("user.changed", "r-disable"),
        ("password.changed", "r-password"),
        ("user.deleted", "r-delete"),
    ] {
        let logged = line(&auth, event, id);
        assert_eq!(logged["user_id"], ann, "{logged}");
        assert_eq!((&logged["by_user"], &logged["by_session"]), by, "{logged}");
    }
    auth.login(DEMO.0, DEMO.1);
    let all = send(&auth, "r-all", &admin, "DELETE", "/api/v1/sessions", &Value::Null);
    assert!(all.status < 300, "{all:?}");
    let logged = line(&auth, "session.ended", "r-all");
    assert_eq!(logged["cause"], "revoked_by_admin");
    assert_eq!((&logged["by_user"], &logged["by_session"]), by, "{logged}");
}

#[test]
fn every_end_of_a_session_is_told_with_where_it_was_asked_for() {
    let (auth, admin, _) = start();
    let ann = Value::from(auth.create(&admin, ANN));
    let open = || {
        let answer = auth.login_answer(ANN, LONG_PASSWORD);
        let id = answer["session"]["id"].as_str().unwrap().to_owned();
        (answer["token"].as_str().unwrap().to_owned(), id)
    };
    let (token, first) = open();
    send(&auth, "r-logout", &token, "POST", "/logout", &Value::Null).expect(204);
    let (token, second) = open();
    let revoke = Request::post("/revoke").header("X-Request-Id", "r-revoke");
    let revoke = revoke.header("X-Forwarded-For", FROM).form(&format!("token={token}"));
    auth.public.send(revoke).expect(200);
    let (token, third) = open();
    let answer = send(&auth, "r-rotate", &token, "POST", "/session/rotate", &Value::Null);
    let token = answer.expect(200).json()["token"].as_str().unwrap().to_owned();
    send(&auth, "r-end", &token, "DELETE", &format!("/sessions/{third}"), &Value::Null).expect(204);
    let logged = [
        ("session.ended", "logout", "r-logout", &first),
        ("session.ended", "revoked", "r-revoke", &second),
        ("session.rotated", "rotation", "r-rotate", &third),
        ("session.ended", "revoked", "r-end", &third),
    ];
    for (event, cause, id, session) in logged {
        let logged = line(&auth, event, id);
        assert_eq!(logged["cause"], cause, "{logged}");
        assert_eq!(
            (&logged["user_id"], &logged["session_id"]),
            (&ann, &json!(session)),
            "{logged}"
        );
    }
    let logged = line(&auth, "session.ended", "r-end");
    assert_eq!((&logged["by_user"], &logged["by_session"]), (&ann, &json!(third)), "{logged}");
    let (token, fourth) = open();
    let minted = send(&auth, "r-mint", &token, "POST", "/tokens", &json!({})).expect(201);
    let minted = minted.json()["token"].as_str().unwrap().to_owned();
    auth.public.send(Request::post("/logout").bearer(&minted)).expect(204);
    send(&auth, "r-ends", &token, "DELETE", "/sessions", &Value::Null).expect(204);
    for (event, id) in [("session.issued", "r-mint"), ("session.ended", "r-ends")] {
        let logged = line(&auth, event, id);
        assert_eq!(logged["user_id"], ann, "{logged}");
        assert_eq!((&logged["by_user"], &logged["by_session"]), (&ann, &json!(fourth)), "{logged}");
    }
}

#[test]
fn a_password_typed_as_a_user_name_is_not_logged() {
    let auth = AuthService::launch(&Launch::auth());
    auth.keep_secret(LONG_PASSWORD);
    let twice = format!("{LONG_PASSWORD}@here@there");
    for name in [LONG_PASSWORD, &twice, "kettles-whistle-at-seven", "two\nlines@example.com"] {
        auth.try_login(name, WRONG).expect(401);
    }
    let lines = auth.log_lines_with("login.failed", 4);
    assert_eq!(lines.len(), 4, "a line break makes no line of its own");
    assert!(lines.iter().all(|line| !line.contains("username")), "{lines:?}");
}

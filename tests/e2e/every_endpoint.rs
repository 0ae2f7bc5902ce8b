//! What ends a session ends it at every endpoint of both services, whatever the kind of revocation.

use serde_json::{Value, json};

use crate::harness::{ANN, AuthService, BusinessService, DEMO, LONG_PASSWORD, Request, is_alive};

const NEW_PASSWORD: &str = "eight blue kettles whistle";

/// How a session may end, before its time.
type Ending = fn(&AuthService, &Ann);

struct Ann {
    /// The session that is to end.
    token: String,
    session: String,
    user: String,
    /// Another session of hers, opened before.
    other: String,
}

fn send(auth: &AuthService, request: Request, status: u16) {
    auth.public.send(request).expect(status);
}

fn admin(auth: &AuthService) -> String {
    auth.login(DEMO.0, DEMO.1)
}

fn change(auth: &AuthService, ann: &Ann, body: &Value) {
    let path = format!("/api/v1/users/{}", ann.user);
    send(auth, Request::put(&path).bearer(&admin(auth)).json(body), 200);
}

const ENDINGS: [(&str, Ending); 14] = [
    ("logout", |auth, ann| auth.logout(&ann.token)),
    ("revoke", |auth, ann| {
        send(auth, Request::post("/revoke").form(&format!("token={}", ann.token)), 200);
    }),
    ("ended by its id", |auth, ann| {
        send(auth, Request::delete(&format!("/sessions/{}", ann.session)).bearer(&ann.other), 204);
    }),
    ("all ended", |auth, ann| send(auth, Request::delete("/sessions").bearer(&ann.other), 204)),
    ("all others ended", |auth, ann| {
        send(auth, Request::delete("/sessions?keep=current").bearer(&ann.other), 204);
    }),
    ("ended by an admin", |auth, ann| {
        let path = format!("/api/v1/users/{}/sessions", ann.user);
        send(auth, Request::delete(&path).bearer(&admin(auth)), 204);
    }),
    ("everybody's ended", |auth, _| {
        send(auth, Request::delete("/api/v1/sessions").bearer(&admin(auth)), 204);
    }),
    ("ended by a filter", |auth, ann| {
        let target = format!("/api/v1/sessions?user={}&kind=sliding", ann.user);
        send(auth, Request::delete(&target).bearer(&admin(auth)), 200);
    }),
    ("disabled", |auth, ann| change(auth, ann, &json!({"disabled": true}))),
    ("roles changed", |auth, ann| change(auth, ann, &json!({"roles": ["user", "team"]}))),
    ("deleted", |auth, ann| {
        let path = format!("/api/v1/users/{}", ann.user);
        send(auth, Request::delete(&path).bearer(&admin(auth)), 204);
    }),
    ("password changed", |auth, ann| {
        let path = format!("/api/v1/users/{}/password", ann.user);
        let body = json!({"current_password": LONG_PASSWORD, "new_password": NEW_PASSWORD});
        send(auth, Request::put(&path).bearer(&ann.other).json(&body), 204);
    }),
    ("password set by an admin", |auth, ann| {
        let path = format!("/api/v1/users/{}/password", ann.user);
        let body = json!({"new_password": NEW_PASSWORD});
        send(auth, Request::put(&path).bearer(&admin(auth)).json(&body), 204);
    }),
    ("rotated", |auth, ann| {
        send(auth, Request::post("/session/rotate").bearer(&ann.token), 200);
    }),
];

/// The endpoints by their names, each with whether it accepted the token.
fn opened(auth: &AuthService, business: &BusinessService, token: &str) -> Vec<(String, bool)> {
    let mut opened = vec![
        ("/validateToken".to_owned(), is_alive(&auth.validate(token))),
        ("/validateToken, looking".to_owned(), is_alive(&auth.look_at(token))),
    ];
    let form = Request::post("/introspect").form(&format!("token={token}"));
    let introspected = auth.internal.send(form).expect(200).json();
    opened.push(("/introspect".to_owned(), introspected["active"].as_bool().unwrap()));
    for path in [
        "/authz/auth-request",
        "/authz/forward-auth",
        "/authz/ext-authz/a",
        "/authz/ext-authz-role/user/a",
        "/session/data",
    ] {
        for (how, request) in carried(Request::get(path), token) {
            let status = auth.internal.send(request).status;
            assert!([200, 401].contains(&status), "{path} {how}: {status}");
            opened.push((format!("{path} {how}"), status == 200));
        }
    }
    for path in ["/session", "/sessions", "/account"] {
        for (how, request) in carried(Request::get(path), token) {
            let status = auth.public.send(request).status;
            assert!([200, 401].contains(&status), "{path} {how}: {status}");
            opened.push((format!("{path} {how}"), status == 200));
        }
    }
    opened.push(("/data".to_owned(), business.data(token).status == 200));
    opened
}

fn carried(request: Request, token: &str) -> [(&'static str, Request); 3] {
    [
        ("by header", request.clone().token(token)),
        ("by bearer", request.clone().bearer(token)),
        ("by cookie", request.cookie(token)),
    ]
}

fn ann(auth: &AuthService) -> Ann {
    let other = auth.login(ANN, LONG_PASSWORD);
    let answer = auth.login_answer(ANN, LONG_PASSWORD);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Ann {
        token: text(&answer["token"]),
        session: text(&answer["session"]["id"]),
        user: text(&answer["session"]["user"]["id"]),
        other,
    }
}

#[test]
fn whatever_ends_a_session_ends_it_at_every_door() {
    for (name, end) in ENDINGS {
        let auth = AuthService::with_users();
        let business = BusinessService::start(&auth);
        let ann = ann(&auth);
        for (path, open) in opened(&auth, &business, &ann.token) {
            assert!(open, "{path} is closed before: {name}");
        }
        end(&auth, &ann);
        for (path, open) in opened(&auth, &business, &ann.token) {
            assert!(!open, "{path} is open after: {name}");
        }
    }
}

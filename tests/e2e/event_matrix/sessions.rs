//! What opens, changes and ends sessions.

use serde_json::{Value, json};

use super::Step;
use super::site::{Site, Store, text};
use crate::harness::{
    Answer, DEMO, LONG_PASSWORD, Request, TIMEOUT, eventually, is_alive, percent_encoded,
};

const HOME: &str = "kettle/1.0";
const ELSEWHERE: &str = "teapot/2.0";
const WRONG: &str = "three blue teapots sing";

/// A step that every store says the same of.
const fn step(what: &'static str, events: &'static [&'static str], run: fn(&Site)) -> Step {
    Step { what, events, silent_on: None, run }
}

pub(crate) const STEPS: &[Step] = &[
    step("`POST /login`", &["session.issued login"], login),
    step(
        "`POST /login` of a form, with a session's cookie",
        &["session.ended replaced", "session.issued login"],
        login_over_a_session,
    ),
    step(
        "`POST /login` past `AUTH_MAX_SESSIONS_PER_USER`",
        &["session.ended limit", "session.issued login"],
        login_past_the_limit,
    ),
    step("`POST /login`, wrong", &["login.failed login"], wrong_login),
    step("`POST /login` in a role that the user lacks", &["login.failed login"], lacking_role),
    step("`POST /login` past the limits of attempts", &["login.throttled login"], throttled),
    step("`POST /tokens`", &["session.issued mint"], mint),
    step("`POST /api/v1/users/{id}/tokens`", &["session.issued mint"], mint_for_service),
    step("`POST /sessions` (internal)", &["session.issued backend"], |site| {
        site.begin();
        site.external("crm/17");
    }),
    step("`POST /session/rotate`", &["session.rotated rotation"], |site| {
        let (_, _, token) = site.logged_in();
        site.begin();
        rotate(site, &token, &json!({}));
    }),
    step("`POST /session/rotate` to another role", &["session.rotated role"], rotate_role),
    step("`POST /logout`", &["session.ended logout"], |site| {
        let (_, _, token) = site.logged_in();
        site.begin();
        site.auth.logout(&token);
    }),
    step("`POST /revoke`", &["session.ended revoked"], |site| {
        let (_, _, token) = site.logged_in();
        site.begin();
        let form = Request::post("/revoke").form(&format!("token={token}"));
        site.auth.public.send(form).expect(200);
    }),
    step("`DELETE /sessions/{id}`", &["session.ended revoked"], end_one),
    step("`DELETE /sessions/{id}` of an external user", &["session.ended revoked"], |site| {
        let (token, id) = site.external("crm/18");
        site.begin();
        let end = Request::delete(&format!("/sessions/{id}")).bearer(&token);
        site.auth.public.send(end).expect(204);
    }),
    step("`DELETE /sessions`", &["session.ended revoked"], |site| {
        let (_, name, token) = site.logged_in();
        site.auth.login(&name, LONG_PASSWORD);
        site.begin();
        site.auth.public.send(Request::delete("/sessions").bearer(&token)).expect(204);
    }),
    step("`DELETE /sessions/{id}` (internal)", &["session.ended backend"], |site| {
        let (_, id) = site.external("crm/19");
        site.begin();
        site.internal(Request::delete(&format!("/sessions/{id}")));
    }),
    step("`DELETE /subjects/{id}/sessions`", &["session.ended backend"], |site| {
        site.external("crm-20");
        site.begin();
        site.internal(Request::delete("/subjects/crm-20/sessions"));
    }),
    step("`DELETE /api/v1/users/{id}/sessions`", &["session.ended revoked_by_admin"], |site| {
        let (id, ..) = site.logged_in();
        site.begin();
        site.auth.api_delete(&format!("/users/{id}/sessions"), &site.admin).expect(204);
    }),
    step("`DELETE /api/v1/sessions`", &["session.ended revoked_by_admin"], |site| {
        site.logged_in();
        site.begin();
        let ended = site.auth.api_delete("/sessions", &site.admin);
        assert!(ended.status < 300, "{ended:?}");
    }),
    step("any use of a single-use token", &["session.ended used"], |site| {
        let (_, _, token) = site.logged_in();
        let once = site.auth.mint(&token, &json!({"kind": "single_use"}));
        site.begin();
        site.auth.session(&once).expect(200);
    }),
    step("`POST /validateToken` of a single-use token", &["session.ended used"], |site| {
        let (_, _, token) = site.logged_in();
        let once = site.auth.mint(&token, &json!({"kind": "single_use"}));
        site.begin();
        assert!(is_alive(&validate(site, &json!({"token": once}))));
    }),
    step(
        "a use from another client than the session is bound to",
        &["session.ended elsewhere"],
        |site| {
            let (_, name) = site.user();
            let token = text(&login_from(site, &name, HOME).json()["token"]);
            site.begin();
            assert_eq!(session_from(site, &token, ELSEWHERE).status, 401);
        },
    ),
    step("`POST /validateToken` for such a client", &["session.ended elsewhere"], |site| {
        let (_, name) = site.user();
        let token = text(&login_from(site, &name, HOME).json()["token"]);
        site.begin();
        let body = json!({"token": token, "client": {"user_agent": ELSEWHERE}});
        assert!(!is_alive(&validate(site, &body)));
    }),
    step("a use of a token from before a rotation", &["session.ended reused"], |site| {
        let (_, name) = site.user();
        let token = text(&login_from(site, &name, HOME).json()["token"]);
        let rotate = Request::post("/session/rotate").bearer(&token).header("User-Agent", HOME);
        site.auth.public.send(rotate).expect(200);
        site.begin();
        assert_eq!(session_from(site, &token, ELSEWHERE).status, 401);
    }),
    Step {
        what: "the sweep, of what has expired",
        events: &["session.ended expired"],
        silent_on: Some(Store::Redis),
        run: expire,
    },
];

fn login(site: &Site) {
    let (_, name) = site.user();
    site.begin();
    site.auth.login(&name, LONG_PASSWORD);
}

fn login_from(site: &Site, name: &str, agent: &str) -> Answer {
    let login = Request::post("/login").header("User-Agent", agent);
    let body = json!({"username": name, "password": LONG_PASSWORD});
    site.auth.public.send(login.json(&body)).expect(200)
}

fn session_from(site: &Site, token: &str, agent: &str) -> Answer {
    site.auth.public.send(Request::get("/session").bearer(token).header("User-Agent", agent))
}

fn validate(site: &Site, body: &Value) -> Value {
    site.internal(Request::post("/validateToken").json(body)).0
}

fn login_over_a_session(site: &Site) {
    let (_, name) = site.user();
    let (name, password) = (percent_encoded(&name), percent_encoded(LONG_PASSWORD));
    let form = format!("username={name}&password={password}");
    let answer = site.auth.public.send(Request::post("/login").form(&form)).expect(303);
    let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    site.begin();
    let again = Request::post("/login").form(&form).header("Cookie", cookie);
    site.auth.public.send(again).expect(303);
}

fn login_past_the_limit(site: &Site) {
    let (_, name) = site.user();
    for _ in 0..8 {
        site.auth.login(&name, LONG_PASSWORD);
    }
    site.begin();
    site.auth.login(&name, LONG_PASSWORD);
}

fn wrong_login(site: &Site) {
    let (id, name) = site.user();
    site.begin();
    site.auth.try_login(&name.to_uppercase(), WRONG).expect(401);
    site.auth.try_login("nobody@example.com", WRONG).expect(401);
    site.auth.try_login(WRONG, WRONG).expect(401);
    let users: Vec<Value> = site.events_since().iter().map(|event| event["user"].clone()).collect();
    let account = json!({"id": id, "username": name});
    assert_eq!(
        users,
        [account, json!({"id": null, "username": "nobody@example.com"}), Value::Null]
    );
}

fn lacking_role(site: &Site) {
    let (id, name) = site.user();
    site.begin();
    let body = json!({"username": name, "password": LONG_PASSWORD, "role": "admin"});
    site.auth.public.send(Request::post("/login").json(&body)).expect(403);
    assert_eq!(site.events_since()[0]["user"]["id"], id);
}

fn throttled(site: &Site) {
    let (id, name) = site.user();
    for _ in 0..3 {
        site.auth.try_login(&name, WRONG).expect(401);
    }
    site.begin();
    site.auth.try_login(&name, LONG_PASSWORD).expect(429);
    assert_eq!(site.events_since()[0]["user"], json!({"id": id, "username": name}));
}

fn mint(site: &Site) {
    let (id, _, token) = site.logged_in();
    site.begin();
    site.auth.mint(&token, &json!({"name": "ci"}));
    assert_eq!(site.events_since()[0]["by"]["user_id"], id);
}

fn mint_for_service(site: &Site) {
    let new = json!({"username": "deploy-bot", "service": true});
    let made = site.auth.api("POST", "/users", &site.admin, Some(&new)).expect(201).json();
    let path = format!("/users/{}/tokens", text(&made["id"]));
    site.begin();
    let minted = site.auth.api("POST", &path, &site.admin, Some(&json!({}))).expect(201).json();
    site.auth.keep_token_secret(&text(&minted["token"]));
    let event = &site.events_since()[0];
    assert_eq!(event["user"], json!({"id": made["id"], "username": "deploy-bot"}));
    assert_ne!(event["by"]["user_id"], made["id"]);
}

fn rotate(site: &Site, token: &str, body: &Value) {
    let rotate = Request::post("/session/rotate").bearer(token).json(body);
    let rotated = site.auth.public.send(rotate).expect(200).json();
    site.auth.keep_token_secret(&text(&rotated["token"]));
}

fn rotate_role(site: &Site) {
    let (id, name) = site.user();
    let roles = json!({"roles": ["user", "team"]});
    site.auth.api_put(&format!("/users/{id}"), &site.admin, &roles).expect(200);
    let token = site.auth.login(&name, LONG_PASSWORD);
    site.begin();
    rotate(site, &token, &json!({"role": "team"}));
}

fn end_one(site: &Site) {
    let (_, name, token) = site.logged_in();
    let other = site.auth.login_answer(&name, LONG_PASSWORD);
    let id = text(&other["session"]["id"]);
    site.begin();
    let end = Request::delete(&format!("/sessions/{id}")).bearer(&token);
    site.auth.public.send(end).expect(204);
}

fn expire(site: &Site) {
    let token = site.auth.login(DEMO.0, DEMO.1);
    let short = site.auth.mint(&token, &json!({"ttl": "1s"}));
    site.begin();
    eventually("the token's end", TIMEOUT, || {
        let verdict = validate(site, &json!({"token": short, "touch": false}));
        (!is_alive(&verdict)).then_some(())
    });
}

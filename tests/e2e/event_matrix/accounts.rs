//! What changes accounts, by requests, by mail and by commands.

use serde_json::{Value, json};

use super::Step;
use super::site::{Site, text};
use crate::harness::{LONG_PASSWORD, Request, percent_encoded};

const NEW: &str = "eight purple trams ring";
const WRONG: &str = "three blue teapots sing";

const fn step(what: &'static str, events: &'static [&'static str], run: fn(&Site)) -> Step {
    Step { what, events, silent_on: None, run }
}

pub(crate) const STEPS: &[Step] = &[
    step("`POST /api/v1/users`", &["user.created"], |site| {
        site.begin();
        let (id, name) = site.user();
        let event = &site.events_since()[0];
        assert_eq!(event["user"], json!({"id": id, "username": name}));
        assert!(event["by"]["session_id"].is_string(), "{event}");
    }),
    step("`PUT /api/v1/users/{id}`, names", &["user.changed"], |site| {
        let (id, _, token) = site.logged_in();
        site.begin();
        site.auth
            .api_put(&format!("/users/{id}"), &token, &json!({"first_name": "Ann"}))
            .expect(200);
    }),
    step(
        "`PUT /api/v1/users/{id}`, roles",
        &["user.changed", "session.ended roles_changed"],
        |site| change(site, &json!({"roles": ["team"]})),
    ),
    step(
        "`PUT /api/v1/users/{id}`, disabled",
        &["user.changed", "session.ended user_disabled"],
        |site| change(site, &json!({"disabled": true})),
    ),
    step("`DELETE /api/v1/users/{id}`", &["user.deleted", "session.ended user_deleted"], |site| {
        let (id, name, _) = site.logged_in();
        site.begin();
        site.auth.api_delete(&format!("/users/{id}"), &site.admin).expect(204);
        let deleted = &site.events_since()[0];
        assert_eq!(deleted["user"], json!({"id": id, "username": name}));
    }),
    step(
        "`PUT /api/v1/users/{id}/password`",
        &["password.changed", "session.ended password_changed"],
        |site| {
            let (id, ..) = site.logged_in();
            site.begin();
            let path = format!("/users/{id}/password");
            site.auth.api_put(&path, &site.admin, &json!({"new_password": NEW})).expect(204);
        },
    ),
    step(
        "`PUT /api/v1/users/me/password` of a browser",
        &["password.changed", "session.ended password_changed", "session.rotated rotation"],
        own_password,
    ),
    step("`PUT /api/v1/users/me/password`, wrong", &["login.failed current_password"], |site| {
        let (id, _, token) = site.logged_in();
        site.begin();
        wrong_password(site, &token, 422);
        let event = &site.events_since()[0];
        assert_eq!((&event["user"]["id"], &event["by"]["user_id"]), (&json!(id), &json!(id)));
    }),
    step(
        "`PUT /api/v1/users/me/password` past the limits of attempts",
        &["login.throttled current_password"],
        |site| {
            let (_, _, token) = site.logged_in();
            (0..3).for_each(|_| wrong_password(site, &token, 422));
            site.begin();
            wrong_password(site, &token, 429);
        },
    ),
    step(
        "`PUT /api/v1/users/{id}/email` of an admin",
        &["email.changed", "session.ended email_changed"],
        |site| {
            let (id, name, _) = site.logged_in();
            site.begin();
            let body = json!({"email": format!("new-{name}")});
            site.auth.api_put(&format!("/users/{id}/email"), &site.admin, &body).expect(200);
        },
    ),
    step(
        "`POST /password/reset`",
        &["password.changed", "session.ended password_changed"],
        |site| {
            let (_, name, _) = site.logged_in();
            let forgot = Request::post("/password/forgot").json(&json!({"email": name}));
            site.auth.public.send(forgot).expect(202);
            let ticket = ticket(site, &name);
            site.begin();
            let reset = json!({"ticket": ticket, "new_password": NEW});
            site.auth.public.send(Request::post("/password/reset").json(&reset)).expect(204);
        },
    ),
    step("`POST /email/verify` after a sign-up", &["user.created"], |site| {
        let name = "eve@example.com";
        let new = json!({"email": name, "password": LONG_PASSWORD});
        site.auth.public.send(Request::post("/api/v1/users").json(&new)).expect(202);
        let ticket = ticket(site, name);
        site.begin();
        verify(site, &json!({"ticket": ticket, "password": LONG_PASSWORD}));
    }),
    step(
        "`POST /email/verify` of another address",
        &["email.changed", "session.ended email_changed"],
        |site| {
            let (_, name, token) = site.logged_in();
            site.auth.login(&name, LONG_PASSWORD);
            let address = format!("verified-{name}");
            let body = json!({"email": address, "current_password": LONG_PASSWORD});
            site.auth.api_put("/users/me/email", &token, &body).expect(202);
            let ticket = ticket(site, &address);
            site.begin();
            verify(site, &json!({"ticket": ticket}));
        },
    ),
];

pub(crate) const COMMANDS: &[Step] = &[
    step("`users passwd`", &["session.ended password_changed"], |site| {
        command(site, "passwd", &[], &format!("{NEW}\n"));
    }),
    step("`users roles`", &["session.ended roles_changed"], |site| {
        command(site, "roles", &["team"], "");
    }),
    step("`users disable`", &["session.ended user_disabled"], |site| {
        command(site, "disable", &[], "");
    }),
    step("`users delete`", &["session.ended user_deleted"], |site| {
        command(site, "delete", &[], "");
    }),
];

fn change(site: &Site, body: &Value) {
    let (id, ..) = site.logged_in();
    site.begin();
    site.auth.api_put(&format!("/users/{id}"), &site.admin, body).expect(200);
}

fn own_password(site: &Site) {
    let (_, name, _) = site.logged_in();
    let (name, password) = (percent_encoded(&name), percent_encoded(LONG_PASSWORD));
    let form = format!("username={name}&password={password}");
    let answer = site.auth.public.send(Request::post("/login").form(&form)).expect(303);
    let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    site.auth.keep_secret(NEW);
    site.begin();
    let body = json!({"current_password": LONG_PASSWORD, "new_password": NEW});
    let change = Request::put("/api/v1/users/me/password").header("Cookie", cookie);
    site.auth.public.send(change.json(&body)).expect(204);
}

fn wrong_password(site: &Site, token: &str, status: u16) {
    let body = json!({"current_password": WRONG, "new_password": NEW});
    site.auth.api_put("/users/me/password", token, &body).expect(status);
}

/// The ticket of the only mail to this address.
fn ticket(site: &Site, address: &str) -> String {
    let ticket = site.mailbox.newest_to(address, 1).ticket();
    site.auth.keep_secret(&ticket);
    ticket
}

fn verify(site: &Site, body: &Value) {
    site.auth.public.send(Request::post("/email/verify").json(body)).expect(204);
}

fn command(site: &Site, what: &str, more: &[&str], input: &str) {
    let (_, name, token) = site.logged_in();
    site.begin();
    site.command(&[&["users", what, &name], more].concat(), input);
    assert!(!text(&json!(token)).is_empty());
}

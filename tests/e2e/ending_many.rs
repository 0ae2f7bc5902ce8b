//! The sessions of all users, of which filters say which are listed, counted and ended.

mod command;
mod nodes;
mod page;
mod refusals;
mod selecting;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{
    ANN, Answer, AuthService, BOB, LONG_PASSWORD, Launch, Request, is_alive, percent_encoded, uuid,
};

const KEY: &str = "an-internal-key-of-a-test";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";

fn launch() -> Launch {
    Launch::auth()
        .var("AUTH_INTERNAL_KEY", KEY)
        .var("AUTH_TOKEN_TTL", "10m")
        .var("AUTH_MAX_SESSIONS_PER_USER", "0")
        .var("AUTH_MINTS_PER_USER", "0")
}

fn start() -> AuthService {
    AuthService::launch_with_users(launch())
}

/// A session that a backend opened, with where it came from.
#[track_caller]
fn grant(auth: &AuthService, user: &str, role: &str, client: &Value) -> String {
    let body = json!({
        "user": {"id": user, "username": "eve", "roles": [role]}, "client": client,
        "kind": "fixed",
    });
    let request = Request::post("/sessions").bearer(KEY).json(&body);
    let answer = auth.internal.send(request).expect(201).json();
    answer["token"].as_str().unwrap().to_owned()
}

#[track_caller]
fn looked_at(auth: &AuthService, token: &str) -> bool {
    let body = json!({"token": token, "touch": false});
    let request = Request::post("/validateToken").bearer(KEY).json(&body);
    is_alive(&auth.internal.send(request).expect(200).json())
}

/// Sessions of all sorts, by what tells them apart.
struct Crowd {
    auth: AuthService,
    admin: String,
    tokens: BTreeMap<&'static str, String>,
    /// Ann's id.
    ann: String,
}

/// What they are called, in order.
const NAMES: [&str; 7] = ["ann", "another admin", "bob", "mapped", "single use", "v4", "v6"];

impl Crowd {
    fn gather(auth: AuthService) -> Self {
        let admin = auth.token();
        let mut crowd = Self { auth, admin, tokens: BTreeMap::new(), ann: String::new() };
        for name in NAMES {
            crowd.open(name);
        }
        let own = Request::get("/session").bearer(&crowd.tokens["ann"]);
        crowd.ann = uuid(&crowd.auth.public.send(own).expect(200).json()["user"]);
        crowd
    }

    /// Opens one of them, again where it has ended.
    fn open(&mut self, name: &'static str) {
        let auth = &self.auth;
        let token = match name {
            "ann" => auth.login(ANN, LONG_PASSWORD),
            "bob" => auth.login(BOB, LONG_PASSWORD),
            "another admin" => auth.token(),
            "single use" => auth.mint(&self.admin, &json!({"kind": "single_use"})),
            "v4" => grant(auth, "a/b", "editor", &json!({"ip": "203.0.113.9"})),
            "mapped" => grant(auth, "a/b", "user", &json!({"ip": "::ffff:203.0.113.77"})),
            _ => grant(auth, "42", "user", &json!({"ip": "2001:db8:7::1", "user_agent": FIREFOX})),
        };
        self.tokens.insert(name, token);
    }

    fn send(&self, method: &str, query: &str) -> Answer {
        let target = format!("/api/v1/sessions{query}");
        self.auth.public.send(Request::new(method, &target).bearer(&self.admin))
    }

    /// Which of them live.
    fn living(&self) -> Vec<&'static str> {
        let living = self.tokens.iter().filter(|(_, token)| looked_at(&self.auth, token));
        living.map(|(name, _)| *name).collect()
    }

    #[track_caller]
    fn assert_all_live(&self, why: &str) {
        assert_eq!(self.living().len(), self.tokens.len(), "{why}");
    }

    /// How many a page by page list shows, a few at a time.
    #[track_caller]
    fn listed(&self, query: &str) -> Vec<String> {
        let (mut ids, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.send("GET", &format!("?limit=2&{query}{after}")).expect(200).json();
            let sessions = page["sessions"].as_array().unwrap();
            assert!(sessions.len() == 2 || page["next"].is_null(), "{page}");
            ids.extend(sessions.iter().map(|session| session["id"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { return ids };
            after = format!("&after={}", percent_encoded(next));
        }
    }
}

//! The token from before a rotation: it opens nothing, still ends its session, and used by somebody
//! else it gives a theft away. (What is later than 10 s is tested where time can be moved.)

use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use crate::harness::{
    Answer, AuthService, BusinessService, DEMO, Launch, Request, TIMEOUT, eventually, is_alive,
};

const HOME: &str = "kettle/1.0";
const ELSEWHERE: &str = "teapot/2.0";

/// An auth service, and a business service that tells it of its clients.
struct Site {
    auth: AuthService,
    business: BusinessService,
}

impl Site {
    fn open() -> Self {
        let auth = AuthService::launch(&Launch::auth().var("RUST_LOG", "info"));
        let business =
            Launch::business(auth.internal.port).var("BUSINESS_AUTH_CLIENT", "ip,user-agent");
        Self { business: BusinessService::launch(&business), auth }
    }
}

fn rotate(auth: &AuthService, token: &str, agent: &str) -> Answer {
    let request = Request::post("/session/rotate").bearer(token).header("User-Agent", agent);
    auth.public.send(request)
}

/// A session that was rotated from home: the token before, and the one since.
fn rotated(auth: &AuthService) -> (String, String) {
    let old = auth.token();
    let new = rotate(auth, &old, HOME).expect(200).json()["token"].as_str().unwrap().to_owned();
    (old, new)
}

fn validate(auth: &AuthService, item: &Value) -> bool {
    is_alive(&auth.try_validate(item).expect(200).json())
}

/// Uses a token at an endpoint as a client of this user agent; returns whether it was accepted.
type UsePath = fn(&Site, &str, &str) -> bool;

const USES: [(&str, UsePath); 11] = [
    ("/validateToken", |site, token, agent| {
        validate(&site.auth, &json!({"token": token, "client": {"user_agent": agent}}))
    }),
    ("a batch", |site, token, agent| {
        let item = json!({"token": token, "client": {"user_agent": agent}});
        let results = site.auth.try_validate(&json!({"tokens": [item]})).expect(200).json();
        is_alive(&results["results"][0])
    }),
    ("a batch with one client", |site, token, agent| {
        let body = json!({"tokens": ["nonsense", token], "client": {"user_agent": agent}});
        is_alive(&site.auth.try_validate(&body).expect(200).json()["results"][1])
    }),
    ("/authz/auth-request", |site, token, agent| {
        internal(site, "/authz/auth-request", token, agent)
    }),
    ("/authz/forward-auth", |site, token, agent| {
        internal(site, "/authz/forward-auth", token, agent)
    }),
    ("/authz/ext-authz", |site, token, agent| internal(site, "/authz/ext-authz/x", token, agent)),
    ("/session", |site, token, agent| public(site, Request::get("/session").bearer(token), agent)),
    ("by cookie", |site, token, agent| {
        public(site, Request::get("/sessions").cookie(token), agent)
    }),
    ("/account", |site, token, agent| public(site, Request::get("/account").cookie(token), agent)),
    ("/session/rotate", |site, token, agent| rotate(&site.auth, token, agent).status == 200),
    ("/data", |site, token, agent| {
        let request = Request::get("/data").bearer(token).header("User-Agent", agent);
        passes(&site.business.public.send(request))
    }),
];

fn passes(answer: &Answer) -> bool {
    assert!([200, 401].contains(&answer.status), "{answer:?}");
    answer.status == 200
}

fn public(site: &Site, request: Request, agent: &str) -> bool {
    passes(&site.auth.public.send(request.header("User-Agent", agent)))
}

fn internal(site: &Site, path: &str, token: &str, agent: &str) -> bool {
    passes(&site.auth.internal.send(Request::get(path).bearer(token).header("User-Agent", agent)))
}

#[test]
fn at_every_door_a_use_by_another_client_is_theft_and_by_the_same_it_is_refused() {
    let site = Site::open();
    for (name, use_path) in USES {
        let (old, new) = rotated(&site.auth);
        assert!(!use_path(&site, &old, HOME), "{name}: it opened");
        assert!(is_alive(&site.auth.look_at(&new)), "{name}: within 10 s, from home");
        assert!(!use_path(&site, &old, ELSEWHERE), "{name}: it opened elsewhere");
        assert!(!is_alive(&site.auth.look_at(&new)), "{name}: the theft was not found out");
    }
}

#[test]
fn a_use_by_a_client_of_whom_nothing_is_known_ends_nothing_at_once() {
    let site = Site::open();
    let (old, new) = rotated(&site.auth);
    assert_eq!(site.auth.validate(&old)["reason"], "unknown");
    let values = Request::get("/session/data").bearer(&old).header("User-Agent", ELSEWHERE);
    site.auth.internal.send(values).expect(401);
    assert!(is_alive(&site.auth.look_at(&new)));
}

#[test]
fn a_look_at_the_token_from_before_ends_nothing() {
    let auth = AuthService::start();
    let (old, new) = rotated(&auth);
    let look = json!({"token": old, "touch": false, "client": {"user_agent": ELSEWHERE}});
    assert_eq!(auth.try_validate(&look).expect(200).json()["reason"], "unknown");
    let form = Request::post("/introspect").form(&format!("token={old}"));
    assert_eq!(auth.internal.send(form).expect(200).json(), json!({"active": false}));
    let check = Request::get("/authz/check").bearer(&old).header("User-Agent", ELSEWHERE);
    assert_eq!(auth.internal.send(check).expect(200).json()["decision"]["status"], 401);
    assert!(is_alive(&auth.look_at(&new)));
}

#[test]
fn a_theft_is_told_in_the_audit_log() {
    let auth = AuthService::launch(&Launch::auth().var("RUST_LOG", "info"));
    let (old, _) = rotated(&auth);
    let request = Request::get("/session").bearer(&old).header("User-Agent", ELSEWHERE);
    auth.public.send(request.header("X-Request-Id", "r-theft")).expect(401);
    let line = eventually("the line", TIMEOUT, || {
        auth.log().into_iter().find(|line| line["target"] == "audit" && line["cause"] == "reused")
    });
    assert_eq!((&line["event"], &line["request_id"]), (&json!("session.ended"), &json!("r-theft")));
    assert!(line["session_id"].is_string() && line["user_id"].is_string(), "{line}");
    assert_eq!(line["ip"], "127.0.0.1");
}

/// Ends a session with a token of it.
type Ending = fn(&AuthService, &str);

pub(crate) const ENDINGS: [(&str, Ending); 4] = [
    ("/logout", |auth, token| {
        auth.public.send(Request::post("/logout").bearer(token)).expect(204);
    }),
    ("/logout by cookie", |auth, token| {
        auth.public.send(Request::post("/logout").form("").cookie(token)).expect(303);
    }),
    ("/revoke", |auth, token| {
        auth.public.send(Request::post("/revoke").form(&format!("token={token}"))).expect(200);
    }),
    ("a login over it", |auth, token| {
        let form = format!("username={}&password={}", DEMO.0, DEMO.1);
        auth.public.send(Request::post("/login").form(&form).cookie(token)).expect(303);
    }),
];

#[test]
fn the_token_from_before_still_ends_the_session_until_the_next_rotation() {
    let auth = AuthService::start();
    for (name, end) in ENDINGS {
        let (old, new) = rotated(&auth);
        end(&auth, &old);
        assert!(!is_alive(&auth.look_at(&new)), "{name}");
        let (older, old) = rotated(&auth);
        let new = rotate(&auth, &old, HOME).expect(200).json();
        end(&auth, &older);
        assert!(is_alive(&auth.look_at(new["token"].as_str().unwrap())), "{name}: forgotten");
    }
}

/// Rotates a session from several connections while it is ended with the same token; every token
/// that ever opened it must be dead when all have been answered. How often a rotation came first.
pub(crate) fn race(rotators: &[&AuthService], ender: &AuthService, rounds: usize) -> usize {
    let mut rotated = 0;
    for round in 0..rounds {
        let (name, end) = ENDINGS[round % ENDINGS.len()];
        let token = ender.token();
        let start = Barrier::new(rotators.len() + 1);
        let answers: Vec<Answer> = thread::scope(|scope| {
            let rotating: Vec<_> = rotators
                .iter()
                .map(|auth| {
                    scope.spawn(|| {
                        start.wait();
                        rotate(auth, &token, HOME)
                    })
                })
                .collect();
            start.wait();
            end(ender, &token);
            rotating.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let won: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert!(won.len() <= 1, "{name}: {answers:?}");
        for answer in won {
            rotated += 1;
            let new = answer.json()["token"].as_str().unwrap().to_owned();
            assert!(!is_alive(&ender.look_at(&new)), "{name} in round {round}: it lives on");
        }
        assert!(!is_alive(&ender.look_at(&token)), "{name} in round {round}");
    }
    rotated
}

#[test]
fn no_rotation_that_meets_a_logout_saves_the_session() {
    let auth = AuthService::start();
    let rotated = race(&[&auth, &auth, &auth], &auth, 100);
    assert!((1..100).contains(&rotated), "{rotated} of 100 rotations came first: no race");
}

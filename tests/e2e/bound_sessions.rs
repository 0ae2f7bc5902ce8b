//! Bound sessions: used from somewhere else, a session ends at once.

use serde_json::{Value, json};

use crate::harness::{Answer, AuthService, BusinessService, DEMO, Launch, Request, is_alive};

const HOME: &str = "kettle/1.0";
const ELSEWHERE: &str = "teapot/2.0";

fn start(what: &str) -> AuthService {
    AuthService::launch(&Launch::auth().var("AUTH_BIND_SESSIONS", what))
}

fn login(auth: &AuthService) -> String {
    let request = Request::post("/login").basic(DEMO.0, DEMO.1).header("User-Agent", HOME);
    auth.public.send(request).expect(200).json()["token"].as_str().unwrap().to_owned()
}

fn session_from(auth: &AuthService, token: &str, agent: &str) -> Answer {
    auth.public.send(Request::get("/session").bearer(token).header("User-Agent", agent))
}

fn validate_for(auth: &AuthService, token: &str, client: &Value) -> bool {
    is_alive(&auth.try_validate(&json!({"token": token, "client": client})).expect(200).json())
}

#[test]
fn from_another_user_agent_a_session_ends_for_good() {
    let auth = start("user-agent");
    let token = login(&auth);
    session_from(&auth, &token, HOME).expect(200);
    session_from(&auth, &token, ELSEWHERE).expect_problem(401, "invalid_token");
    session_from(&auth, &token, HOME).expect_problem(401, "invalid_token");
}

#[test]
fn a_backend_tells_where_the_request_came_from() {
    let auth = start("ip,user-agent");
    let client = |ip: &str, agent: &str| json!({"ip": ip, "user_agent": agent});
    let token = login(&auth);
    assert!(validate_for(&auth, &token, &client("127.0.0.1", HOME)));
    assert!(is_alive(&auth.validate(&token)), "a door that does not know the client cannot tell");
    assert!(!validate_for(&auth, &token, &client("203.0.113.9", HOME)));
    assert!(!is_alive(&auth.validate(&token)), "it has ended at once");
    let token = login(&auth);
    assert!(!validate_for(&auth, &token, &client("127.0.0.1", ELSEWHERE)));
    assert!(!is_alive(&auth.validate(&token)));
}

#[test]
fn an_address_that_is_none_is_refused_and_not_taken_for_untold() {
    let auth = start("ip");
    let token = login(&auth);
    for (client, answer) in
        [(json!({"ip": "nonsense"}), 400), (json!({"ip": ""}), 400), (json!({"ip": null}), 200)]
    {
        let item = json!({"token": token, "client": client});
        for body in [item.clone(), json!({"tokens": [item]})] {
            let answer = auth.try_validate(&body).expect(answer);
            assert!(answer.status == 200 || answer.text().contains("`client.ip`"), "{answer:?}");
        }
    }
    assert!(is_alive(&auth.look_at(&token)));
}

#[test]
fn only_what_is_named_binds() {
    let auth = start("ip");
    let token = login(&auth);
    session_from(&auth, &token, ELSEWHERE).expect(200);
    let auth = AuthService::start();
    let token = login(&auth);
    session_from(&auth, &token, ELSEWHERE).expect(200);
    assert!(validate_for(&auth, &token, &json!({"ip": "203.0.113.9", "user_agent": ELSEWHERE})));
}

#[test]
fn business_service_tells_what_it_is_set_to_tell() {
    let auth = start("user-agent");
    let informed =
        Launch::business(auth.internal.port).var("BUSINESS_AUTH_CLIENT", "ip,user-agent");
    let informed = BusinessService::launch(&informed);
    let silent = BusinessService::start(&auth);
    let data = |business: &BusinessService, token: &str, agent: &str| {
        business.public.send(Request::get("/data").bearer(token).header("User-Agent", agent)).status
    };
    let token = login(&auth);
    assert_eq!(data(&silent, &token, ELSEWHERE), 200);
    assert_eq!(data(&informed, &token, HOME), 200);
    assert_eq!(data(&informed, &token, ELSEWHERE), 401);
    assert_eq!(data(&silent, &token, HOME), 401);
}

#[test]
fn a_look_from_elsewhere_says_that_it_is_revoked_and_ends_nothing() {
    let auth = start("ip,user-agent");
    let token = login(&auth);
    let look = json!({"token": token, "touch": false, "client": {"ip": "203.0.113.9"}});
    for _ in 0..2 {
        assert_eq!(auth.try_validate(&look).expect(200).json()["reason"], "revoked");
    }
    let checked = Request::get("/authz/check").bearer(&token).header("User-Agent", ELSEWHERE);
    assert_eq!(auth.internal.send(checked).expect(200).json()["decision"]["status"], 401);
    session_from(&auth, &token, HOME).expect(200);
    // The same as a use is the end of it.
    let used = json!({"token": token, "client": {"ip": "203.0.113.9"}});
    for reason in ["revoked", "unknown"] {
        assert_eq!(auth.try_validate(&used).expect(200).json()["reason"], reason);
    }
}

#[test]
fn a_session_that_is_ended_within_a_batch_is_over_for_the_rest_of_it() {
    let auth = start("ip");
    let (token, other) = (login(&auth), login(&auth));
    let seen = |token: &str, ip: &str| json!({"token": token, "client": {"ip": ip}});
    let (home, away) = ("127.0.0.1", "203.0.113.9");
    let batch = [(&token, home), (&token, away), (&token, home), (&other, home), (&token, home)];
    let tokens: Vec<Value> = batch.iter().map(|(token, ip)| seen(token, ip)).collect();
    let results =
        auth.try_validate(&json!({"tokens": tokens})).expect(200).json()["results"].take();
    let reasons: Vec<Option<&str>> =
        results.as_array().unwrap().iter().map(|result| result["reason"].as_str()).collect();
    assert_eq!(reasons, [None, Some("revoked"), Some("unknown"), None, Some("unknown")]);
}

#[test]
fn a_rotation_from_elsewhere_ends_the_session() {
    let auth = start("user-agent");
    let token = login(&auth);
    let rotate = Request::post("/session/rotate").bearer(&token).header("User-Agent", ELSEWHERE);
    auth.public.send(rotate).expect_problem(401, "invalid_token");
    session_from(&auth, &token, HOME).expect_problem(401, "invalid_token");
}

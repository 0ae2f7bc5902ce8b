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
    is_alive(&auth.ask(&json!({"token": token, "client": client})).expect(200).json())
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
    let told = Launch::business(auth.internal.port).var("BUSINESS_AUTH_CLIENT", "ip,user-agent");
    let told = BusinessService::launch(&told);
    let silent = BusinessService::start(&auth);
    let data = |business: &BusinessService, token: &str, agent: &str| {
        business.public.send(Request::get("/data").bearer(token).header("User-Agent", agent)).status
    };
    let token = login(&auth);
    assert_eq!(data(&silent, &token, ELSEWHERE), 200);
    assert_eq!(data(&told, &token, HOME), 200);
    assert_eq!(data(&told, &token, ELSEWHERE), 401);
    assert_eq!(data(&silent, &token, HOME), 401);
}

//! Who gets a token and who does not, whichever way the name and the password come.

use serde_json::{Value, json};

use crate::harness::{ANN, AuthService, BOB, DEMO, LONG_PASSWORD, Request, is_alive};

const BASIC: &str = r#"Basic realm="reinflate", charset="UTF-8""#;
const BEARER: &str = r#"Bearer realm="reinflate""#;
const WRONG: &str = "three blue teapots sing";

fn post_login(auth: &AuthService, body: &Value) -> crate::harness::Answer {
    auth.public.send(Request::post("/login").json(body))
}

#[test]
fn a_login_answers_with_a_token_and_its_session() {
    let auth = AuthService::start();
    let answer = auth.try_login(DEMO.0, DEMO.1).expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("set-cookie"), None, "JSON logins set no cookie");
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 30);
    let session = &body["session"];
    assert_eq!(session["kind"], "sliding");
    assert_eq!(session["transport"], "bearer");
    assert_eq!(session["role"], "admin");
    assert_eq!(session["name"], Value::Null);
    assert_eq!(session["refresh_count"], 0);
    assert_eq!(session["created_at"], session["last_used_at"]);
    assert_eq!(session["ip"], "127.0.0.1");
    assert_eq!(session["user_agent"], Value::Null);
    assert_eq!(session["user"]["username"], DEMO.0);
    assert_eq!(session["user"]["roles"], json!(["admin", "user"]));
    assert!(session["user"]["id"].as_str().is_some_and(|id| id.len() == 36), "{session}");
    for time in ["created_at", "expires_at", "absolute_expires_at"] {
        let time = session[time].as_str().unwrap();
        assert_eq!(
            (time.len(), time.as_bytes()[19], time.ends_with('Z')),
            (24, b'.', true),
            "{time}"
        );
    }
}

#[test]
fn the_user_agent_of_the_login_is_kept_and_cut_at_256_characters() {
    let auth = AuthService::start();
    let login = |agent: &str| {
        let request = Request::post("/login").basic(DEMO.0, DEMO.1).header("User-Agent", agent);
        let body = auth.public.send(request).expect(200).json();
        body["session"]["user_agent"].as_str().map(str::to_owned)
    };
    assert_eq!(login("kettle/1.0").as_deref(), Some("kettle/1.0"));
    assert_eq!(login(&"k".repeat(300)), Some("k".repeat(256)));
}

#[test]
fn each_login_is_a_session_of_its_own_and_others_live_on() {
    let auth = AuthService::start();
    let (first, second) = (auth.token(), auth.token());
    assert_ne!(first, second);
    assert!(is_alive(&auth.validate(&first)) && is_alive(&auth.validate(&second)));
}

#[test]
fn email_is_another_word_for_username() {
    let auth = AuthService::start();
    post_login(&auth, &json!({"email": DEMO.0, "password": DEMO.1})).expect(200);
}

#[test]
fn user_names_are_compared_trimmed_and_lower_cased() {
    let auth = AuthService::start();
    auth.try_login("  JSF.Fusco@Gmail.COM ", DEMO.1).expect(200);
}

#[test]
fn fields_that_nobody_knows_are_ignored() {
    let auth = AuthService::start();
    post_login(&auth, &json!({"username": DEMO.0, "password": DEMO.1, "remember": true}))
        .expect(200);
}

#[test]
fn basic_credentials_log_in_the_same_way() {
    let auth = AuthService::start();
    let answer = auth.public.send(Request::post("/login").basic(DEMO.0, DEMO.1)).expect(200);
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    assert!(is_alive(&auth.validate(&token)));
    let lower = Request::post("/login").basic(DEMO.0, DEMO.1).header("Content-Length", "0");
    auth.public.send(lower).expect(200);
}

#[test]
fn the_scheme_of_basic_credentials_is_read_in_any_case() {
    let auth = AuthService::start();
    let header = "bAsIc anNmLmZ1c2NvQGdtYWlsLmNvbTpwb3N0bWFu";
    auth.public.send(Request::post("/login").header("Authorization", header)).expect(200);
}

#[test]
fn a_session_acts_in_the_role_that_was_asked_for() {
    let auth = AuthService::start();
    let login = |role: &str, password: &str| {
        post_login(&auth, &json!({"username": DEMO.0, "password": password, "role": role}))
    };
    assert_eq!(login("user", DEMO.1).expect(200).json()["session"]["role"], "user");
    assert_eq!(login("admin", DEMO.1).expect(200).json()["session"]["role"], "admin");
    login("pilot", DEMO.1).expect_problem(403, "forbidden");
    // Which roles a user lacks is told only to who knows the password.
    login("pilot", WRONG).expect_problem(401, "invalid_credentials");
}

#[test]
fn wrong_unknown_and_disabled_are_told_in_the_same_bytes() {
    let auth = AuthService::with_users();
    auth.users_command(&["disable", BOB]);
    let refused = |request: Request| {
        let answer = auth.public.send(request).expect_problem(401, "invalid_credentials");
        answer.without_id_and_date()
    };
    let json = |user: &str, password: &str| {
        refused(Request::post("/login").json(&json!({"username": user, "password": password})))
    };
    let wrong = json(ANN, WRONG).expect_challenge(BEARER);
    assert_eq!(json("nobody@example.com", WRONG), wrong);
    assert_eq!(json(BOB, LONG_PASSWORD), wrong);
    let basic = |user: &str, password: &str| refused(Request::post("/login").basic(user, password));
    let wrong = basic(ANN, WRONG).expect_challenge(BASIC);
    assert_eq!(basic("nobody@example.com", WRONG), wrong);
    assert_eq!(basic(BOB, LONG_PASSWORD), wrong);
    auth.try_login(ANN, LONG_PASSWORD).expect(200);
}

#[test]
fn a_user_enabled_again_logs_in_again() {
    let auth = AuthService::with_users();
    auth.users_command(&["disable", BOB]);
    auth.try_login(BOB, LONG_PASSWORD).expect_problem(401, "invalid_credentials");
    auth.users_command(&["enable", BOB]);
    auth.try_login(BOB, LONG_PASSWORD).expect(200);
}

#[test]
fn broken_basic_credentials_are_wrong_ones() {
    let auth = AuthService::start();
    for broken in ["Basic", "Basic !!!", "Basic bm8gY29sb24=", "Basic /////w==", "Basic Og=="] {
        let request = Request::post("/login").header("Authorization", broken);
        let answer = auth.public.send(request).expect_problem(401, "invalid_credentials");
        answer.expect_challenge(BASIC);
    }
}

#[test]
fn credentials_come_one_way_or_not_at_all() {
    let auth = AuthService::start();
    let body = json!({"username": DEMO.0, "password": DEMO.1});
    let both = Request::post("/login").basic(DEMO.0, DEMO.1).json(&body);
    auth.public.send(both).expect_problem(400, "invalid_request");
    let twice = Request::post("/login").basic(DEMO.0, DEMO.1).basic(DEMO.0, DEMO.1);
    auth.public.send(twice).expect_problem(400, "invalid_request");
    auth.public.send(Request::post("/login")).expect_problem(400, "invalid_request");
}

#[test]
fn without_the_demo_there_is_no_demo_user() {
    let auth = AuthService::launch(&crate::harness::Launch::auth().without("AUTH_DEMO"));
    auth.try_login(DEMO.0, DEMO.1).expect_problem(401, "invalid_credentials");
}

#[test]
fn a_stored_demo_user_is_refused_once_the_demo_is_over() {
    let directory = tempfile::TempDir::with_prefix("reinflate-e2e-").unwrap();
    let database = format!("sqlite:{}", directory.path().join("users.db").display());
    let launch = crate::harness::Launch::auth().var("AUTH_DATABASE_URL", database);
    AuthService::launch(&launch).try_login(DEMO.0, DEMO.1).expect(200);
    let later = AuthService::launch(&launch.var("AUTH_DEMO", "false"));
    later.try_login(DEMO.0, DEMO.1).expect_problem(401, "invalid_credentials");
}

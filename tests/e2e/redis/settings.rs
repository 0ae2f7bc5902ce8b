//! Settings that forbid something at a login, beside sessions that were opened before: a session in
//! Redis, a restart with another setting, and what becomes of it, as docs/operating.md says.

use serde_json::{Value, json};

use super::nodes::Site;
use crate::harness::{
    ANN, Answer, AuthService, BOB, DEMO, LONG_PASSWORD, Launch, Request, is_alive,
};

/// What a setting does to a session of before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is dead at the next start.
    Dead,
    /// It goes on as it was issued.
    LivesOn,
    /// It ends when it is next used from elsewhere.
    EndsElsewhere,
    /// It ends with the next login.
    EndsAtTheLimit,
}

/// A setting as it was and as it is after the restart, and who has the session.
struct Row {
    before: (&'static str, &'static str),
    after: (&'static str, &'static str),
    user: &'static str,
    fate: Fate,
}

const fn row(
    before: (&'static str, &'static str),
    after: (&'static str, &'static str),
    user: &'static str,
    fate: Fate,
) -> Row {
    Row { before, after, user, fate }
}

const ROWS: &[Row] = &[
    row(("AUTH_DEMO", "true"), ("AUTH_DEMO", "false"), DEMO.0, Fate::Dead),
    row(("AUTH_DEMO", "true"), ("AUTH_DEMO", ""), DEMO.0, Fate::Dead),
    row(("AUTH_DEMO", "true"), ("AUTH_DEMO", "false"), ANN, Fate::LivesOn),
    row(("AUTH_SIGNUP", "open"), ("AUTH_SIGNUP", "closed"), BOB, Fate::LivesOn),
    row(("AUTH_BIND_SESSIONS", ""), ("AUTH_BIND_SESSIONS", "user-agent"), ANN, Fate::EndsElsewhere),
    row(
        ("AUTH_MAX_SESSIONS_PER_USER", "0"),
        ("AUTH_MAX_SESSIONS_PER_USER", "1"),
        ANN,
        Fate::EndsAtTheLimit,
    ),
    row(("AUTH_TOKEN_TTL", "10m"), ("AUTH_TOKEN_TTL", "1ms"), ANN, Fate::LivesOn),
    row(("AUTH_TOKEN_MAX_LIFETIME", "1h"), ("AUTH_TOKEN_MAX_LIFETIME", "1ms"), ANN, Fate::LivesOn),
    row(
        ("AUTH_FIXED_TOKEN_MAX_TTL", "1h"),
        ("AUTH_FIXED_TOKEN_MAX_TTL", "1ms"),
        ANN,
        Fate::LivesOn,
    ),
    row(("AUTH_PASSWORD_MIN_LENGTH", "8"), ("AUTH_PASSWORD_MIN_LENGTH", "128"), ANN, Fate::LivesOn),
];

fn from(agent: &str, request: Request) -> Request {
    request.header("User-Agent", agent)
}

fn login(node: &AuthService, user: &str) -> String {
    let password = if user == DEMO.0 { DEMO.1 } else { LONG_PASSWORD };
    let body = json!({"username": user, "password": password});
    let answer = node.public.send(from("kettle/1.0", Request::post("/login").json(&body)));
    answer.expect(200).json()["token"].as_str().unwrap().to_owned()
}

/// A site with Ann; Bob signs up by himself where he may.
fn site() -> Option<Site> {
    let site = Site::open()?;
    let add = site.node().arg("users").arg("add").arg(ANN);
    assert_eq!(add.run_with_input(&format!("{LONG_PASSWORD}\n")).code, Some(0));
    Some(site)
}

fn with(launch: Launch, (name, value): (&str, &str)) -> Launch {
    launch.var(name, value)
}

/// The two tokens of a session of before: its own, and one that was minted with it.
fn tokens_of_before(site: &Site, row: &Row) -> [String; 2] {
    let node = AuthService::launch(&with(site.node(), row.before));
    if row.user == BOB {
        let new = json!({"email": BOB, "password": LONG_PASSWORD});
        node.public.send(Request::post("/api/v1/users").json(&new)).expect(201);
    }
    let token = login(&node, row.user);
    let mint = from("kettle/1.0", Request::post("/tokens").bearer(&token));
    let minted = node.public.send(mint.json(&json!({"kind": "fixed", "ttl": "10m"}))).expect(201);
    [token, minted.json()["token"].as_str().unwrap().to_owned()]
}

fn session(node: &AuthService, token: &str, agent: &str) -> Answer {
    node.public.send(from(agent, Request::get("/session").bearer(token)))
}

#[test]
fn what_a_setting_forbids_at_a_login_is_dead_or_as_documented_for_sessions_of_before() {
    for row in ROWS {
        let Some(site) = site() else { return };
        let [token, minted] = tokens_of_before(&site, row);
        let node = AuthService::launch(&with(site.node(), row.after));
        let what = format!("{:?} to {:?}, {}", row.before, row.after, row.user);
        let alive = |token: &str| is_alive(&node.look_at(token));
        match row.fate {
            Fate::Dead => {
                assert!(!alive(&token) && !alive(&minted), "{what}");
                let admin = node.public.send(Request::get("/api/v1/users").bearer(&token));
                admin.expect_problem(401, "invalid_token");
            }
            Fate::LivesOn => assert!(alive(&token) && alive(&minted), "{what}"),
            Fate::EndsElsewhere => {
                session(&node, &token, "kettle/1.0").expect(200);
                session(&node, &token, "teapot/2.0").expect_problem(401, "invalid_token");
                assert!(!alive(&token), "{what}");
            }
            Fate::EndsAtTheLimit => {
                assert!(alive(&token) && alive(&minted), "{what}");
                let new = login(&node, ANN);
                assert!(!alive(&token) && !alive(&minted) && alive(&new), "{what}");
            }
        }
    }
}

#[test]
fn the_demo_user_is_nobody_where_the_demo_is_off_though_it_is_stored() {
    let Some(site) = site() else { return };
    let demo = AuthService::launch(&site.node());
    let token = demo.token();
    // Beneath the node that still has the demo on, another one starts that has not.
    let node = AuthService::launch(&site.node().var("AUTH_DEMO", "false"));
    for node in [&demo, &node] {
        assert!(!is_alive(&node.look_at(&token)));
        node.try_login(DEMO.0, DEMO.1).expect_problem(401, "invalid_credentials");
        let basic = Request::post("/login").basic(DEMO.0, DEMO.1);
        node.public.send(basic).expect_problem(401, "invalid_credentials");
    }
    // However often: only the first start had something to end.
    let endings = || crate::harness::query(&site.users(), "SELECT COUNT(*) FROM session_endings");
    let count = endings();
    AuthService::launch(&site.node().var("AUTH_DEMO", "false"));
    assert_eq!(endings(), count);
    // And whatever somebody does to it meanwhile.
    let enabled = site.node().arg("users").arg("enable").arg(DEMO.0).run();
    assert_eq!(enabled.code, Some(0), "{enabled:?}");
    let node = AuthService::launch(&site.node().var("AUTH_DEMO", "false"));
    node.try_login(DEMO.0, DEMO.1).expect_problem(401, "invalid_credentials");
    // With the demo on again it is what it was, with sessions of its own.
    let demo = AuthService::launch(&site.node());
    let roles: Value = demo.login_answer(DEMO.0, DEMO.1)["session"]["user"]["roles"].clone();
    assert_eq!(roles, json!(["admin", "user"]));
    assert!(!is_alive(&demo.look_at(&token)));
}

#[test]
fn an_account_of_the_demo_address_that_is_somebodys_is_left_alone() {
    let Some(site) = site() else { return };
    let add = site.node().arg("users").arg("add").arg(DEMO.0);
    assert_eq!(add.run_with_input(&format!("{LONG_PASSWORD}\n")).code, Some(0));
    let launch = site.node().var("AUTH_DEMO", "false");
    let token = AuthService::launch(&launch).login(DEMO.0, LONG_PASSWORD);
    let node = AuthService::launch(&launch);
    assert!(is_alive(&node.validate(&token)));
    node.login(DEMO.0, LONG_PASSWORD);
}

#[test]
fn a_login_that_is_too_old_for_a_new_setting_mints_nothing() {
    let Some(site) = site() else { return };
    let token = login(&AuthService::launch(&site.node()), ANN);
    let node = AuthService::launch(&site.node().var("AUTH_FRESH_FOR", "0s"));
    let stale = node.try_mint(&token, &json!({"kind": "fixed"}));
    assert_eq!(stale.json()["code"], "reauthentication_required", "{stale:?}");
}

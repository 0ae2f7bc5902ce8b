//! Changed names and roles, disabled and deleted users, and what becomes of their sessions.

use serde_json::{Value, json};

use crate::harness::{AuthService, DEMO, LONG_PASSWORD, Launch, Request, is_alive};

const ANN: &str = "ann@example.com";

/// A service, an admin's token, Ann's id and two tokens of hers.
fn with_ann() -> (AuthService, String, String, [String; 2]) {
    let auth = AuthService::start();
    let admin = auth.token();
    let id = auth.create(&admin, ANN);
    let tokens = [auth.login(ANN, LONG_PASSWORD), auth.login(ANN, LONG_PASSWORD)];
    (auth, admin, id, tokens)
}

#[test]
fn ones_own_names_are_changed_and_end_nothing() {
    let (auth, _, id, tokens) = with_ann();
    let put = |change: &Value| auth.api_put("/users/me", &tokens[0], change).expect(200).json();
    let before = put(&json!({}));
    assert_eq!(before["created_at"], before["updated_at"], "nothing was changed");
    let changed = put(&json!({"first_name": "Ann", "last_name": "Lee"}));
    assert_eq!((&changed["first_name"], &changed["last_name"]), (&json!("Ann"), &json!("Lee")));
    assert_eq!(put(&json!({"first_name": "Anna"}))["last_name"], "Lee", "what is absent stays");
    assert_eq!(put(&json!({"first_name": null}))["first_name"], "Anna");
    assert_eq!(put(&json!({"first_name": ""}))["first_name"], Value::Null);
    let shown = auth.api_get(&format!("/users/{id}"), &tokens[1]).expect(200).json();
    assert_eq!((&shown["first_name"], &shown["last_name"]), (&Value::Null, &json!("Lee")));
    assert!(shown["updated_at"].as_str() > shown["created_at"].as_str(), "{shown}");
    assert!(tokens.iter().all(|token| is_alive(&auth.validate(token))));
}

#[test]
fn other_roles_end_all_sessions_and_are_what_the_next_login_acts_in() {
    let (auth, admin, id, tokens) = with_ann();
    let path = format!("/users/{id}");
    let roles = json!(["team.a", "admin", "user"]);
    assert_eq!(
        auth.api_put(&path, &admin, &json!({"roles": roles})).expect(200).json()["roles"],
        roles
    );
    assert!(tokens.iter().all(|token| !is_alive(&auth.validate(token))));
    assert!(is_alive(&auth.validate(&admin)));
    let login = auth.login_answer(ANN, LONG_PASSWORD);
    assert_eq!(login["session"]["role"], "team.a");
    assert_eq!(login["session"]["user"]["roles"], roles);
    auth.api_get("/users", login["token"].as_str().unwrap()).expect_problem(403, "forbidden");
    auth.api_get("/users", &auth.login_as(ANN, LONG_PASSWORD, "admin")).expect(200);
    // The same roles again change nothing; another order does.
    let token = auth.login(ANN, LONG_PASSWORD);
    auth.api_put(&path, &admin, &json!({"roles": roles})).expect(200);
    assert!(is_alive(&auth.validate(&token)));
    auth.api_put(&path, &admin, &json!({"roles": ["admin", "user", "team.a"]})).expect(200);
    assert!(!is_alive(&auth.validate(&token)));
}

#[test]
fn roles_that_break_a_rule_are_refused_and_nothing_of_the_change_is_kept() {
    let (auth, admin, id, tokens) = with_ann();
    let path = format!("/users/{id}");
    let many: Vec<String> = (0..33).map(|n| format!("r{n}")).collect();
    for roles in [
        json!([]),
        json!([""]),
        json!(["a b"]),
        json!(["a;b"]),
        json!(["a,b"]),
        json!(["user", "user"]),
        json!(["ädmin"]),
        json!(["admin\n"]),
        json!(["admin\0"]),
        json!(["x".repeat(65)]),
        json!(many),
    ] {
        let change = json!({"first_name": "Eve", "disabled": true, "roles": roles});
        auth.api_put(&path, &admin, &change).expect_problem(422, "unprocessable");
    }
    for change in [
        json!({"roles": "admin"}),
        json!({"roles": [1]}),
        json!({"roles": {"admin": true}}),
        json!({"disabled": "true"}),
        json!({"disabled": 1}),
        json!({"first_name": 1}),
        json!([]),
        json!("x"),
    ] {
        auth.api_put(&path, &admin, &change).expect_problem(400, "invalid_request");
    }
    let shown = auth.api_get(&path, &admin).expect(200).json();
    assert_eq!((&shown["first_name"], &shown["roles"]), (&Value::Null, &json!(["user"])));
    assert!(is_alive(&auth.validate(&tokens[0])));
    // `Admin` is another word than `admin`.
    auth.api_put(&path, &admin, &json!({"roles": ["Admin"]})).expect(200);
    auth.api_get("/users", &auth.login(ANN, LONG_PASSWORD)).expect_problem(403, "forbidden");
}

#[test]
fn a_disabled_user_is_out_at_once_and_enabled_again_logs_in_anew() {
    let (auth, admin, id, tokens) = with_ann();
    let minted = auth.mint(&tokens[0], &json!({"kind": "fixed"}));
    let path = format!("/users/{id}");
    let disable = |disabled: bool| {
        auth.api_put(&path, &admin, &json!({"disabled": disabled})).expect(200).json()
    };
    assert_eq!(disable(true)["disabled"], true);
    let dead = || tokens.iter().chain([&minted]).all(|token| !is_alive(&auth.validate(token)));
    assert!(dead());
    auth.try_login(ANN, LONG_PASSWORD).expect_problem(401, "invalid_credentials");
    assert_eq!(disable(false)["disabled"], false);
    assert!(dead(), "what has ended stays ended");
    let token = auth.login(ANN, LONG_PASSWORD);
    disable(false);
    assert!(is_alive(&auth.validate(&token)), "enabling ends nothing");
}

#[test]
fn a_deleted_user_is_gone_and_the_name_is_free_for_somebody_else() {
    let (auth, admin, id, tokens) = with_ann();
    auth.api_delete(&format!("/users/{id}"), &admin).expect(204);
    assert!(tokens.iter().all(|token| !is_alive(&auth.validate(token))));
    auth.try_login(ANN, LONG_PASSWORD).expect_problem(401, "invalid_credentials");
    auth.api_get(&format!("/users/{id}"), &admin).expect_problem(404, "not_found");
    auth.api_delete(&format!("/users/{id}"), &admin).expect_problem(404, "not_found");
    let new = auth.create(&admin, ANN);
    assert_ne!(new, id);
    assert!(tokens.iter().all(|token| !is_alive(&auth.validate(token))));
    // Oneself.
    let own = auth.login(ANN, LONG_PASSWORD);
    let other = auth.login(ANN, LONG_PASSWORD);
    auth.api_delete("/users/me", &own).expect(204);
    assert!([own, other].iter().all(|token| !is_alive(&auth.validate(token))));
    auth.try_login(ANN, LONG_PASSWORD).expect_problem(401, "invalid_credentials");
}

#[test]
fn a_browser_that_deletes_its_user_loses_its_cookie() {
    let (auth, _, _, [token, _]) = with_ann();
    let delete = Request::delete("/api/v1/users/me").cookie(&token);
    let answer = auth.public.send(delete).expect(204);
    let cookie = answer.header("set-cookie").expect("a cookie that takes the old one away");
    assert!(cookie.starts_with("reinflate=;") && cookie.contains("Max-Age=0"), "{cookie}");
}

#[test]
fn no_page_of_another_site_changes_an_account() {
    let launch = Launch::auth()
        .var("AUTH_ALLOWED_ORIGINS", "https://app.example.com")
        .var("AUTH_REDIRECT_ORIGINS", "https://app.example.com");
    let auth = AuthService::launch(&launch);
    let token = auth.login(DEMO.0, DEMO.1);
    for (method, path) in [("PUT", "/users/me"), ("DELETE", "/users/me"), ("POST", "/users")] {
        for origin in ["https://evil.example", "https://app.example.com", "null"] {
            let request = Request::new(method, &format!("/api/v1{path}"))
                .cookie(&token)
                .header("Origin", origin)
                .json(&json!({"first_name": "Eve"}));
            let answer = auth.public.send(request).expect_problem(403, "cross_site_request");
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    }
    let shown = auth.api_get("/users/me", &token).expect(200).json();
    assert_eq!(shown["first_name"], Value::Null);
}

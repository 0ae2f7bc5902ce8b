//! An admin's hand on the sessions of others.

use crate::harness::{AuthService, LONG_PASSWORD, is_alive};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";

#[test]
fn an_admin_sees_and_ends_one_users_sessions() {
    let auth = AuthService::start();
    let admin = auth.token();
    let (ann, _) = (auth.create(&admin, ANN), auth.create(&admin, BOB));
    let tokens = [auth.login(ANN, LONG_PASSWORD), auth.login(ANN, LONG_PASSWORD)];
    let bob = auth.login(BOB, LONG_PASSWORD);
    let path = format!("/users/{ann}/sessions");
    let list = auth.api_get(&path, &admin).expect(200);
    assert_eq!(list.header("cache-control"), Some("no-store"));
    assert!(!list.text().contains("rfl_"), "no token is shown");
    let list = list.json()["sessions"].as_array().unwrap().clone();
    assert_eq!(list.len(), 2);
    assert!(list.iter().all(|session| session["user"]["id"] == ann.as_str()));
    assert!(list.iter().all(|session| session["current"] != true), "none is the admin's own");
    auth.api_delete(&path, &admin).expect(204);
    assert!(tokens.iter().all(|token| !is_alive(&auth.validate(token))));
    assert!(is_alive(&auth.validate(&bob)));
    assert_eq!(auth.api_get(&path, &admin).expect(200).json()["sessions"], serde_json::json!([]));
    auth.login(ANN, LONG_PASSWORD);
}

#[test]
fn an_admin_ends_the_own_ones_too_by_the_own_id() {
    let auth = AuthService::start();
    let tokens = auth.tokens(2);
    let list = auth.api_get("/users/me/sessions", &tokens[0]).expect(200).json();
    let current =
        list["sessions"].as_array().unwrap().iter().filter(|session| session["current"] == true);
    assert_eq!(current.count(), 1);
    auth.api_delete("/users/me/sessions", &tokens[0]).expect(204);
    assert!(tokens.iter().all(|token| !is_alive(&auth.validate(token))));
}

#[test]
fn every_session_ends_but_the_callers_own() {
    let auth = AuthService::start();
    let admin = auth.token();
    let mut others = vec![auth.token()];
    for n in 0..5 {
        let name = format!("u{n}@example.com");
        auth.create(&admin, &name);
        others.push(auth.login(&name, LONG_PASSWORD));
    }
    others.push(auth.mint(&admin, &serde_json::json!({"kind": "fixed"})));
    auth.api_delete("/sessions", &admin).expect(204);
    assert!(others.iter().all(|token| !is_alive(&auth.validate(token))));
    assert!(is_alive(&auth.validate(&admin)));
    assert_eq!(auth.api_get("/stats", &admin).json()["sessions"], 1);
    auth.login("u0@example.com", LONG_PASSWORD);
}

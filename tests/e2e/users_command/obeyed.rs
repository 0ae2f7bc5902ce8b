//! A running node obeys a change that another process made, within two seconds.

use std::time::Duration;

use serde_json::json;

use crate::harness::{
    ANN, AuthService, BOB, BusinessService, LONG_PASSWORD, Request, eventually, is_alive, now,
};

const SOON: Duration = Duration::from_secs(2);
const NEW: &str = "eight purple trams ring";

/// Whether the session is dead for everybody who may ask.
fn is_dead_everywhere(auth: &AuthService, business: &BusinessService, token: &str) -> bool {
    let form = Request::post("/introspect").form(&format!("token={token}"));
    let endpoints =
        ["/authz/auth-request", "/authz/forward-auth", "/authz/ext-authz/a", "/session/data"];
    let closed =
        |endpoint: &&str| auth.internal.send(Request::get(endpoint).bearer(token)).status == 401;
    !is_alive(&auth.look_at(token))
        && auth.internal.send(form).expect(200).json() == json!({"active": false})
        && business.data(token).status == 401
        && auth.session(token).status == 401
        && endpoints.iter().all(closed)
}

#[test]
fn each_command_that_ends_sessions_ends_those_of_a_running_node() {
    let auth = AuthService::with_users();
    let business = BusinessService::start(&auth);
    let commands: [(&[&str], &str); 5] = [
        (&["roles", ANN, "user,team"], ""),
        (&["disable", ANN], ""),
        (&["passwd", ANN], NEW),
        (&["rename", ANN, "Ann@Example.com"], ""),
        (&["delete", ANN], ""),
    ];
    let mut password = LONG_PASSWORD;
    let bob = auth.login(BOB, LONG_PASSWORD);
    for (command, input) in commands {
        auth.try_users_command(&["enable", ANN], "");
        let first = auth.login(ANN, password);
        let tokens =
            [auth.mint(&first, &json!({"kind": "fixed"})), auth.login(ANN, password), first];
        assert!(tokens.iter().all(|token| is_alive(&auth.look_at(token))));
        auth.keep_secret(NEW);
        let done = auth.try_users_command(command, input);
        assert_eq!(done.code, Some(0), "{done:?}");
        let changed = now();
        eventually(&format!("{command:?} is obeyed"), SOON, || {
            tokens.iter().all(|token| !is_alive(&auth.look_at(token))).then_some(())
        });
        eprintln!("{command:?} was obeyed after {:?}", changed.elapsed());
        assert!(
            tokens.iter().all(|token| is_dead_everywhere(&auth, &business, token)),
            "{command:?}"
        );
        if command[0] == "passwd" {
            auth.try_login(ANN, LONG_PASSWORD).expect_problem(401, "invalid_credentials");
            password = NEW;
        }
        assert!(is_alive(&auth.validate(&bob)), "{command:?} is Ann's business");
    }
    auth.try_login(ANN, NEW).expect_problem(401, "invalid_credentials");
}

#[test]
fn what_is_true_at_once_is_who_may_log_in() {
    let auth = AuthService::with_users();
    auth.login(ANN, LONG_PASSWORD);
    auth.users_command(&["disable", ANN]);
    auth.try_login(ANN, LONG_PASSWORD).expect_problem(401, "invalid_credentials");
    auth.users_command(&["enable", ANN]);
    auth.users_command(&["roles", ANN, "team,user"]);
    assert_eq!(auth.login_answer(ANN, LONG_PASSWORD)["session"]["role"], "team");
    let added = auth.try_users_command(&["add", "carl@example.com"], LONG_PASSWORD);
    assert_eq!(added.code, Some(0), "{added:?}");
    auth.login("carl@example.com", LONG_PASSWORD);
}

#[test]
fn a_session_opened_after_the_command_is_not_taken_for_one_before() {
    let auth = AuthService::with_users();
    for round in 0..3 {
        let old = auth.login(ANN, LONG_PASSWORD);
        auth.users_command(&["roles", ANN, &format!("user,team{round}")]);
        let new = auth.login(ANN, LONG_PASSWORD);
        eventually("the old session ends", SOON, || (!is_alive(&auth.look_at(&old))).then_some(()));
        assert!(is_alive(&auth.validate(&new)), "round {round}");
    }
}

#[test]
fn a_session_that_is_over_is_not_kept_by_a_change_of_its_password() {
    let auth = AuthService::with_users();
    for round in 0..3 {
        let token = auth.login(ANN, LONG_PASSWORD);
        // Nobody has ended it yet, most often, when the request comes.
        auth.users_command(&["roles", ANN, &format!("user,team{round}")]);
        let change = json!({"current_password": LONG_PASSWORD, "new_password": NEW});
        let changed = auth.api_put("/users/me/password", &token, &change);
        changed.expect_problem(401, "invalid_token");
        eventually("it ends", SOON, || (!is_alive(&auth.look_at(&token))).then_some(()));
    }
}

#[test]
fn what_one_node_changes_another_obeys() {
    let auth = AuthService::with_users();
    let database = format!("sqlite:{}", auth.database().display());
    let other =
        AuthService::launch(&crate::harness::Launch::auth().var("AUTH_DATABASE_URL", database));
    let admin = auth.token();
    let token = other.login(ANN, LONG_PASSWORD);
    let other_session = other.login(BOB, LONG_PASSWORD);
    let ann = other.look_at(&token)["session"]["user"]["id"].as_str().unwrap().to_owned();
    auth.api_put(&format!("/users/{ann}"), &admin, &json!({"disabled": true})).expect(200);
    eventually("the other node obeys", SOON, || (!is_alive(&other.look_at(&token))).then_some(()));
    other.try_login(ANN, LONG_PASSWORD).expect_problem(401, "invalid_credentials");
    let change = json!({"current_password": LONG_PASSWORD, "new_password": NEW});
    let own = auth.login(BOB, LONG_PASSWORD);
    auth.api_put("/users/me/password", &own, &change).expect(204);
    eventually("the other node obeys", SOON, || {
        (!is_alive(&other.look_at(&other_session))).then_some(())
    });
    assert!(is_alive(&auth.validate(&own)), "the session that changed the password lives on");
}

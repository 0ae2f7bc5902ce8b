//! Two versions at once on one Redis, and one after the other on one session file.

use serde_json::json;

use super::{Home, add_user, previous, put_value, value};
use crate::harness::{
    ANN, AuthService, BOB, LONG_PASSWORD, Redis, Request, TIMEOUT, eventually, is_alive,
};

/// What is opened on one node is alive, changed and ended on the other.
fn share(opens: &AuthService, judges: &AuthService) {
    let token = opens.login(ANN, LONG_PASSWORD);
    assert!(is_alive(&judges.validate(&token)));
    put_value(judges, &token, &json!({"from": "the judge"}));
    assert_eq!(value(opens, &token), json!({"from": "the judge"}));

    let rotated = judges.public.send(Request::post("/session/rotate").bearer(&token)).expect(200);
    let rotated = rotated.json()["token"].as_str().unwrap().to_owned();
    assert!(!is_alive(&opens.look_at(&token)) && is_alive(&opens.look_at(&rotated)));

    let fixed = opens.mint(&rotated, &json!({"kind": "fixed", "ttl": "10m"}));
    let once = opens.mint(&rotated, &json!({"kind": "single_use"}));
    assert!(is_alive(&judges.validate(&fixed)));
    assert!(is_alive(&judges.validate(&once)) && !is_alive(&opens.validate(&once)));

    judges.logout(&rotated);
    assert!(!is_alive(&opens.validate(&rotated)));
    assert!(is_alive(&opens.validate(&fixed)));
}

/// A password that is changed on one node ends the user's sessions that the other opened.
fn end_all(changes: &AuthService, opens: &AuthService, user: &str, password: &str, next: &str) {
    let other = opens.login(user, password);
    let own = changes.login(user, password);
    let body = json!({"current_password": password, "new_password": next});
    let change = Request::put("/api/v1/users/me/password").bearer(&own).json(&body);
    changes.public.send(change).expect(204);
    eventually("the other session has ended on both", TIMEOUT, || {
        let is_over = [changes, opens].iter().all(|node| !is_alive(&node.look_at(&other)));
        is_over.then_some(())
    });
    opens.try_login(user, password).expect(401);
    assert!(is_alive(&changes.validate(&opens.login(user, next))));
}

#[test]
fn nodes_of_both_versions_share_redis_and_users() {
    let Some(redis) = Redis::start(&[]) else { return };
    let home = Home::new();
    let launch = home.launch(redis.url());
    let before = previous(launch.clone());
    for user in [ANN, BOB] {
        add_user(&before, user);
    }
    let old = AuthService::launch(&before);
    let new = AuthService::launch(&launch);
    for (opens, judges) in [(&old, &new), (&new, &old)] {
        share(opens, judges);
    }
    let (second, third) = ("eight yellow kettles whistle", "nine purple kettles whistle");
    end_all(&old, &new, BOB, LONG_PASSWORD, second);
    end_all(&new, &old, BOB, second, third);
}

#[test]
fn a_session_file_goes_from_the_last_release_to_this_one() {
    let home = Home::new();
    let launch = home.in_a_file();
    let before = previous(launch.clone());
    add_user(&before, ANN);
    let mut old = AuthService::launch(&before);
    let [alive, ended] = [(); 2].map(|()| old.login(ANN, LONG_PASSWORD));
    put_value(&old, &alive, &json!([1, 2]));
    old.logout(&ended);
    old.signal("TERM");
    assert_eq!(old.wait_for_end(TIMEOUT).code(), Some(0));
    let new = AuthService::launch(&launch);
    assert!(is_alive(&new.validate(&alive)) && !is_alive(&new.validate(&ended)));
    assert_eq!(value(&new, &alive), json!([1, 2]));
    assert!(is_alive(&new.validate(&new.login(ANN, LONG_PASSWORD))));
}

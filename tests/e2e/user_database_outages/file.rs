//! Another process keeps the file to itself.

use serde_json::json;

use super::{Site, expect_unavailable};
use crate::harness::{
    ANN, AuthService, Held, LONG_PASSWORD, Launch, is_alive, skip_unless_installed,
};

fn site() -> Site {
    // Otherwise each of these logins would count as an attempt from one address.
    Site::on(AuthService::launch_on_a_file(Launch::auth()))
}

#[test]
fn while_the_file_is_locked_changes_are_503_and_logins_and_sessions_go_on() {
    if skip_unless_installed("sqlite3") {
        return;
    }
    let site = site();
    let Site { auth, admin, ann, .. } = &site;
    let held = Held::for_writing(&auth.database());
    std::thread::scope(|scope| {
        let me = auth.session(ann).expect(200).json()["user"]["id"].as_str().unwrap().to_owned();
        scope.spawn(|| expect_unavailable(site.creation("late@example.com")));
        scope.spawn(|| {
            expect_unavailable(auth.api_put("/users/me", ann, &json!({"first_name": "A"})));
        });
        let change =
            json!({"current_password": LONG_PASSWORD, "new_password": "eight purple trams ring"});
        scope.spawn(move || expect_unavailable(auth.api_put("/users/me/password", ann, &change)));
        let disable = json!({"disabled": true});
        scope.spawn(move || {
            expect_unavailable(auth.api_put(&format!("/users/{me}"), admin, &disable));
        });
        scope.spawn(|| site.sessions_go_on());
        scope.spawn(|| auth.try_login(ANN, LONG_PASSWORD).expect(200));
        scope.spawn(|| auth.try_login(ANN, "three blue teapots sing").expect(401));
    });
    drop(held);
    // What was answered with 503 has not happened behind anybody's back.
    assert!(is_alive(&auth.validate(ann)));
    site.recovers();
    site.creation("late@example.com").expect(201);
    auth.try_login(ANN, "eight purple trams ring").expect(401);
}

#[test]
fn a_change_that_waits_for_a_lock_is_made_once_it_is_free() {
    if skip_unless_installed("sqlite3") {
        return;
    }
    let site = site();
    let held = Held::for_writing(&site.auth.database());
    std::thread::scope(|scope| {
        let created = scope.spawn(|| site.creation("patient@example.com").expect(201));
        site.sessions_go_on();
        drop(held);
        created.join().unwrap();
    });
    site.auth.login("patient@example.com", LONG_PASSWORD);
}

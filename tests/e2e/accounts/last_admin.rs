//! Somebody stays who can let others in again.

use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use crate::harness::{AuthService, DEMO, LONG_PASSWORD, Launch, is_alive, uuid};

const ANN: &str = "ann@example.com";

fn takes_an_admin_away() -> [(&'static str, Option<Value>); 4] {
    [
        ("PUT", Some(json!({"roles": ["user"]}))),
        ("PUT", Some(json!({"roles": ["Admin", "user"]}))),
        ("PUT", Some(json!({"disabled": true}))),
        ("DELETE", None),
    ]
}

#[test]
fn the_last_admin_stays_by_every_path() {
    let auth = AuthService::launch_on_a_file(Launch::auth());
    let admin = auth.token();
    let id = auth.api_get("/users/me", &admin).json()["id"].as_str().unwrap().to_owned();
    let ann = auth.create_with_roles(&admin, ANN, &json!(["admin"]));
    auth.api_put(&format!("/users/{ann}"), &admin, &json!({"disabled": true})).expect(200);
    for path in [format!("/users/{id}"), "/users/me".to_owned()] {
        for (method, body) in takes_an_admin_away() {
            auth.api(method, &path, &admin, body.as_ref()).expect_problem(409, "conflict");
        }
    }
    for arguments in [&["roles", DEMO.0, "user"][..], &["disable", DEMO.0], &["delete", DEMO.0]] {
        let done = auth.try_users_command(arguments, "");
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.lines().len() == 1 && done.stderr.contains("last admin"), "{done:?}");
    }
    assert!(is_alive(&auth.validate(&admin)), "what is refused ends nothing");
    // The order of roles is free, and so is a last admin's name and password.
    auth.api_put("/users/me", &admin, &json!({"first_name": "J", "roles": ["user", "admin"]}))
        .expect(200);
    auth.login_as(DEMO.0, DEMO.1, "admin");
}

#[test]
fn with_another_admin_each_path_is_open() {
    let auth = AuthService::start();
    let admin = auth.token();
    for (n, (method, body)) in takes_an_admin_away().into_iter().enumerate() {
        let name = format!("u{n}@example.com");
        auth.create_with_roles(&admin, &name, &json!(["admin"]));
        let own = auth.login(&name, LONG_PASSWORD);
        let status = auth.api(method, "/users/me", &own, body.as_ref()).status;
        assert!(matches!(status, 200 | 204), "{status}");
        assert!(!is_alive(&auth.validate(&own)), "an admin's own session ends with the rights");
    }
}

#[test]
fn of_two_admins_who_remove_each_other_at_once_one_stays() {
    let auth = AuthService::launch_on_a_file(Launch::auth());
    let own_id = |token: &str| uuid(&auth.api_get("/users/me", token).expect(200).json());
    let demo_id = own_id(&auth.token());
    for round in 0..4 {
        let demo = auth.token();
        let names = [0, 1].map(|n| format!("u{round}{n}@example.com"));
        let ids =
            names.each_ref().map(|name| auth.create_with_roles(&demo, name, &json!(["admin"])));
        let tokens = names.each_ref().map(|name| auth.login(name, LONG_PASSWORD));
        let demo_roles = |admin: &str, roles: Value| {
            auth.api_put(&format!("/users/{demo_id}"), admin, &json!({"roles": roles})).expect(200);
        };
        // Without the demo user these two are the last.
        demo_roles(&tokens[0], json!(["user"]));
        let barrier = Barrier::new(2);
        let remove = |n: usize| {
            let path = format!("/users/{}", ids[1 - n]);
            barrier.wait();
            match round % 2 {
                0 => auth.api_delete(&path, &tokens[n]).status,
                _ => auth.api_put(&path, &tokens[n], &json!({"roles": ["user"]})).status,
            }
        };
        let remove = &remove;
        let statuses: Vec<u16> = thread::scope(|scope| {
            let both = [0, 1].map(|n| scope.spawn(move || remove(n)));
            both.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        // Who comes second is told so, or is no admin any more by then.
        let done = statuses.iter().filter(|status| matches!(status, 200 | 204)).count();
        assert_eq!(done, 1, "{statuses:?}");
        let allowed = |status: &u16| matches!(status, 200 | 204 | 409 | 401);
        assert!(statuses.iter().all(allowed), "{statuses:?}");
        let alive = tokens.iter().filter(|token| is_alive(&auth.look_at(token)));
        let [survivor] = alive.collect::<Vec<_>>()[..] else { panic!("none or both are left") };
        demo_roles(survivor, json!(["admin", "user"]));
        auth.api_delete("/users/me", survivor).expect(204);
    }
}

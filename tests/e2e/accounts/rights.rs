//! What the user, an admin, another user and a request without a session are answered.

use serde_json::{Value, json};

use crate::harness::{Answer, AuthService, DEMO, LONG_PASSWORD, Request, is_alive};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";
const UNKNOWN: &str = "019a0000-0000-7000-8000-000000000000";
const FIELDS: [&str; 9] = [
    "created_at",
    "disabled",
    "email",
    "email_verified",
    "first_name",
    "id",
    "last_name",
    "roles",
    "updated_at",
];

/// Everything that a user may be asked for or told to be, by the path of a user.
fn user_requests(id: &str) -> [(&'static str, String, Option<Value>); 6] {
    [
        ("GET", format!("/users/{id}"), None),
        ("PUT", format!("/users/{id}"), Some(json!({"first_name": "Eve", "roles": ["admin"]}))),
        (
            "PUT",
            format!("/users/{id}/password"),
            Some(json!({"new_password": "eight purple trams ring"})),
        ),
        ("GET", format!("/users/{id}/sessions"), None),
        ("DELETE", format!("/users/{id}/sessions"), None),
        ("DELETE", format!("/users/{id}"), None),
    ]
}

/// What only an admin may ask, and not about one user.
fn admin_requests() -> [(&'static str, &'static str, Option<Value>); 4] {
    let new = json!({"email": "eve@example.com", "password": LONG_PASSWORD});
    [
        ("GET", "/users", None),
        ("GET", "/stats", None),
        ("POST", "/users", Some(new)),
        ("DELETE", "/sessions", None),
    ]
}

#[test]
fn the_status_is_for_everybody_and_the_numbers_are_for_admins() {
    let auth = AuthService::start();
    assert_eq!(auth.public.get("/api/v1/status").expect(200).json(), json!({"status": "OK"}));
    let admin = auth.token();
    auth.create(&admin, ANN);
    auth.login(ANN, LONG_PASSWORD);
    let stats = auth.api_get("/stats", &admin).expect(200);
    assert_eq!(stats.header("cache-control"), Some("no-store"));
    assert_eq!(stats.json(), json!({"users": 2, "sessions": 2}));
}

#[test]
fn a_user_is_shown_whole_and_without_a_trace_of_the_password() {
    let auth = AuthService::start();
    let admin = auth.token();
    let id = auth.create(&admin, ANN);
    let ann = auth.login(ANN, LONG_PASSWORD);
    let own = auth.api_get("/users/me", &ann).expect(200);
    assert_eq!(own.header("cache-control"), Some("no-store"));
    let shown = own.json();
    let mut fields: Vec<&str> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, FIELDS);
    assert_eq!((&shown["id"], &shown["email"]), (&json!(id), &json!(ANN)));
    assert_eq!((&shown["roles"], &shown["disabled"]), (&json!(["user"]), &json!(false)));
    assert_eq!((&shown["first_name"], &shown["last_name"]), (&Value::Null, &Value::Null));
    assert_eq!(auth.api_get(&format!("/users/{id}"), &ann).expect(200).json(), shown);
    assert_eq!(auth.api_get(&format!("/users/{id}"), &admin).expect(200).json(), shown);
}

#[test]
fn without_a_live_token_nothing_is_told_and_nothing_is_done() {
    let auth = AuthService::start();
    let admin = auth.token();
    let id = auth.create(&admin, ANN);
    let dead = auth.login(ANN, LONG_PASSWORD);
    auth.logout(&dead);
    let of_one = user_requests(&id).into_iter().chain(user_requests("me"));
    let of_all = admin_requests().map(|(method, path, body)| (method, path.to_owned(), body));
    for (method, path, body) in of_one.chain(of_all) {
        let request = Request::new(method, &format!("/api/v1{path}"));
        let request = match &body {
            Some(body) => request.json(body),
            None => request,
        };
        auth.public.send(request).expect_problem(401, "missing_token");
        auth.api(method, &path, &dead, body.as_ref()).expect_problem(401, "invalid_token");
        auth.api(method, &path, "nonsense", body.as_ref()).expect_problem(401, "invalid_token");
    }
    auth.login(ANN, LONG_PASSWORD);
    assert!(is_alive(&auth.validate(&admin)));
}

#[test]
fn what_is_for_admins_is_forbidden_to_others_even_to_an_admin_who_acts_as_a_user() {
    let auth = AuthService::start();
    let admin = auth.token();
    auth.create(&admin, ANN);
    for token in [auth.login(ANN, LONG_PASSWORD), auth.login_as(DEMO.0, DEMO.1, "user")] {
        for (method, path, body) in admin_requests() {
            let answer = auth.api(method, path, &token, body.as_ref());
            answer.expect_problem(403, "forbidden").expect_challenge_error("insufficient_scope");
        }
    }
    assert_eq!(auth.api_get("/stats", &admin).expect(200).json()["users"], 2);
}

#[test]
fn another_users_record_is_not_there_not_even_as_a_difference() {
    let auth = AuthService::start();
    let admin = auth.token();
    let (ann, bob) = (auth.create(&admin, ANN), auth.create(&admin, BOB));
    let tokens = [auth.login(ANN, LONG_PASSWORD), auth.login_as(DEMO.0, DEMO.1, "user")];
    let bobs = auth.login(BOB, LONG_PASSWORD);
    for token in &tokens {
        for (there, not_there) in user_requests(&bob).into_iter().zip(user_requests(UNKNOWN)) {
            let ask = |(method, path, body): (&str, String, Option<Value>)| -> Answer {
                let answer = auth.api(method, &path, token, body.as_ref());
                answer.expect_problem(404, "not_found").without_id_and_date()
            };
            assert_eq!(ask(there), ask(not_there));
        }
    }
    auth.api_get(&format!("/users/{ann}"), &tokens[0]).expect(200);
    let shown = auth.api_get(&format!("/users/{bob}"), &admin).expect(200).json();
    assert_eq!((&shown["first_name"], &shown["roles"]), (&Value::Null, &json!(["user"])));
    assert!(is_alive(&auth.validate(&bobs)));
}

#[test]
fn an_admin_is_told_what_is_not_there() {
    let auth = AuthService::start();
    let admin = auth.token();
    for id in [
        UNKNOWN,
        "nonsense",
        "%00",
        "%FF",
        "..%2f",
        "1",
        "ME",
        "019a0000-0000-7000-8000-00000000000g",
    ] {
        for (method, path, body) in user_requests(id) {
            let answer = auth.api(method, &path, &admin, body.as_ref());
            answer.expect_problem(404, "not_found");
        }
    }
}

#[test]
fn what_is_ones_own_and_yet_for_admins_is_forbidden() {
    let auth = AuthService::start();
    let admin = auth.token();
    let id = auth.create(&admin, ANN);
    let ann = auth.login(ANN, LONG_PASSWORD);
    for id in [id.as_str(), "me"] {
        for method in ["GET", "DELETE"] {
            auth.api(method, &format!("/users/{id}/sessions"), &ann, None)
                .expect_problem(403, "forbidden");
        }
        for change in [
            json!({"roles": ["admin", "user"]}),
            json!({"roles": ["user"]}),
            json!({"disabled": true}),
            json!({"disabled": false}),
            json!({"first_name": "Eve", "roles": ["admin"]}),
        ] {
            auth.api_put(&format!("/users/{id}"), &ann, &change).expect_problem(403, "forbidden");
        }
    }
    let shown = auth.api_get("/users/me", &ann).expect(200).json();
    assert_eq!((&shown["first_name"], &shown["roles"]), (&Value::Null, &json!(["user"])));
}

#[test]
fn a_role_that_was_taken_up_without_a_login_is_no_admins() {
    let auth = AuthService::start();
    let user = auth.login_as(DEMO.0, DEMO.1, "user");
    let rotate = Request::post("/session/rotate").bearer(&user).json(&json!({"role": "admin"}));
    auth.public.send(rotate).expect_problem(403, "forbidden");
    let minted = auth.mint(&user, &json!({"kind": "fixed"}));
    auth.api_get("/users", &minted).expect_problem(403, "forbidden");
    let minted = auth.mint(&auth.token(), &json!({"kind": "single_use"}));
    auth.api_get("/users", &minted).expect(200);
    auth.api_get("/users", &minted).expect_problem(401, "invalid_token");
}

#[test]
fn methods_that_a_path_does_not_know_are_named() {
    let auth = AuthService::start();
    let admin = auth.token();
    for (method, path, allowed) in [
        ("PATCH", "/users/me", ["GET", "PUT", "DELETE"].as_slice()),
        ("PUT", "/users", &["GET", "POST"]),
        ("POST", "/users/me/password", &["PUT"]),
        ("POST", "/sessions", &["DELETE"]),
        ("PUT", "/users/me/sessions", &["GET", "DELETE"]),
    ] {
        let answer = auth.api(method, path, &admin, None).expect_problem(405, "method_not_allowed");
        let allow = answer.header("allow").unwrap_or_default();
        assert!(allowed.iter().all(|method| allow.contains(method)), "{path}: {allow}");
    }
}

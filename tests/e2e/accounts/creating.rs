//! New accounts: by an admin, by anybody where sign-up is open, and what they may not bring along.

use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use crate::harness::{Answer, AuthService, DEMO, LONG_PASSWORD, Launch, Request, uuid};

const ANN: &str = "ann@example.com";

fn open() -> AuthService {
    AuthService::launch(&Launch::auth().var("AUTH_SIGNUP", "open"))
}

fn sign_up(auth: &AuthService, body: &Value) -> Answer {
    if let Some(password) = body["password"].as_str() {
        auth.keep_secret(password);
    }
    auth.public.send(Request::post("/api/v1/users").json(body))
}

#[test]
fn an_admin_creates_a_user_who_can_log_in() {
    let auth = AuthService::start();
    let admin = auth.token();
    let new = json!({"email": "\u{a0} Ann@Example.com\u{3000}", "password": LONG_PASSWORD, "first_name": "\u{a0}Ann", "last_name": "A "});
    let created = auth.api("POST", "/users", &admin, Some(&new)).expect(201);
    let user = created.json();
    assert_eq!(created.header("cache-control"), Some("no-store"));
    assert_eq!(created.header("location"), Some(&*format!("/api/v1/users/{}", uuid(&user))));
    assert_eq!(auth.api_get(&format!("/users/{}", uuid(&user)), &admin).json(), user);
    assert_eq!(user["email"], "Ann@Example.com", "kept as given, without white space around it");
    assert_eq!((&user["first_name"], &user["last_name"]), (&json!("Ann"), &json!("A")));
    assert_eq!(user["created_at"], user["updated_at"]);
    auth.try_login("ann@example.COM ", LONG_PASSWORD).expect(200);
}

#[test]
fn where_sign_up_is_open_anybody_creates_a_user_and_is_then_nothing_but_a_user() {
    let auth = open();
    let new = json!({"email": ANN, "password": LONG_PASSWORD});
    let user = sign_up(&auth, &new).expect(201).json();
    assert_eq!(user["roles"], json!(["user"]));
    let ann = auth.login_answer(ANN, LONG_PASSWORD);
    assert_eq!(ann["session"]["role"], "user");
    auth.try_create(ann["token"].as_str().unwrap(), "bob@example.com").expect(201);
}

#[test]
fn what_nobody_may_bring_along_is_ignored() {
    let auth = open();
    let id = "019a0000-0000-7000-8000-000000000000";
    let hash = "0".repeat(64);
    let admin = auth.token();
    for (n, token) in [None, Some(&admin)].into_iter().enumerate() {
        let email = format!("u{n}@example.com");
        let new = json!({
            "email": email, "password": LONG_PASSWORD, "roles": ["admin"], "role": "admin", "id": id,
            "password_hash": hash, "is_admin": true, "disabled": true, "demo": true,
            "generation": 99, "created_at": "1999-01-01T00:00:00.000Z",
        });
        let created = match token {
            Some(token) => auth.api("POST", "/users", token, Some(&new)),
            None => sign_up(&auth, &new),
        };
        let created = created.expect(201).json();
        assert_eq!((&created["roles"], &created["disabled"]), (&json!(["user"]), &json!(false)));
        assert_ne!(created["id"], id);
        assert_ne!(created["created_at"], "1999-01-01T00:00:00.000Z");
        let own = auth.login(&email, LONG_PASSWORD);
        auth.api_get("/stats", &own).expect_problem(403, "forbidden");
        let grab = json!({"id": id, "email": DEMO.0, "password_hash": hash, "is_admin": true, "first_name": "U"});
        let changed = auth.api_put("/users/me", &own, &grab).expect(200).json();
        assert_eq!((&changed["id"], &changed["email"]), (&created["id"], &json!(email)));
        assert_eq!((&changed["roles"], &changed["first_name"]), (&json!(["user"]), &json!("U")));
    }
}

#[test]
fn a_name_that_is_taken_in_any_spelling_is_a_conflict() {
    let auth = open();
    let admin = auth.token();
    auth.create(&admin, ANN);
    for name in [ANN, "ANN@example.com", " ann@Example.COM\u{20}", DEMO.0] {
        auth.try_create(&admin, name).expect_problem(409, "conflict");
        let new = json!({"email": name, "password": LONG_PASSWORD});
        sign_up(&auth, &new).expect_problem(409, "conflict");
    }
    assert_eq!(auth.api_get("/stats", &admin).json()["users"], 2);
}

#[test]
fn of_concurrent_creations_of_one_name_exactly_one_succeeds() {
    let auth = AuthService::launch_on_a_file(Launch::auth());
    let admin = auth.token();
    for round in 0..3 {
        let barrier = Barrier::new(8);
        let create = |n: usize| {
            let name = format!("Ann{round}@example.com");
            let name = if n.is_multiple_of(2) { name } else { name.to_uppercase() };
            barrier.wait();
            auth.try_create(&admin, &name).status
        };
        let mut statuses: Vec<u16> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|n| scope.spawn(move || create(n))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
    }
    assert_eq!(auth.api_get("/stats", &admin).json()["users"], 4);
}

#[test]
fn a_password_that_breaks_a_rule_is_refused_with_the_reason_and_never_repeated() {
    let auth = open();
    for (password, reason) in [
        ("fourteen chars", "15"),
        (&*"ü".repeat(14), "15"),
        ("", "15"),
        (&*"é".repeat(129), "128"),
        ("passwordpassword", "common"),
        ("QwertyUiopAsdfghjkl", "common"),
        ("Annabel@Example99.com", "owner"),
    ] {
        let new = json!({"email": "annabel@example99.com", "password": password});
        let answer = sign_up(&auth, &new).expect_problem(422, "unprocessable");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(reason), "{password}: {detail}");
        assert!(password.is_empty() || !answer.text().contains(password), "{answer:?}");
    }
    for (n, password) in [
        "fifteen chars!!".to_owned(),
        "a".repeat(15),
        "x".repeat(128),
        "é".repeat(128),
        "ü€".repeat(4) + "kettle and pan",
        "seven green kettles ".repeat(7)[..128].to_owned(),
        " spaces at both ends stay ".to_owned(),
        "quiet\0lantern over river".to_owned(),
        "tabs\tand\r\nnew lines too".to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("u{n}@example.com");
        let new = json!({"email": email, "password": password});
        sign_up(&auth, &new).expect(201);
        auth.try_login(&email, &password).expect(200);
        let cut = password.trim().split('\0').next().unwrap();
        let cut = if cut == password { cut_by_one(&password) } else { cut };
        auth.try_login(&email, cut).expect(401);
    }
}

fn cut_by_one(password: &str) -> &str {
    password.char_indices().next_back().map_or("", |(end, _)| &password[..end])
}

#[test]
fn the_least_length_is_a_setting() {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_PASSWORD_MIN_LENGTH", "8"));
    let admin = auth.token();
    let create = |email: &str, password: &str| {
        let new = json!({"email": email, "password": password});
        auth.api("POST", "/users", &admin, Some(&new))
    };
    create("a@example.com", "kettle7").expect_problem(422, "unprocessable");
    create("b@example.com", "kettle78").expect(201);
}

#[test]
fn a_body_that_is_no_new_user_is_refused() {
    let auth = AuthService::start();
    let admin = auth.token();
    for (body, named) in [
        (json!({}), "email"),
        (json!({"email": ANN}), "password"),
        (json!({"password": LONG_PASSWORD}), "email"),
        (json!({"email": 1, "password": LONG_PASSWORD}), "email"),
        (json!({"email": ANN, "password": null}), "password"),
        (json!({"email": ANN, "password": [LONG_PASSWORD]}), "password"),
        (json!({"email": ANN, "password": LONG_PASSWORD, "first_name": 7}), "first_name"),
    ] {
        let answer = auth.api("POST", "/users", &admin, Some(&body));
        let answer = answer.expect_problem(400, "invalid_request");
        assert!(answer.text().contains(&format!("`{named}`")), "{answer:?}");
    }
    let twice = format!(r#"{{"email":"{ANN}","email":"{ANN}","password":"{LONG_PASSWORD}"}}"#);
    let post = || Request::post("/api/v1/users").bearer(&admin);
    auth.public.send(post().body("application/json", twice)).expect_problem(400, "invalid_request");
    auth.public.send(post().form("email=a")).expect_problem(415, "unsupported_media_type");
    auth.public.send(post()).expect_problem(415, "unsupported_media_type");
    let long = json!({"email": ANN, "password": LONG_PASSWORD, "x": "y".repeat(64 * 1024)});
    auth.public.send(post().json(&long)).expect_problem(413, "payload_too_large");
    assert_eq!(auth.api_get("/stats", &admin).json()["users"], 1);
}

#[test]
fn sign_ups_are_throttled_by_address_and_an_admins_are_not() {
    let launch =
        Launch::auth().var("AUTH_SIGNUP", "open").var("AUTH_LOGIN_ATTEMPTS_PER_ADDRESS", "3/1h");
    let auth = AuthService::launch(&launch);
    let admin = auth.token();
    let new = |n: u32| json!({"email": format!("u{n}@example.com"), "password": LONG_PASSWORD});
    sign_up(&auth, &new(1)).expect(201);
    sign_up(&auth, &new(1)).expect(409);
    sign_up(&auth, &json!({"email": "u2@example.com", "password": "short"})).expect(422);
    let refused = sign_up(&auth, &new(1)).expect_problem(429, "too_many_requests");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1150..=1200).contains(&wait), "{wait}");
    for n in 10..15 {
        auth.try_create(&admin, &format!("u{n}@example.com")).expect(201);
    }
}

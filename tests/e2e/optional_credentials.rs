//! Credentials that nobody needs: where none is wanted, a dead one is none; and what a browser adds
//! to a form by itself is not what was typed into it.

use serde_json::json;

use crate::harness::{ANN, AuthService, DEMO, LONG_PASSWORD, Launch, Request};

const LOGIN: &str = "username=ann%40example.com&password=seven+green+kettles+whistle";

/// What a browser or a client may bring along that opens nothing.
fn dead(auth: &AuthService) -> Vec<(&'static str, String)> {
    let ended = auth.token();
    auth.logout(&ended);
    let mut wrong = ended.clone();
    wrong.replace_range(30..31, if &ended[30..31] == "a" { "b" } else { "a" });
    vec![
        ("Cookie", format!("reinflate={ended}")),
        ("Cookie", "reinflate=undefined".to_owned()),
        ("Cookie", "reinflate=".to_owned()),
        ("Cookie", "reinflate=a; reinflate=b".to_owned()),
        ("Authorization", format!("Bearer {ended}")),
        ("Authorization", format!("Bearer {wrong}")),
        ("Authorization", "Bearer undefined".to_owned()),
        ("Authorization", "Bearer".to_owned()),
        ("Authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2ln".to_owned()),
        ("Authorization", "Basic c2l0ZTp3aWRl".to_owned()),
        ("Authorization", "Negotiate abc".to_owned()),
        ("token", "null".to_owned()),
        ("token", String::new()),
    ]
}

#[test]
fn an_open_sign_up_takes_a_dead_credential_for_none() {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_SIGNUP", "open"));
    for (nth, (name, value)) in dead(&auth).into_iter().enumerate() {
        let email = format!("u{nth}@example.com");
        let new = Request::post("/api/v1/users")
            .json(&json!({"email": email, "password": LONG_PASSWORD}))
            .header(name, &value);
        let created = auth.public.send(new).expect(201).json();
        assert_eq!(created["roles"], json!(["user"]), "{name}: {value}");
    }
}

#[test]
fn an_open_sign_up_does_not_guess_which_of_two_tokens_is_meant() {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_SIGNUP", "open"));
    let new = json!({"email": "new@example.com", "password": LONG_PASSWORD});
    let request = || Request::post("/api/v1/users").json(&new);
    let two = request().bearer(&auth.token()).token(&auth.token());
    auth.public.send(two).expect_problem(400, "invalid_request");
    let twice = request().bearer("x").bearer("x");
    auth.public.send(twice).expect_problem(400, "invalid_request");
}

#[test]
fn a_closed_sign_up_needs_a_live_one() {
    let auth = AuthService::start();
    for (name, value) in dead(&auth) {
        let new = Request::post("/api/v1/users")
            .json(&json!({"email": ANN, "password": LONG_PASSWORD}))
            .header(name, &value);
        assert_eq!(auth.public.send(new).status, 401, "{name}: {value}");
    }
}

#[test]
fn whatever_wants_no_credential_takes_none_amiss() {
    let auth = AuthService::launch_with_users(Launch::auth());
    for (name, value) in dead(&auth) {
        for path in ["/login", "/", "/docs", "/openapi.json", "/api/v1/status", "/livez", "/readyz"]
        {
            auth.public.send(Request::get(path).header(name, &value)).expect(200);
        }
        let form = Request::post("/login").form(LOGIN).header(name, &value);
        auth.public.send(form).expect(303);
        let json = json!({"username": ANN, "password": LONG_PASSWORD});
        let by_json = Request::post("/login").json(&json).header(name, &value);
        let expected = if value.starts_with("Basic") { 400 } else { 200 };
        auth.public.send(by_json).expect(expected);
        auth.public.send(Request::post("/logout").form("").header(name, &value)).expect(303);
        auth.public.send(Request::post("/revoke").form("token=x").header(name, &value)).expect(200);
        let ask = Request::post("/validateToken").json(&json!({"token": "x"}));
        auth.internal.send(ask.header(name, &value)).expect(200);
        auth.internal
            .send(Request::post("/introspect").form("token=x").header(name, &value))
            .expect(200);
        auth.internal.send(Request::get("/metrics").header(name, &value)).expect(200);
    }
}

#[test]
fn without_an_internal_key_nothing_that_looks_like_one_is_judged() {
    let auth = AuthService::start();
    for request in [
        Request::post("/validateToken").json(&json!({"token": "x"})).bearer("a").bearer("b"),
        Request::post("/introspect").form("token=x&client_id=a&client_secret=b").basic("a", "b"),
        Request::get("/metrics").basic("a", "b").bearer("c"),
    ] {
        auth.internal.send(request).expect(200);
    }
}

#[test]
fn a_form_is_decided_by_what_was_typed_whatever_basic_a_browser_adds() {
    let auth = AuthService::launch_with_users(Launch::auth());
    for basic in [("site", "wide"), DEMO, (ANN, "wrong")] {
        let login = |form: &str| {
            auth.public.send(Request::post("/login").form(form).basic(basic.0, basic.1))
        };
        let answer = login(LOGIN).expect(303);
        let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let wrong = login("username=ann%40example.com&password=wrong").expect(401);
        let challenge = wrong.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer"), "a browser would ask for Basic: {challenge}");
        login("username=ann%40example.com").expect_problem(400, "invalid_request");
        // What is behind the login goes by the cookie.
        let with = |request: Request| {
            auth.public.send(request.header("Cookie", &cookie).basic(basic.0, basic.1))
        };
        let account = with(Request::get("/account")).expect(200).text();
        assert!(account.contains(ANN), "{account}");
        with(Request::get("/session")).expect(200);
        with(Request::post("/account/name").form("first_name=A&last_name=N")).expect(303);
        with(Request::post("/account/sessions/end-others").form("")).expect(303);
        let minted = with(Request::post("/account/tokens").form("name=ci&kind=fixed&ttl=1h"));
        minted.expect(201);
        with(Request::get("/admin/users")).expect(403);
        with(Request::post("/logout").form("")).expect(303);
        with(Request::get("/session")).expect(401);
    }
}

#[test]
fn basic_without_a_form_stays_what_it_was() {
    let auth = AuthService::launch_with_users(Launch::auth());
    let login = || Request::post("/login").basic(ANN, LONG_PASSWORD);
    auth.public.send(login()).expect(200);
    auth.public.send(login().form("")).expect(200);
    let json = json!({"username": ANN, "password": LONG_PASSWORD});
    auth.public.send(login().json(&json)).expect_problem(400, "invalid_request");
    auth.public.send(login().body("text/plain", "x")).expect_problem(400, "invalid_request");
    auth.public.send(login().untyped_body(LOGIN)).expect_problem(400, "invalid_request");
    auth.public.send(Request::post("/login")).expect_problem(400, "invalid_request");
}

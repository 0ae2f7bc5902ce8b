//! Asking for sessions: what is taken, what is refused, how they are listed and ended.

use serde_json::{Value, json};

use testkit::percent_encoded;

use super::{KEY, ended, issue, launch, listed, start, text, try_issue, user, validate};
use crate::harness::{AuthService, Launch, Request, is_alive};

#[test]
fn a_backend_is_given_a_session_for_its_own_user() {
    let auth = start();
    let body = json!({
        "user": {"id": "50%/ann", "username": "ann", "name": "Ann Example", "roles": ["user", "team"]},
        "role": "team",
        "client": {"ip": "203.0.113.9", "user_agent": "Lynx/2.9"},
        "values": {"cart": [1, 2], "n": null},
    });
    let answer = issue(&auth, &body);
    assert_eq!(answer["token_type"], "Bearer");
    assert!(answer.get("set_cookie").is_none());
    let session = &answer["session"];
    let expected = json!({"id": "50%/ann", "username": "ann", "roles": ["user", "team"],
        "external": true});
    assert_eq!(session["user"], expected);
    assert_eq!((&session["role"], &session["scopes"]), (&json!("team"), &Value::Null));
    assert_eq!(
        (&session["ip"], &session["user_agent"]),
        (&json!("203.0.113.9"), &json!("Lynx/2.9"))
    );
    let token = text(&answer["token"]);
    let verdict = validate(&auth, &token);
    assert!(is_alive(&verdict));
    assert_eq!(verdict["session"]["user"], expected);
    assert_eq!(verdict["session"]["refresh_count"], 1);
    let values = Request::get("/session/data").bearer(&token).header("X-Internal-Key", KEY);
    let values = auth.internal.send(values).expect(200).json();
    assert_eq!(values["data"], json!({"cart": [1, 2], "n": null}));
}

#[test]
fn a_cookie_is_passed_on_and_its_token_stands_nowhere_else() {
    let auth = start();
    let mut body = user("17");
    body["transport"] = json!("cookie");
    let answer = try_issue(&auth, &body).expect(201);
    assert!(answer.all("set-cookie").is_empty(), "the backend is no browser");
    let answer = answer.json();
    assert!(answer.get("token").is_none(), "{answer}");
    let line = text(&answer["set_cookie"]);
    let (cookie, attributes) = line.split_once("; ").unwrap();
    let token = cookie.strip_prefix("reinflate=").unwrap();
    assert!(attributes.contains("HttpOnly") && attributes.contains("SameSite=Lax"), "{attributes}");
    assert!(!attributes.contains(token));
    assert_eq!(answer["session"]["transport"], "cookie");
    assert!(is_alive(&validate(&auth, token)));
    auth.public.send(Request::get("/session").cookie(token)).expect(200);
}

#[test]
fn each_kind_has_its_own_times_and_may_ask_for_less() {
    let auth = start();
    let with = |rest: Value| {
        let mut body = user("17");
        body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        body
    };
    for (rest, expires_in) in [
        (json!({}), 30),
        (json!({"kind": "fixed"}), 3600),
        (json!({"kind": "single_use"}), 900),
        (json!({"kind": "fixed", "ttl": "90d"}), 90 * 86_400),
        (json!({"kind": "fixed", "max_lifetime": "5m"}), 300),
        (json!({"kind": "fixed", "ttl": "10m", "max_lifetime": "5m"}), 300),
        (json!({"ttl": "5s"}), 5),
        (json!({"max_lifetime": "7s"}), 7),
        (json!({"transport": "bearer", "kind": null, "ttl": null, "client": null}), 30),
    ] {
        let answer = issue(&auth, &with(rest.clone()));
        assert_eq!(answer["expires_in"], expires_in, "{rest}");
    }
    for rest in [
        json!({"ttl": "31s"}),
        json!({"ttl": "0s"}),
        json!({"max_lifetime": "13h"}),
        json!({"max_lifetime": "0s"}),
        json!({"kind": "fixed", "ttl": "91d"}),
        json!({"kind": "fixed", "max_lifetime": "91d"}),
        json!({"kind": "single_use", "ttl": "8d"}),
        json!({"transport": "cookie", "kind": "fixed"}),
        json!({"transport": "cookie", "kind": "single_use"}),
        json!({"role": "root"}),
        json!({"kind": "single_use", "values": {"a": 1}}),
        json!({"role": ""}),
    ] {
        try_issue(&auth, &with(rest)).expect_problem(422, "unprocessable");
    }
    for rest in [
        json!({"ttl": "soon"}),
        json!({"ttl": 30}),
        json!({"max_lifetime": "-1s"}),
        json!({"kind": "eternal"}),
        json!({"transport": "pigeon"}),
        json!({"client": {"ip": "localhost"}}),
        json!({"client": ["203.0.113.9"]}),
        json!({"values": {"": 1}}),
        json!({"values": {"a b": 1}}),
        json!({"values": [1]}),
        json!({"user": "17"}),
        json!({"user": {"id": 17, "username": "a", "roles": ["user"]}}),
        json!({"user": {"id": "17", "roles": ["user"]}}),
        json!({"user": {"id": "17", "username": "a"}}),
    ] {
        try_issue(&auth, &with(rest)).expect_problem(400, "invalid_request");
    }
    let too_large = with(json!({"values": {"a": "x".repeat(16 * 1024)}}));
    try_issue(&auth, &too_large).expect_problem(413, "payload_too_large");
    assert_eq!(listed(&auth, "17").len(), 9, "what was refused left nothing");
}

#[test]
fn an_id_is_the_backends_own_and_must_fit_a_path() {
    let auth = start();
    let longest = "x".repeat(128);
    for id in ["1", "a/b", "a//b/../c", "50%", "%2e%2e", "me", "...", "a b", "\"'<>", &longest] {
        let first = issue(&auth, &user(id));
        assert_eq!(first["session"]["user"]["id"], id);
        let again = issue(&auth, &user(id));
        let sessions = listed(&auth, id);
        assert_eq!(sessions.len(), 2, "a request that is repeated opens another session: {id}");
        let path = format!("/subjects/{}/sessions?keep={}", percent_encoded(id), sessions[0]);
        assert_eq!(ended(&auth, &path), 1, "{id}");
        assert_eq!(listed(&auth, id), [sessions[0].clone()]);
        let both = [&first, &again].map(|issued| text(&issued["session"]["id"]));
        assert!(sessions.iter().all(|session| both.contains(session)), "{both:?}");
        assert_eq!(ended(&auth, &format!("/subjects/{}/sessions", percent_encoded(id))), 1);
        assert_eq!(ended(&auth, &format!("/subjects/{}/sessions", percent_encoded(id))), 0);
    }
    let too_long = "x".repeat(129);
    for id in ["", ".", "..", " a", "a ", " ", "a\tb", "a\u{0}", "\u{7f}", "zoë", "a\nb", &too_long]
    {
        try_issue(&auth, &user(id)).expect_problem(422, "unprocessable");
        if !["", ".", ".."].contains(&id) {
            let path = format!("/subjects/{}/sessions", percent_encoded(id));
            let refused = auth.internal.send(Request::get(&path).bearer(KEY));
            refused.expect_problem(422, "unprocessable");
        }
    }
    auth.internal.send(Request::get("/subjects/%FF/sessions").bearer(KEY)).expect(404);
}

#[test]
fn names_and_roles_keep_the_rules() {
    let auth = start();
    let with = |member: &str, value: Value| {
        let mut body = user("17");
        body["user"][member] = value;
        body
    };
    let many: Vec<String> = (0..33).map(|number| format!("r{number}")).collect();
    for (member, value) in [
        ("username", json!("")),
        ("username", json!(" a")),
        ("username", json!("a\r\nSet-Cookie: b")),
        ("username", json!("a\u{2028}b")),
        ("username", json!("nna\u{202e}")),
        ("username", json!("a\u{200b}nn")),
        ("username", json!("x".repeat(255))),
        ("name", json!("a\u{0}b")),
        ("name", json!("x".repeat(101))),
        ("roles", json!([])),
        ("roles", json!(["a b"])),
        ("roles", json!([""])),
        ("roles", json!(["a", "a"])),
        ("roles", json!(many)),
    ] {
        try_issue(&auth, &with(member, value)).expect_problem(422, "unprocessable");
    }
    let named = issue(&auth, &with("username", json!("Zoë (café)")));
    assert_eq!(named["session"]["user"]["username"], "Zoë (café)");
}

#[test]
fn any_session_is_ended_by_its_id_and_none_by_nonsense() {
    let auth = start();
    let own = auth.login_answer(crate::harness::DEMO.0, crate::harness::DEMO.1);
    let theirs = issue(&auth, &user("17"));
    for session in [&own, &theirs] {
        let path = format!("/sessions/{}", text(&session["session"]["id"]));
        assert_eq!((ended(&auth, &path), ended(&auth, &path)), (1, 0));
        assert!(!is_alive(&validate(&auth, &text(&session["token"]))));
    }
    for nonsense in ["x", "%2e%2e%2f", "0193", "me"] {
        assert_eq!(ended(&auth, &format!("/sessions/{nonsense}")), 0, "{nonsense}");
    }
}

#[test]
fn what_is_to_be_kept_must_be_readable() {
    let auth = start();
    issue(&auth, &user("17"));
    for query in ["keep=", "keep=x", "keep=current", "kept=x", "keep=a&keep=b"] {
        let request = Request::delete(&format!("/subjects/17/sessions?{query}")).bearer(KEY);
        auth.internal.send(request).expect_problem(400, "invalid_request");
    }
    assert_eq!(listed(&auth, "17").len(), 1, "nothing has ended");
    let other = text(&issue(&auth, &user("18"))["session"]["id"]);
    assert_eq!(ended(&auth, &format!("/subjects/17/sessions?keep={other}")), 1);
    assert_eq!(listed(&auth, "18").len(), 1);
}

#[test]
fn without_a_key_nobody_opens_lists_or_ends_anything() {
    let unset = AuthService::start();
    let keyed = start();
    let session = text(&issue(&keyed, &user("17"))["session"]["id"]);
    let requests = [
        Request::post("/sessions").json(&user("17")),
        Request::get("/subjects/17/sessions"),
        Request::delete("/subjects/17/sessions"),
        Request::delete(&format!("/sessions/{session}")),
    ];
    for request in requests {
        unset.internal.send(request.clone()).expect_problem(403, "forbidden");
        unset.internal.send(request.clone().bearer(KEY)).expect_problem(403, "forbidden");
        keyed.internal.send(request.clone()).expect_problem(401, "missing_token");
        keyed.internal.send(request.clone().bearer("x")).expect_problem(401, "invalid_token");
        let public = keyed.public.send(request.bearer(KEY));
        assert!([401, 404, 405].contains(&public.status), "{public:?}");
    }
    assert_eq!(listed(&keyed, "17"), [session]);
}

#[test]
fn an_external_user_has_a_limit_of_sessions_of_its_own() {
    let auth = AuthService::launch(&launch().var("AUTH_MAX_SESSIONS_PER_USER", "2"));
    let ours = auth.login_answer(crate::harness::DEMO.0, crate::harness::DEMO.1);
    let id = text(&ours["session"]["user"]["id"]);
    for _ in 0..4 {
        issue(&auth, &user(&id));
    }
    assert_eq!(listed(&auth, &id).len(), 2);
    assert!(is_alive(&validate(&auth, &text(&ours["token"]))));
}

#[test]
fn a_session_is_bound_to_the_client_that_the_backend_tells_of() {
    let launch: Launch = launch().var("AUTH_BIND_SESSIONS", "ip");
    let auth = AuthService::launch(&launch);
    let mut body = user("17");
    body["client"] = json!({"ip": "203.0.113.9"});
    let token = text(&issue(&auth, &body)["token"]);
    let from = |ip: &str| {
        let body = json!({"token": token, "client": {"ip": ip}});
        let request = Request::post("/validateToken").bearer(KEY).json(&body);
        auth.internal.send(request).expect(200).json()
    };
    assert!(is_alive(&from("203.0.113.9")));
    assert!(!is_alive(&from("203.0.113.10")));
    assert!(!is_alive(&from("203.0.113.9")), "it has ended");
}

#[test]
fn the_log_tells_who_was_given_a_session_and_never_its_token() {
    let auth = start();
    let mut body = user("17");
    body["transport"] = json!("cookie");
    let answer = issue(&auth, &body);
    let cookie = text(&answer["set_cookie"]);
    auth.keep_secret(cookie.split(['=', ';']).nth(1).unwrap());
    let id = text(&answer["session"]["id"]);
    let lines = auth.log_lines_with(&id, 1);
    assert!(lines[0].contains("session.issued") && lines[0].contains("backend"), "{lines:?}");
}

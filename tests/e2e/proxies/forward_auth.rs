//! The forward-auth endpoints, asked directly.

use serde_json::json;

use super::IDENTITY;
use crate::harness::{ANN, Answer, AuthService, BOB, DEMO, LONG_PASSWORD, Launch, Request};

/// Each endpoint, open to every live session.
const ENDPOINTS: [&str; 8] = [
    "/authz/auth-request",
    "/authz/forward-auth",
    "/authz/ext-authz",
    "/authz/ext-authz/",
    "/authz/ext-authz/a/b?c",
    "/authz/ext-authz//../%2f;x",
    "/authz/ext-authz-role/admin",
    "/authz/ext-authz-role/admin/a/../b?role=user",
];

/// Each endpoint, asking for a role.
fn role_endpoints(role: &str) -> [String; 5] {
    [
        format!("/authz/auth-request?role={role}"),
        format!("/authz/forward-auth?role={role}"),
        format!("/authz/ext-authz-role/{role}"),
        format!("/authz/ext-authz-role/{role}/"),
        format!("/authz/ext-authz-role/{role}/a?role=admin"),
    ]
}

fn ask(auth: &AuthService, request: Request) -> Answer {
    auth.internal.send(request)
}

#[test]
fn every_door_lets_a_live_session_pass_with_any_method() {
    let auth = AuthService::start();
    let token = auth.token();
    for endpoint in ENDPOINTS {
        for method in ["GET", "HEAD", "POST", "OPTIONS", "DELETE", "PROPFIND", "REINFLATE"] {
            let answer = ask(&auth, Request::new(method, endpoint).token(&token)).expect(200);
            assert!(answer.body.is_empty(), "{endpoint} {answer:?}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{endpoint}");
            for name in IDENTITY {
                let values = answer.all(name);
                assert!(values.len() == 1 && !values[0].is_empty(), "{endpoint}: {answer:?}");
            }
        }
    }
}

#[test]
fn a_body_that_a_proxy_passes_on_changes_nothing() {
    let auth = AuthService::start();
    let token = auth.token();
    for endpoint in ENDPOINTS {
        let question = || Request::post(endpoint).body("application/json", "{\"token\":");
        ask(&auth, question().token(&token)).expect(200);
        ask(&auth, question()).expect(401);
    }
}

#[test]
fn no_door_wants_a_key() {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_INTERNAL_KEY", "0123456789abcdef"));
    let token = auth.token();
    for endpoint in ENDPOINTS {
        ask(&auth, Request::get(endpoint).bearer(&token)).expect(200);
        ask(&auth, Request::get(endpoint)).expect_problem(401, "missing_token");
    }
    ask(&auth, Request::post("/introspect").form("token=x")).expect(401);
}

#[test]
fn a_use_at_any_door_re_inflates() {
    let auth = AuthService::start();
    for endpoint in ENDPOINTS {
        let token = auth.token();
        ask(&auth, Request::get(endpoint).token(&token)).expect(200);
        assert_eq!(auth.look_at(&token)["session"]["refresh_count"], 1, "{endpoint}");
        let once = auth.mint(&token, &json!({"kind": "single_use"}));
        ask(&auth, Request::get(endpoint).token(&once)).expect(200);
        ask(&auth, Request::get(endpoint).token(&once)).expect_problem(401, "invalid_token");
    }
}

#[test]
fn what_is_no_live_token_is_401_at_every_door() {
    let auth = AuthService::start();
    let token = auth.token();
    let dead = auth.token();
    auth.logout(&dead);
    for endpoint in ENDPOINTS {
        ask(&auth, Request::get(endpoint))
            .expect_problem(401, "missing_token")
            .expect_challenge("Bearer realm=\"reinflate\"");
        for request in [
            Request::get(endpoint).token(&dead),
            Request::get(endpoint).token("nonsense"),
            Request::get(endpoint).token(""),
            Request::get(endpoint).token(&token).token(&token),
            Request::get(endpoint).bearer(&token).bearer(&token),
            Request::get(endpoint).token(&token).bearer(&dead),
            Request::get(endpoint)
                .token(&token)
                .header("Authorization", "Basic eDp5")
                .bearer(&token),
            Request::get(endpoint).header("Token", b"\xff\xfe"),
        ] {
            ask(&auth, request)
                .expect_problem(401, "invalid_token")
                .expect_challenge_error("invalid_token");
        }
        let cookies = format!("reinflate={token}; reinflate={dead}");
        ask(&auth, Request::get(endpoint).header("Cookie", cookies))
            .expect_problem(401, "missing_token");
        let query = if endpoint.contains('?') { "&token=" } else { "?token=" };
        ask(&auth, Request::get(&format!("{endpoint}{query}{token}")))
            .expect_problem(401, "missing_token");
    }
}

#[test]
fn a_role_is_the_one_that_the_session_acts_in() {
    let auth = AuthService::with_users();
    let admin = auth.token();
    let ann = auth.login(ANN, LONG_PASSWORD);
    let login = json!({"username": DEMO.0, "password": DEMO.1, "role": "user"});
    let acting = auth.public.send(Request::post("/login").json(&login)).expect(200).json();
    let acting = acting["token"].as_str().unwrap();
    for endpoint in role_endpoints("admin") {
        ask(&auth, Request::get(&endpoint).token(&admin)).expect(200);
        for token in [ann.as_str(), acting] {
            ask(&auth, Request::get(&endpoint).token(token))
                .expect_problem(403, "forbidden")
                .expect_challenge_error("insufficient_scope");
        }
        ask(&auth, Request::get(&endpoint)).expect(401);
    }
    for endpoint in role_endpoints("user") {
        ask(&auth, Request::get(&endpoint).token(&ann)).expect(200);
        ask(&auth, Request::get(&endpoint).token(&admin)).expect(403);
    }
    for role in ["Admin", "admin%20", "%61dmin%00", "admin,user", "%ff", "..", "adminx", "*"] {
        for endpoint in role_endpoints(role) {
            ask(&auth, Request::get(&endpoint).token(&admin)).expect(403);
        }
    }
    for endpoint in ["/authz/auth-request?role=", "/authz/forward-auth?role=admin&role=user"] {
        ask(&auth, Request::get(endpoint).token(&admin)).expect(403);
    }
}

#[test]
fn a_parameter_that_is_not_known_lets_nobody_pass() {
    let auth = AuthService::start();
    let token = auth.token();
    for endpoint in ["/authz/auth-request", "/authz/forward-auth"] {
        for query in [
            "Role=admin",
            "roles=admin",
            "role=admin&x",
            "rol",
            "=admin",
            "scopes=a",
            "external=1",
            "external=false",
        ] {
            let request = Request::get(&format!("{endpoint}?{query}"));
            ask(&auth, request.clone().token(&token)).expect_problem(403, "forbidden");
            ask(&auth, request).expect_problem(401, "missing_token");
        }
        for query in ["?", "?&", "?role=admin", "?%72ole=admin&", "?scope=a&external=true"] {
            ask(&auth, Request::get(&format!("{endpoint}{query}")).token(&token)).expect(200);
        }
    }
}

#[test]
fn envoys_query_is_the_clients_and_asks_for_nothing() {
    let auth = AuthService::with_users();
    let ann = auth.login(ANN, LONG_PASSWORD);
    ask(&auth, Request::get("/authz/ext-authz/a?role=admin").token(&ann)).expect(200);
    ask(&auth, Request::get("/authz/ext-authz?role=admin").token(&ann)).expect(200);
    ask(&auth, Request::get("/authz/ext-authz-role/admin/a?role=user").token(&ann)).expect(403);
}

#[test]
fn a_name_is_told_in_printable_ascii() {
    let auth = AuthService::with_users();
    let bob = auth.login_answer(BOB, LONG_PASSWORD);
    let path = format!("/api/v1/users/{}", bob["session"]["user"]["id"].as_str().unwrap());
    let bob = bob["token"].as_str().unwrap();
    for (first, last, encoded) in [
        (json!("Zoë"), json!("山 100%"), "Zo%C3%AB %E5%B1%B1 100%25"),
        (json!("Bob"), json!(""), "Bob"),
        (json!("a: b"), json!("\"c\""), "a: b \"c\""),
        (json!("A+B"), json!("%2B"), "A%2BB %252B"),
        (json!(" "), json!(""), BOB),
    ] {
        let names = json!({"first_name": first, "last_name": last});
        auth.public.send(Request::put(&path).bearer(bob).json(&names)).expect(200);
        let token = auth.login(BOB, LONG_PASSWORD);
        let answer = ask(&auth, Request::get("/authz/forward-auth").token(&token)).expect(200);
        assert_eq!(answer.header("remote-name"), Some(encoded), "{answer:?}");
    }
}

#[test]
fn nginx_gets_no_redirect_and_the_others_do() {
    let auth = AuthService::start();
    let browser = |endpoint: &str| {
        Request::get(endpoint)
            .header("Accept", "text/html")
            .header("Host", "app.example.com")
            .header("X-Forwarded-Proto", "https")
            .header("X-Forwarded-Host", "app.example.com")
            .header("X-Forwarded-Uri", "/a?b")
    };
    for endpoint in ENDPOINTS {
        let answer = ask(&auth, browser(endpoint));
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{endpoint}");
        if endpoint == "/authz/auth-request" {
            let answer = answer.expect(401);
            assert_eq!(answer.header("location"), None);
            assert!(
                answer.header("x-auth-login").is_some_and(|login| login.contains("/login?next="))
            );
        } else {
            let answer = answer.expect(302);
            let login = "http://localhost:8080/login?next=https%3A%2F%2Fapp.example.com%2F";
            assert!(
                answer.header("location").is_some_and(|to| to.starts_with(login)),
                "{answer:?}"
            );
            assert!(answer.body.is_empty());
        }
        let script = browser(endpoint).header("X-Requested-With", "XMLHttpRequest");
        assert_eq!(ask(&auth, script).expect(401).header("location"), None);
    }
}

#[test]
fn a_bound_session_is_held_to_the_client_that_a_trusted_proxy_names() {
    let launch = Launch::auth().var("AUTH_BIND_SESSIONS", "ip,user-agent");
    let trusting = AuthService::launch(&launch.clone().var("AUTH_TRUSTED_PROXIES", "127.0.0.1"));
    let from = |request: Request, ip: &str, agent: &str| {
        request.header("X-Forwarded-For", ip).header("User-Agent", agent)
    };
    let login = |auth: &AuthService| {
        let request = from(Request::post("/login"), "203.0.113.9", "kettle/1.0");
        let answer = auth.public.send(request.basic(DEMO.0, DEMO.1)).expect(200).json();
        answer["token"].as_str().unwrap().to_owned()
    };
    for endpoint in ENDPOINTS {
        for (ip, agent) in [("198.51.100.7", "kettle/1.0"), ("203.0.113.9", "teapot/2.0")] {
            let token = login(&trusting);
            let question = || Request::get(endpoint).token(&token);
            ask(&trusting, from(question(), "203.0.113.9", "kettle/1.0")).expect(200);
            ask(&trusting, from(question(), ip, agent)).expect_problem(401, "invalid_token");
            ask(&trusting, from(question(), "203.0.113.9", "kettle/1.0")).expect(401);
        }
    }
    let wary = AuthService::launch(&launch);
    let token = login(&wary);
    let claimed = from(Request::get(ENDPOINTS[0]).token(&token), "198.51.100.7", "kettle/1.0");
    ask(&wary, claimed).expect(200);
}

#[test]
fn the_doors_are_on_the_internal_listener_only() {
    let auth = AuthService::start();
    let token = auth.token();
    for endpoint in ENDPOINTS.into_iter().chain(["/authz/check"]) {
        auth.public.send(Request::get(endpoint).token(&token)).expect_problem(404, "not_found");
    }
}

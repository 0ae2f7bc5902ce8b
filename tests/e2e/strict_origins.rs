//! What no other origin may do, whatever the settings allow it: mint, take up another role, and all
//! that acts as an admin. By cookie and by bearer token alike.

use serde_json::json;

use crate::harness::{ANN, Answer, AuthService, LONG_PASSWORD, Launch, Request};

const ALLOWED: &str = "https://spa.example";
const REDIRECT: &str = "https://app.example";
const FOREIGN: &str = "https://evil.example";

/// From where a request is sent: its headers.
const SENDERS: [(&str, &[(&str, &str)]); 7] = [
    ("program", &[]),
    ("own page", &[("Sec-Fetch-Site", "same-origin")]),
    ("allowed", &[("Origin", ALLOWED), ("Sec-Fetch-Site", "cross-site")]),
    ("allowed, old browser", &[("Origin", ALLOWED)]),
    ("redirect", &[("Origin", REDIRECT), ("Sec-Fetch-Site", "same-site")]),
    ("foreign", &[("Origin", FOREIGN), ("Sec-Fetch-Site", "cross-site")]),
    ("foreign, old browser", &[("Origin", FOREIGN)]),
];

fn start() -> AuthService {
    let launch =
        Launch::auth().var("AUTH_ALLOWED_ORIGINS", ALLOWED).var("AUTH_REDIRECT_ORIGINS", REDIRECT);
    AuthService::launch_with_users(launch)
}

/// What is refused from other origins: any request of the kind, without a credential.
fn strict() -> Vec<Request> {
    let id = "019a0000-0000-7000-8000-000000000000";
    let mut requests = vec![
        Request::post("/tokens").json(&json!({"name": "x"})),
        Request::post("/api/v1/users")
            .json(&json!({"email": "new@example.com", "password": LONG_PASSWORD})),
        Request::put("/api/v1/users/me").json(&json!({"first_name": "x"})),
        Request::put(&format!("/api/v1/users/{id}")).json(&json!({"roles": ["admin"]})),
        Request::put("/api/v1/users/me/password").json(&json!({})),
        Request::delete(&format!("/api/v1/users/{id}")),
        Request::delete(&format!("/api/v1/users/{id}/sessions")),
        Request::delete("/api/v1/sessions"),
        Request::delete("/api/v1/sessions?user=0193"),
        Request::post("/admin/sessions/end").form("all=true"),
        Request::new("PATCH", "/api/v1/sessions"),
        Request::post("/api/v1/stats"),
        Request::post("/admin/users").form("email=a"),
        Request::post("/account/tokens").form("name=a"),
        Request::post("/account/sessions/end-others").form(""),
    ];
    for action in ["disable", "enable", "delete", "roles", "end-sessions"] {
        requests.push(Request::post(&format!("/admin/users/{id}/{action}")).form("roles=admin"));
    }
    requests
}

fn sent(auth: &AuthService, request: Request, headers: &[(&str, &str)]) -> Answer {
    let add = |request: Request, (name, value): &(&str, &str)| request.header(name, value);
    auth.public.send(headers.iter().fold(request, add))
}

fn is_cross_site(answer: &Answer) -> bool {
    answer.status == 403 && answer.text().contains("cross_site_request")
}

#[test]
fn minting_accounts_and_admin_paths_are_refused_to_every_other_origin() {
    let auth = start();
    let tokens = [auth.token(), auth.login(ANN, LONG_PASSWORD)];
    for (sender, headers) in SENDERS.iter().skip(2) {
        for token in &tokens {
            for carry in [Request::bearer, Request::cookie, Request::token] {
                for request in strict() {
                    let answer = sent(&auth, carry(request, token), headers);
                    assert!(is_cross_site(&answer), "{sender}: {answer:?}");
                    let allowed = answer.header("access-control-allow-origin");
                    assert_eq!(allowed, None, "{sender}: {answer:?}");
                }
            }
        }
    }
    assert_eq!(auth.session(&tokens[0]).expect(200).json()["refresh_count"], 1, "no use was made");
}

#[test]
fn what_programs_and_our_own_pages_send_is_not_held_back() {
    let auth = start();
    let (admin, user) = (auth.token(), auth.login(ANN, LONG_PASSWORD));
    for (sender, headers) in &SENDERS[..2] {
        for token in [&admin, &user] {
            for carry in [Request::bearer, Request::cookie] {
                for request in strict() {
                    let answer = sent(&auth, carry(request, token), headers);
                    assert!(!is_cross_site(&answer), "{sender}: {answer:?}");
                }
                // Some of those end sessions or change the account: begin anew.
                let minted = Request::post("/tokens").json(&json!({"name": "x"}));
                let token = auth.login(ANN, LONG_PASSWORD);
                sent(&auth, carry(minted, &token), headers).expect(201);
            }
        }
    }
}

/// Routes that named origins may use, as long as no admin acts: what comes of them for a user.
fn open() -> [(Request, u16); 4] {
    let id = "019a0000-0000-7000-8000-000000000000";
    [
        (Request::post("/session/rotate"), 200),
        (Request::post("/session/rotate").json(&json!({"role": "user"})), 200),
        (Request::delete(&format!("/sessions/{id}")), 404),
        (Request::delete("/sessions"), 204),
    ]
}

#[test]
fn whatever_acts_as_an_admin_is_refused_to_named_origins_and_a_user_is_not() {
    let auth = start();
    for (sender, headers) in SENDERS {
        let foreign = sender.starts_with("foreign");
        let named = !foreign && headers.iter().any(|(name, _)| *name == "Origin");
        for (nth, (_, expected)) in open().into_iter().enumerate() {
            for carry in [Request::bearer, Request::cookie] {
                let request = || open()[nth].0.clone();
                let user = auth.login(ANN, LONG_PASSWORD);
                let answer = sent(&auth, carry(request(), &user), headers);
                assert_eq!(is_cross_site(&answer), foreign, "{sender}: {answer:?}");
                assert!(foreign || answer.status == expected, "{sender}: {answer:?}");
                let admin = auth.token();
                let answer = sent(&auth, carry(request(), &admin), headers);
                assert_eq!(is_cross_site(&answer), foreign || named, "{sender}: {answer:?}");
                if foreign || named {
                    auth.session(&admin).expect(200);
                }
            }
        }
    }
}

#[test]
fn another_role_is_taken_up_from_our_own_pages_only() {
    let auth = start();
    let admin = auth.token();
    auth.users_command(&["roles", ANN, "user,editor"]);
    for (sender, headers) in SENDERS {
        let own = !headers.iter().any(|(name, _)| *name == "Origin");
        for carry in [Request::bearer, Request::cookie] {
            let rotate = |role| Request::post("/session/rotate").json(&json!({"role": role}));
            let user = auth.login(ANN, LONG_PASSWORD);
            for other in ["editor", "nonsense", "admin"] {
                let answer = sent(&auth, carry(rotate(other), &user), headers);
                let expected = if own && other == "editor" { 200 } else { 403 };
                assert_eq!(answer.status, expected, "{sender} to {other}: {answer:?}");
                assert_eq!(is_cross_site(&answer), !own, "{sender} to {other}: {answer:?}");
                if expected == 200 {
                    break;
                }
            }
        }
    }
    auth.session(&admin).expect(200);
}

#[test]
fn logging_in_and_out_and_revoking_stay_open_to_named_origins_for_admins_too() {
    let auth = start();
    for (sender, headers) in SENDERS.iter().filter(|(sender, _)| !sender.starts_with("foreign")) {
        for carry in [Request::bearer, Request::cookie] {
            let logout = carry(Request::post("/logout"), &auth.token());
            assert_eq!(sent(&auth, logout, headers).status, 204, "{sender}");
        }
        let form = format!("token={}", auth.token());
        sent(&auth, Request::post("/revoke").form(&form), headers).expect(200);
        let form = "username=jsf.fusco%40gmail.com&password=postman";
        sent(&auth, Request::post("/login").form(form), headers).expect(303);
    }
}

#[test]
fn no_preflight_for_any_of_it_succeeds() {
    let auth = start();
    for origin in [ALLOWED, REDIRECT, FOREIGN] {
        for path in [
            "/tokens",
            "/api/v1/users",
            "/api/v1/users/me",
            "/api/v1/users/me/password",
            "/api/v1/users/me/sessions",
            "/api/v1/users/me/nothing",
            "/api/v1/users-more",
            "/api/v1/sessions",
            "/api/v1/stats",
            "/admin/users",
            "/admin/nothing",
            "/account",
            "/account/tokens",
        ] {
            for method in ["POST", "DELETE", "GET"] {
                let preflight = Request::new("OPTIONS", path)
                    .header("Origin", origin)
                    .header("Access-Control-Request-Method", method)
                    .header("Access-Control-Request-Headers", "authorization");
                let answer = auth.public.send(preflight);
                assert!(answer.status >= 400, "{origin} {path}: {answer:?}");
                let cors =
                    answer.headers.iter().any(|(name, _)| name.starts_with("access-control"));
                assert!(!cors, "{origin} {path}: {answer:?}");
            }
        }
    }
}

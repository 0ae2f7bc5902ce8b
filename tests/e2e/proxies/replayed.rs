//! What Traefik and Envoy send by their documentation, for those who have neither at hand.

use crate::harness::{AuthService, Launch, Request};

fn start() -> AuthService {
    let launch = Launch::auth()
        .var("AUTH_PUBLIC_URL", "https://app.example.com")
        .var("AUTH_TRUSTED_PROXIES", "127.0.0.1");
    AuthService::launch(&launch)
}

/// Traefik's `forwardAuth`: GET whatever was asked for, the client's headers, and what was asked for
/// in `X-Forwarded-Method`, `-Proto`, `-Host`, `-Uri` and `-For`.
fn traefik(method: &str, uri: &str) -> Request {
    Request::get("/authz/forward-auth")
        .header("User-Agent", "Mozilla/5.0")
        .header("Accept-Encoding", "gzip")
        .header("X-Forwarded-For", "203.0.113.9")
        .header("X-Forwarded-Host", "app.example.com")
        .header("X-Forwarded-Method", method)
        .header("X-Forwarded-Port", "443")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Server", "edge")
        .header("X-Forwarded-Uri", uri)
        .header("X-Real-Ip", "203.0.113.9")
}

/// Envoy's `ext_authz` over HTTP: the method itself, the path behind the prefix, the host itself, an
/// empty body, and of the client's headers those that the configuration allows.
fn envoy(method: &str, endpoint: &str, path: &str) -> Request {
    Request::new(method, &format!("{endpoint}{path}"))
        .header("Host", "app.example.com")
        .header("Content-Length", "0")
        .header("X-Forwarded-For", "203.0.113.9")
        .header("X-Forwarded-Proto", "https")
        .header("X-Envoy-Internal", "true")
        .header("X-Request-Id", "8d1c0b7e-0000-4000-8000-000000000000")
}

const PAGE: (&str, &str) = ("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
const LOGIN: &str = "https://app.example.com/login?next=https%3A%2F%2Fapp.example.com%2Fa%3Fb%3Dc";

#[test]
fn traefik_gets_the_answers_that_it_acts_on() {
    let auth = start();
    let token = auth.token();
    for method in ["GET", "POST", "PROPFIND"] {
        let answer = auth.internal.send(traefik(method, "/a?b=c").cookie(&token)).expect(200);
        assert!(answer.header("remote-user").is_some() && answer.body.is_empty());
        auth.internal.send(traefik(method, "/a?b=c")).expect_problem(401, "missing_token");
    }
    let answer = auth.internal.send(traefik("GET", "/a?b=c").header(PAGE.0, PAGE.1)).expect(302);
    assert_eq!(answer.header("location"), Some(LOGIN));
    auth.internal.send(traefik("POST", "/a?b=c").header(PAGE.0, PAGE.1)).expect(401);
    let socket =
        traefik("GET", "/a").header("Connection", "Upgrade").header("Upgrade", "websocket");
    auth.internal.send(socket).expect(401);
}

#[test]
fn envoy_gets_the_answers_that_it_acts_on() {
    let auth = start();
    let token = auth.token();
    for endpoint in ["/authz/ext-authz", "/authz/ext-authz-role/admin"] {
        for method in ["GET", "POST", "PUT", "DELETE", "PROPFIND"] {
            let answer =
                auth.internal.send(envoy(method, endpoint, "/a?b=c").cookie(&token)).expect(200);
            assert!(answer.header("remote-user").is_some() && answer.body.is_empty());
            assert!(
                auth.internal
                    .send(envoy(method, endpoint, "/a?b=c"))
                    .expect(401)
                    .header("location")
                    .is_none()
            );
        }
        let page = envoy("GET", endpoint, "/a?b=c").header(PAGE.0, PAGE.1);
        assert_eq!(
            auth.internal.send(page).expect(302).header("location"),
            Some(LOGIN),
            "{endpoint}"
        );
        let page = envoy("POST", endpoint, "/a?b=c").header(PAGE.0, PAGE.1);
        auth.internal.send(page).expect(401);
    }
    auth.internal.send(envoy("GET", "/authz/ext-authz-role/user", "/a").cookie(&token)).expect(403);
}

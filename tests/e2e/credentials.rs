//! How a request carries its token: one of three ways, the same at both services.

use crate::harness::{Answer, AuthService, BusinessService, Listener, Request, is_alive};

struct BothServices {
    auth: AuthService,
    business: BusinessService,
}

impl BothServices {
    fn start() -> Self {
        let auth = AuthService::start();
        let business = BusinessService::start(&auth);
        Self { auth, business }
    }

    /// The answers of each service to the same headers.
    fn send_to_all(&self, headers: impl Fn(Request) -> Request) -> [Answer; 2] {
        let send = |listener: Listener, path: &str| listener.send(headers(Request::get(path)));
        [send(self.auth.public, "/session"), send(self.business.public, "/data")]
    }

    #[track_caller]
    fn expect(&self, status: u16, headers: impl Fn(Request) -> Request) {
        for answer in self.send_to_all(headers) {
            answer.expect(status);
        }
    }

    #[track_caller]
    fn expect_problem(&self, status: u16, code: &str, headers: impl Fn(Request) -> Request) {
        for answer in self.send_to_all(headers) {
            answer.expect_problem(status, code);
        }
    }
}

#[test]
fn each_of_the_three_ways_is_good() {
    let services = BothServices::start();
    let token = services.auth.token();
    services.expect(200, |request| request.token(&token));
    services.expect(200, |request| request.bearer(&token));
    services.expect(200, |request| request.cookie(&token));
    services.expect(200, |request| request.header("Authorization", format!("bEARER {token}")));
    services.expect(200, |request| request.header("ToKeN", &token));
}

#[test]
fn no_token_is_a_missing_one() {
    let services = BothServices::start();
    for answer in services.send_to_all(|request| request) {
        let answer = answer.expect_problem(401, "missing_token");
        let answer = answer.expect_challenge(r#"Bearer realm="reinflate""#);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[test]
fn a_dead_token_is_an_invalid_one() {
    let services = BothServices::start();
    let dead = services.auth.token();
    services.auth.logout(&dead);
    for token in [dead.as_str(), "nonsense"] {
        for answer in services.send_to_all(|request| request.bearer(token)) {
            let answer = answer.expect_problem(401, "invalid_token");
            let answer = answer.expect_challenge_error("invalid_token");
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.contains("error_description=\""), "{answer:?}");
            assert!(!answer.text().contains(token), "{answer:?}");
        }
    }
}

#[test]
fn two_headers_with_different_tokens_and_one_given_twice_are_an_invalid_request() {
    let services = BothServices::start();
    let tokens = services.auth.tokens(2);
    services.expect_problem(400, "invalid_request", |request| {
        request.token(&tokens[0]).bearer(&tokens[1])
    });
    services
        .expect_problem(400, "invalid_request", |request| request.token("x").bearer(&tokens[1]));
    services.expect_problem(400, "invalid_request", |request| {
        request.token(&tokens[0]).token(&tokens[0])
    });
    services.expect(200, |request| request.token(&tokens[0]).bearer(&tokens[0]));
    let verdict = services.auth.look_at(&tokens[1]);
    assert_eq!(verdict["session"]["refresh_count"], 0, "what is refused is no use");
}

#[test]
fn a_token_in_the_query_is_never_read() {
    let services = BothServices::start();
    let token = services.auth.token();
    for name in ["token", "access_token", "Authorization", "reinflate"] {
        let query = format!("?{name}={token}");
        let session = services.auth.public.get(&format!("/session{query}"));
        session.expect_problem(401, "missing_token");
        let data = services.business.public.get(&format!("/data{query}"));
        data.expect_problem(401, "missing_token");
    }
    assert_eq!(services.auth.look_at(&token)["session"]["refresh_count"], 0);
}

#[test]
fn a_value_that_is_no_token_at_all_is_a_refusal_and_no_failure() {
    let services = BothServices::start();
    for value in [b"\xff\xfe".as_slice(), b"", b" ", "é".as_bytes(), &[b'x'; 8_000]] {
        for answer in services.send_to_all(|request| request.header("token", value)) {
            assert!(matches!(answer.status, 400 | 401), "{value:?}: {answer:?}");
        }
        let bearer = [b"Bearer ", value].concat();
        for answer in services.send_to_all(|request| request.header("Authorization", &bearer)) {
            assert!(matches!(answer.status, 400 | 401), "{value:?}: {answer:?}");
        }
    }
    assert!(is_alive(&services.auth.validate(&services.auth.token())));
}

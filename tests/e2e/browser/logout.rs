//! Logging out by a form: always to the login, the cookie taken away, the session dead.

use crate::browser::visitor::{Visitor, form};
use crate::harness::{AuthService, DEMO, Launch, Request, is_alive};

const CLEARED: &str = "reinflate=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0";

#[test]
fn the_button_ends_the_session_and_leads_to_the_login() {
    let auth = AuthService::start();
    let mut visitor = Visitor::of(auth.public);
    let token = visitor.log_in(DEMO.0, DEMO.1).token().to_owned();
    let answer = visitor.post("/logout", &[]).expect(303);
    assert_eq!(answer.all("location"), ["/login"]);
    assert_eq!(answer.all("set-cookie"), [CLEARED]);
    assert_eq!(answer.all("cache-control"), ["no-store"]);
    assert!(!is_alive(&auth.validate(&token)));
    assert_eq!(visitor.get("/account").expect(303).all("location"), ["/login?next=%2Faccount"]);
}

#[test]
fn without_a_session_it_leads_there_as_well() {
    let auth = AuthService::start();
    let mut visitor = Visitor::of(auth.public);
    for cookie in [None, Some("made-up"), Some(auth.token().as_str())] {
        visitor.cookie = cookie.map(|token| ("reinflate".to_owned(), token.to_owned()));
        if let Some(token) = cookie {
            auth.public.send(Request::post("/logout").bearer(token)).expect(204);
        }
        let answer = visitor.post("/logout", &[]).expect(303);
        assert_eq!(answer.all("location"), ["/login"]);
        assert_eq!(answer.all("set-cookie"), [CLEARED]);
    }
}

#[test]
fn the_cookie_goes_with_the_attributes_it_came_with() {
    let launch =
        Launch::auth().var("AUTH_COOKIE_SECURE", "true").var("AUTH_COOKIE_DOMAIN", "example.com");
    let auth = AuthService::launch(&launch);
    let answer = Visitor::of(auth.public).post("/logout", &[]).expect(303);
    assert_eq!(
        answer.all("set-cookie"),
        [
            "__Secure-reinflate=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0; Domain=example.com; Secure"
        ]
    );
}

#[test]
fn a_program_is_answered_as_a_program() {
    let auth = AuthService::start();
    auth.public.send(Request::post("/logout")).expect_problem(401, "missing_token");
    let in_header = Request::post("/logout").bearer(&auth.token()).header("Accept", "text/html");
    auth.public.send(in_header).expect(204);
    let in_cookie = Request::post("/logout").cookie(&auth.token());
    let answer = auth.public.send(in_cookie).expect(204);
    assert_eq!(answer.all("set-cookie"), [CLEARED]);
}

#[test]
fn a_form_leads_to_the_login_whatever_it_carries() {
    let auth = AuthService::start();
    let token = auth.token();
    for request in
        [form("/logout", &[]), form("/logout", &[]).bearer(&token), form("/logout", &[]).token("x")]
    {
        let answer = auth.public.send(request).expect(303);
        assert_eq!(answer.all("location"), ["/login"]);
    }
    assert!(!is_alive(&auth.validate(&token)));
}

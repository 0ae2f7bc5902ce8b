//! The form login: the cookie it sets, the page it shows again, the session it takes the place of.

use crate::browser::visitor::Visitor;
use crate::harness::{ANN, AuthService, BOB, DEMO, LONG_PASSWORD, Launch, is_alive};

const UNKNOWN: &str = "nobody@example.com";

/// The whole `Set-Cookie` of a form login, with `TOKEN` in the place of the token.
fn cookie_line(launch: &Launch) -> String {
    let auth = AuthService::launch(launch);
    let mut visitor = Visitor::of(auth.public);
    let answer = visitor.post("/login", &[("username", DEMO.0), ("password", DEMO.1)]).expect(303);
    assert_eq!(answer.all("location"), ["/account"]);
    assert_eq!(answer.all("cache-control"), ["no-store"]);
    assert!(answer.body.is_empty(), "{answer:?}");
    let token = visitor.token();
    assert_eq!((token.len(), &token[..4]), (64, "rfl_"));
    let lines = answer.all("set-cookie");
    assert_eq!(lines.len(), 1, "{answer:?}");
    lines[0].replace(token, "TOKEN")
}

#[test]
fn the_cookie_has_its_attributes_byte_for_byte() {
    let launch = || Launch::auth();
    assert_eq!(
        cookie_line(&launch()),
        "reinflate=TOKEN; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000"
    );
    let secure = launch().var("AUTH_COOKIE_SECURE", "true");
    assert_eq!(
        cookie_line(&secure),
        "__Host-reinflate=TOKEN; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000; Secure"
    );
    assert_eq!(
        cookie_line(&secure.var("AUTH_COOKIE_DOMAIN", "example.com")),
        "__Secure-reinflate=TOKEN; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000; \
         Domain=example.com; Secure"
    );
    assert_eq!(
        cookie_line(
            &launch().var("AUTH_SESSION_MAX_LIFETIME", "2h").var("AUTH_COOKIE_NAME", "sid")
        ),
        "sid=TOKEN; Path=/; HttpOnly; SameSite=Lax; Max-Age=7200"
    );
}

#[test]
fn a_use_of_the_session_needs_no_new_cookie() {
    let auth = AuthService::start();
    let mut visitor = Visitor::of(auth.public);
    visitor.log_in(DEMO.0, DEMO.1);
    for page in ["/account", "/account", "/admin/users"] {
        let answer = visitor.get(page).expect(200);
        assert_eq!(answer.all("set-cookie"), [""; 0], "{answer:?}");
    }
    let seen = auth.look_at(visitor.token());
    assert_eq!(seen["session"]["transport"], "cookie");
    assert_eq!(seen["session"]["refresh_count"], 3);
}

#[test]
fn a_wrong_login_shows_the_page_again_and_keeps_the_name() {
    let auth = AuthService::with_users();
    auth.users_command(&["disable", BOB]);
    let mut visitor = Visitor::of(auth.public);
    let mut bodies = Vec::new();
    for (name, password) in [(ANN, "wrong wrong wrong"), (UNKNOWN, "x"), (BOB, LONG_PASSWORD)] {
        let fields = [("username", name), ("password", password), ("next", "/account?a=1")];
        let answer = visitor.post("/login", &fields).expect(401);
        assert_eq!(answer.all("content-type"), ["text/html; charset=utf-8"]);
        assert_eq!(answer.all("www-authenticate"), ["Bearer realm=\"reinflate\""]);
        assert_eq!(answer.all("set-cookie"), [""; 0]);
        let page = answer.text();
        assert!(page.contains("is wrong, or the account is disabled"), "{page}");
        assert!(page.contains(&format!("name=\"username\" value=\"{name}\"")), "{page}");
        assert!(page.contains("name=\"next\" value=\"/account?a=1\""), "{page}");
        assert!(!page.contains(password) || password == "x", "{page}");
        bodies.push(page.replace(name, "NAME"));
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "the page tells users apart");
}

#[test]
fn html_in_what_was_typed_is_text() {
    let auth = AuthService::start();
    let evil = "\"><script>alert(1)</script>'&";
    let fields = [("username", evil), ("password", "x"), ("next", evil), ("role", evil)];
    let page = Visitor::of(auth.public).post("/login", &fields).expect(401).text();
    assert!(!page.contains("<script") && !page.contains("\"><"), "{page}");
    let escaped = "&#34;&#62;&#60;script&#62;alert(1)&#60;/script&#62;&#39;&#38;";
    assert_eq!(page.matches(escaped).count(), 4, "{page}");
}

#[test]
fn a_throttled_login_tells_the_wait() {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_LOGIN_ATTEMPTS", "2/10m"));
    let mut visitor = Visitor::of(auth.public);
    let mut attempt =
        |password| visitor.post("/login", &[("username", DEMO.0), ("password", password)]);
    attempt("wrong").expect(401);
    attempt("wrong").expect(401);
    let answer = attempt(DEMO.1).expect(429);
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((240..=300).contains(&wait), "{answer:?}");
    let page = answer.text();
    assert!(
        page.contains("Too many attempts. Try again in 4 min") || page.contains("in 5 min"),
        "{page}"
    );
    assert!(page.contains(DEMO.0), "{page}");
}

#[test]
fn a_form_login_ends_the_session_that_it_came_with() {
    let auth = AuthService::with_users();
    let mut visitor = Visitor::of(auth.public);
    auth.keep_secret(LONG_PASSWORD);
    auth.keep_secret(DEMO.1);
    visitor.log_in(ANN, LONG_PASSWORD);
    let planted = visitor.token().to_owned();
    auth.keep_token_secret(&planted);
    visitor.log_in(DEMO.0, DEMO.1);
    assert_ne!(visitor.token(), planted);
    assert!(!is_alive(&auth.validate(&planted)));
    assert!(is_alive(&auth.validate(visitor.token())));

    let before = visitor.token().to_owned();
    visitor.post("/login", &[("username", DEMO.0), ("password", "wrong")]).expect(401);
    assert!(is_alive(&auth.validate(&before)), "a failed login ends nothing");
    let elsewhere = auth.token();
    visitor.log_in(DEMO.0, DEMO.1);
    assert!(is_alive(&auth.validate(&elsewhere)), "other sessions live on");
}

#[test]
fn a_form_may_ask_for_a_role() {
    let auth = AuthService::start();
    let mut visitor = Visitor::of(auth.public);
    let fields = [("username", DEMO.0), ("password", DEMO.1), ("role", "user")];
    visitor.post("/login", &fields).expect(303);
    visitor.get("/admin/users").expect(403);
    let page = visitor.get("/account").expect(200).text();
    assert!(page.contains("/login?next=%2Fadmin%2Fusers&amp;role=admin"), "{page}");
    let fields = [("username", DEMO.0), ("password", DEMO.1), ("role", "pope")];
    let page = visitor.post("/login", &fields).expect(403).text();
    assert!(page.contains("does not have this role"), "{page}");
}

#[test]
fn a_form_with_a_field_missing_or_twice_is_malformed() {
    let auth = AuthService::start();
    let mut visitor = Visitor::of(auth.public);
    for fields in [
        &[("username", DEMO.0)][..],
        &[("password", DEMO.1)],
        &[("username", DEMO.0), ("password", DEMO.1), ("password", DEMO.1)],
        &[("username", DEMO.0), ("email", DEMO.0), ("password", DEMO.1)],
        &[("username", DEMO.0), ("password", DEMO.1), ("next", "/a"), ("next", "/b")],
    ] {
        let answer = visitor.post("/login", fields).expect(400);
        assert_eq!(answer.all("set-cookie"), [""; 0], "{fields:?}");
    }
    let long = "x".repeat(17 * 1024);
    visitor.post("/login", &[("username", DEMO.0), ("password", &long)]).expect(413);
}

#[test]
fn a_thousand_anonymous_views_open_no_session() {
    let auth = AuthService::start();
    auth.token();
    let before = auth.metric("auth_sessions_active");
    let mut visitor = Visitor::of(auth.public);
    for at in 0..1000 {
        let target = ["/login", "/account", "/login?next=/account", "/nowhere"][at % 4];
        let answer = visitor.get(target);
        assert_eq!(answer.all("set-cookie"), [""; 0], "{answer:?}");
    }
    assert_eq!(before, Some(1.0));
    assert_eq!(auth.metric("auth_sessions_active"), before);
}

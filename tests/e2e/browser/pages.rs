//! The headers of all pages, byte for byte, and that none of them needs a script.

use crate::browser::visitor::Visitor;
use crate::harness::{Answer, AuthService, BusinessService, DEMO, Launch, Listener};

#[track_caller]
fn check(answer: &Answer, form_action: &str) {
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action {form_action}; frame-ancestors 'none'; \
         base-uri 'none'"
    );
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", policy.as_str()),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(answer.all(name), [value], "{name}: {answer:?}");
    }
    let page = answer.text();
    let lower = page.to_lowercase();
    for bad in ["<script", "javascript:", " on", "style=", "<style", "<img", "<base", "<iframe"] {
        let found = match bad {
            " on" => {
                lower.contains(" onclick")
                    || lower.contains(" onload")
                    || lower.contains(" onsubmit")
            }
            _ => lower.contains(bad),
        };
        assert!(!found, "{bad} in {page}");
    }
    assert!(page.contains("<html lang=\"en\">") && page.contains("width=device-width"), "{page}");
}

#[test]
fn all_pages_of_the_auth_service_have_their_headers() {
    let origins = "https://app.example,http://localhost:8090";
    let auth = AuthService::launch(&Launch::auth().var("AUTH_REDIRECT_ORIGINS", origins));
    let mut visitor = Visitor::of(auth.public);
    let targets = "'self' https://app.example http://localhost:8090";
    check(&visitor.get("/login").expect(200), targets);
    check(&visitor.post("/login", &[("username", "x"), ("password", "y")]).expect(401), targets);
    visitor.log_in(DEMO.0, DEMO.1);
    for page in ["/account", "/admin/users", "/admin/users/new"] {
        check(&visitor.get(page).expect(200), targets);
    }
    let token = [("name", "x"), ("kind", "fixed"), ("ttl", "1h")];
    check(&visitor.post("/account/tokens", &token).expect(201), targets);
    let users = visitor.get("/admin/users").text();
    let (_, path) = users.split_once("<h3><a href=\"").unwrap();
    let path = path.split('"').next().unwrap().to_owned();
    check(&visitor.get(&path).expect(200), targets);
    check(&visitor.get(&format!("{path}/delete")).expect(200), targets);
    check(&visitor.get("/nowhere").expect(404), "'self'");
}

#[test]
fn all_pages_of_the_business_service_have_their_headers() {
    let auth = AuthService::start();
    let launch = Launch::business(auth.internal.port)
        .var("BUSINESS_LOGIN_URL", "https://auth.example/login");
    let business = BusinessService::launch(&launch);
    let mut visitor = Visitor::of(auth.public);
    visitor.log_in(DEMO.0, DEMO.1);
    let mut visitor = visitor.at(business.public);
    for page in ["/dashboard", "/protected", "/notes"] {
        check(&visitor.get(page).expect(200), "'self' https://auth.example");
    }
    check(&visitor.get("/nowhere").expect(404), "'self'");
}

#[test]
fn an_error_page_names_the_request() {
    let auth = AuthService::start();
    let answer = Visitor::of(auth.public).get("/nowhere").expect(404);
    let id = answer.header("x-request-id").unwrap();
    assert!(answer.text().contains(id), "{answer:?}");
}

#[test]
fn the_style_sheet_is_ours_and_the_same_everywhere() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    let sheet = |listener: Listener| {
        let page = Visitor::of(listener).get("/nowhere").text();
        let (_, href) = page.split_once("rel=\"stylesheet\" href=\"").unwrap();
        let answer = listener.get(href.split('"').next().unwrap()).expect(200);
        assert_eq!(answer.all("content-type"), ["text/css; charset=utf-8"]);
        answer.text()
    };
    let css = sheet(auth.public);
    assert_eq!(css, sheet(business.public));
    assert!(css.contains("prefers-color-scheme: dark") && !css.contains("url("), "{css}");
}

#[test]
fn a_countdown_takes_as_long_as_it_says_and_nothing_else() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    let css = business.public.get("/countdown.css?seconds=30").expect(200);
    assert_eq!(css.text(), ":root { --seconds: 30 }\n");
    for bad in ["", "?seconds=", "?seconds=x", "?seconds=1}*{}", "?seconds=-1"] {
        business.public.get(&format!("/countdown.css{bad}")).expect(404);
    }
    let mut visitor = Visitor::of(auth.public);
    visitor.log_in(DEMO.0, DEMO.1);
    let page = visitor.at(business.public).get("/dashboard").expect(200).text();
    assert!(page.contains("href=\"/countdown.css?seconds=30\""), "{page}");
}

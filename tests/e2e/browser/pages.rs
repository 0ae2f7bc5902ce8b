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
fn an_error_page_leads_on_to_a_page_of_ours_and_at_a_door_nowhere() {
    let auth = AuthService::start();
    let mut visitor = Visitor::of(auth.public);
    let page = visitor.get("/nowhere").expect(404).text();
    assert!(page.contains("<a href=\"/account\">Your account</a>"), "{page}");
    let page = visitor.get("/session").expect(401).text();
    assert!(page.contains("<a href=\"/login\">Log in</a>"), "{page}");
    let page = Visitor::of(auth.internal).get("/authz/auth-request").expect(401).text();
    assert!(page.contains("<h1>") && !page.contains("<a "), "{page}");
}

#[test]
fn the_length_of_a_new_password_is_told_before_it_is_typed() {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_PASSWORD_MIN_LENGTH", "12"));
    let mut visitor = Visitor::of(auth.public);
    visitor.log_in(DEMO.0, DEMO.1);
    for path in ["/account", "/admin/users/new"] {
        let page = visitor.get(path).expect(200).text();
        assert!(page.contains("id=\"password-hint\">12 to 128 characters."), "{page}");
        let (_, field) = page.split_once("id=\"new-password\"").unwrap();
        let field = field.split('>').next().unwrap();
        assert!(field.contains("aria-describedby=\"password-hint\""), "{field}");
        assert!(!field.contains("maxlength"), "what is pasted is never cut: {field}");
    }
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

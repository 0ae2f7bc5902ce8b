//! Where a login leads: a path of this site or an origin that is named, and never anywhere else.

use testkit::percent_encoded;

use crate::browser::visitor::Visitor;
use crate::harness::{AuthService, DEMO, Launch};

const EVIL: &[&str] = &[
    "//evil.example",
    "///evil.example/account",
    "/\\evil.example",
    "\\\\evil.example",
    "/.//evil.example",
    "/\t/evil.example",
    "/\r\nSet-Cookie: reinflate=x",
    "\u{0}/account",
    "https:evil.example",
    "https:/evil.example",
    "https://evil.example",
    "https://good@evil.example",
    "https://app.example@evil.example",
    "https://evil.example@app.example",
    "https://app.example.evil.example",
    "http://app.example",
    "https:app.example",
    "https://app.example:8443",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "javascript://app.example/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
];

fn auth() -> AuthService {
    AuthService::launch(&Launch::auth().var("AUTH_REDIRECT_ORIGINS", "https://app.example"))
}

fn leads_to(auth: &AuthService, next: &str) -> String {
    let fields = [("username", DEMO.0), ("password", DEMO.1), ("next", next)];
    let answer = Visitor::of(auth.public).post("/login", &fields).expect(303);
    assert_eq!(answer.all("location").len(), 1, "{answer:?}");
    assert_eq!(answer.all("set-cookie").len(), 1, "{answer:?}");
    answer.header("location").unwrap().to_owned()
}

#[test]
fn what_leads_elsewhere_is_neither_shown_nor_followed() {
    let auth = auth();
    for next in EVIL {
        assert_eq!(leads_to(&auth, next), "/account", "{next:?}");
        let page = Visitor::of(auth.public).get(&format!("/login?next={}", percent_encoded(next)));
        let page = page.expect(200).text();
        assert!(!page.contains("You go on to"), "{next:?}: {page}");
        assert!(!page.contains("<script"), "{next:?}: {page}");
    }
}

#[test]
fn a_path_and_a_named_origin_are_shown_and_followed() {
    let auth = auth();
    for (next, shown) in [
        ("/admin/users?q=a", "/admin/users"),
        ("https://app.example/shop?basket=7#top", "https://app.example/shop"),
    ] {
        assert_eq!(leads_to(&auth, next), next);
        let page = Visitor::of(auth.public).get(&format!("/login?next={}", percent_encoded(next)));
        let page = page.expect(200).text();
        assert!(page.contains(&format!("You go on to <strong>{shown}</strong>")), "{page}");
    }
}

#[test]
fn without_a_place_to_go_it_is_the_account() {
    let auth = auth();
    assert_eq!(leads_to(&auth, ""), "/account");
}

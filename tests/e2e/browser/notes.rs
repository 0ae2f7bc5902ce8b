//! What business-service keeps in a visitor's session: nothing of it is lost, and it goes with it.

use std::thread;

use crate::browser::visitor::{Visitor, form};
use crate::harness::{AuthService, BusinessService, DEMO, Launch, is_alive};

fn visitor(auth: &AuthService, business: &BusinessService) -> Visitor {
    let mut visitor = Visitor::of(auth.public);
    visitor.log_in(DEMO.0, DEMO.1);
    visitor.at(business.public)
}

#[test]
fn notes_stay_for_as_long_as_the_session_does() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    let mut first = visitor(&auth, &business);
    let evil = "<script>alert('1')</script>";
    for note in ["milk", evil] {
        let answer = first.post("/notes", &[("note", note)]).expect(303);
        assert_eq!(answer.all("location"), ["/notes"]);
        assert_eq!(answer.all("cache-control"), ["no-store"]);
    }
    let page = first.get("/notes").expect(200).text();
    assert!(page.contains("milk") && !page.contains("<script"), "{page}");
    assert!(page.contains("&#60;script&#62;alert(&#39;1&#39;)&#60;/script&#62;"), "{page}");
    let page = visitor(&auth, &business).get("/notes").expect(200).text();
    assert!(page.contains("None so far"), "another session has its own: {page}");
    auth.logout(first.token());
    let answer = first.get("/notes").expect(303);
    assert!(answer.header("location").unwrap().ends_with("%2Fnotes"), "{answer:?}");
    first.post("/notes", &[("note", "eggs")]).expect(303);
}

#[test]
fn tabs_that_write_at_once_lose_nothing() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    let mut visitor = visitor(&auth, &business);
    thread::scope(|scope| {
        for tab in 0..3 {
            let mut tab_visitor = visitor.at(business.public);
            scope.spawn(move || {
                for at in 0..5 {
                    let note = format!("tab {tab} note {at}.");
                    tab_visitor.post("/notes", &[("note", &note)]).expect(303);
                }
            });
        }
    });
    let page = visitor.get("/notes").expect(200).text();
    for tab in 0..3 {
        for at in 0..5 {
            assert!(page.contains(&format!("tab {tab} note {at}.")), "{tab} {at}: {page}");
        }
    }
}

#[test]
fn what_is_no_note_is_refused() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    let mut visitor = visitor(&auth, &business);
    for note in ["", "  ", "a\nb", &"x".repeat(201)] {
        visitor.post("/notes", &[("note", note)]).expect(422);
    }
    visitor.post("/notes", &[]).expect(400);
    visitor.post("/notes", &[("note", "a"), ("note", "b")]).expect(400);
    let cross_site = form("/notes", &[("note", "x")]).header("Sec-Fetch-Site", "cross-site");
    assert!(visitor.send(cross_site).expect(403).text().contains("cross_site_request"));
    visitor.send(form("/notes", &[("note", "x")]).header("Origin", "null")).expect(403);
    let page = visitor.get("/notes").expect(200).text();
    assert!(page.contains("None so far"), "{page}");
}

#[test]
fn a_bound_session_keeps_notes_too() {
    let launch = Launch::auth()
        .var("AUTH_BIND_SESSIONS", "ip,user-agent")
        .var("AUTH_INTERNAL_KEY", "a-key-that-nobody-knows");
    let auth = AuthService::launch(&launch);
    let launch = Launch::business(auth.internal.port)
        .var("BUSINESS_AUTH_KEY", "a-key-that-nobody-knows")
        .var("BUSINESS_AUTH_CLIENT", "ip,user-agent");
    let business = BusinessService::launch(&launch);
    let mut visitor = visitor(&auth, &business);
    visitor.post("/notes", &[("note", "milk")]).expect(303);
    assert!(visitor.get("/notes").expect(200).text().contains("milk"));
    let mut thief = visitor.at(business.public).with_agent("thief/1.0");
    thief.get("/notes").expect(303);
    visitor.get("/notes").expect(303);
}

#[test]
fn a_use_is_one_use() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    let mut visitor = visitor(&auth, &business);
    for uses in 1..4 {
        let page = visitor.get("/dashboard").expect(200).text();
        assert!(page.contains(&format!("<dt>Uses</dt><dd>{uses}</dd>")), "{page}");
    }
    assert!(is_alive(&auth.look_at(visitor.token())));
}

//! The pages for admins: nothing happens before it is confirmed, and only admins reach them.

use crate::browser::visitor::{Visitor, form};
use crate::harness::{ANN, AuthService, BOB, DEMO, LONG_PASSWORD, Launch, Request, is_alive};

fn admin(auth: &AuthService) -> Visitor {
    let mut visitor = Visitor::of(auth.public);
    visitor.log_in(DEMO.0, DEMO.1);
    visitor
}

/// The path of a user's page.
fn path_of(admin: &mut Visitor, email: &str) -> String {
    let page = admin.get(&format!("/admin/users?q={email}")).expect(200).text();
    let (_, rest) = page.split_once("<h3><a href=\"").expect("a user was found");
    rest.split('"').next().unwrap().to_owned()
}

#[test]
fn users_are_found_and_paged_through() {
    let auth = AuthService::with_users();
    let mut admin = admin(&auth);
    let page = admin.get("/admin/users").expect(200).text();
    for name in [ANN, BOB, DEMO.0] {
        assert!(page.contains(name), "{page}");
    }
    let page = admin.get("/admin/users?q=BOB").expect(200).text();
    assert!(page.contains(BOB) && !page.contains(ANN), "{page}");
    let page = admin.get("/admin/users?q=nobody").expect(200).text();
    assert!(page.contains("No user was found"), "{page}");
    for at in 0..30 {
        let email = format!("user{at:02}@example.org");
        let fields = [
            ("email", email.as_str()),
            ("password", LONG_PASSWORD),
            ("first_name", ""),
            ("last_name", ""),
        ];
        admin.post("/admin/users", &fields).expect(303);
    }
    let first = admin.get("/admin/users?q=example.org").expect(200).text();
    assert!(first.contains("user24@") && !first.contains("user25@"), "{first}");
    let (_, next) = first.split_once("rel=\"next\" href=\"").expect("a next page");
    let next = next.split('"').next().unwrap().replace("&#38;", "&");
    let second = admin.get(&next).expect(200).text();
    assert!(second.contains("user25@") && second.contains("user29@"), "{second}");
    assert!(!second.contains("user24@") && !second.contains("rel=\"next\""), "{second}");
}

#[test]
fn a_user_is_created_or_the_form_comes_back() {
    let auth = AuthService::with_users();
    let mut admin = admin(&auth);
    admin.get("/admin/users/new").expect(200);
    let create = |admin: &mut Visitor, email: &str, password: &str| {
        let fields =
            [("email", email), ("password", password), ("first_name", "Eve"), ("last_name", "")];
        admin.post("/admin/users", &fields)
    };
    let created = create(&mut admin, "eve@example.com", LONG_PASSWORD).expect(303);
    let page = admin.get(created.header("location").unwrap()).expect(200).text();
    assert!(page.contains("eve@example.com") && page.contains("The user was created"), "{page}");
    auth.login("eve@example.com", LONG_PASSWORD);
    for (email, password, status) in
        [(ANN, LONG_PASSWORD, 409), ("x", LONG_PASSWORD, 422), ("z@example.com", "short", 422)]
    {
        let page = create(&mut admin, email, password).expect(status).text();
        assert!(page.contains("role=\"alert\"") && page.contains("value=\"Eve\""), "{page}");
        assert!(!page.contains(password), "{page}");
    }
}

#[test]
fn what_an_admin_does_is_asked_first_and_then_done() {
    let auth = AuthService::with_users();
    let mut admin = admin(&auth);
    let path = path_of(&mut admin, ANN);
    let token = auth.login(ANN, LONG_PASSWORD);
    for action in ["disable", "enable", "roles", "end-sessions", "delete"] {
        let page = admin.get(&format!("{path}/{action}")).expect(200).text();
        assert!(page.contains(ANN) && page.contains("method=\"post\""), "{page}");
    }
    assert!(is_alive(&auth.validate(&token)), "asking does nothing");
    let mut act = |action: &str, fields: &[(&str, &str)]| {
        let answer = admin.post(&format!("{path}/{action}"), fields).expect(303);
        let to = answer.header("location").unwrap().to_owned();
        assert!(admin.get(&to).expect(200).text().contains("role=\"status\""), "{to}");
    };
    act("end-sessions", &[]);
    assert!(!is_alive(&auth.validate(&token)));
    let token = auth.login(ANN, LONG_PASSWORD);
    act("disable", &[]);
    assert!(!is_alive(&auth.validate(&token)));
    auth.try_login(ANN, LONG_PASSWORD).expect(401);
    act("enable", &[]);
    let token = auth.login(ANN, LONG_PASSWORD);
    act("roles", &[("roles", "editor, user")]);
    assert!(!is_alive(&auth.validate(&token)));
    let session = auth.login_answer(ANN, LONG_PASSWORD);
    assert_eq!(session["session"]["user"]["roles"], serde_json::json!(["editor", "user"]));
    act("delete", &[]);
    auth.try_login(ANN, LONG_PASSWORD).expect(401);
    admin.get(&path).expect(404);
    admin.post(&format!("{path}/disable"), &[]).expect(404);
}

#[test]
fn what_cannot_be_done_is_told_where_it_was_asked() {
    let auth = AuthService::with_users();
    let mut admin = admin(&auth);
    let own = path_of(&mut admin, DEMO.0);
    for action in ["disable", "delete"] {
        let page = admin.post(&format!("{own}/{action}"), &[]).expect(409).text();
        assert!(page.contains("The last admin must stay one."), "{page}");
    }
    let ann = path_of(&mut admin, ANN);
    let page = admin.post(&format!("{ann}/roles"), &[("roles", "<b>")]).expect(422).text();
    assert!(page.contains("&#60;b&#62;") && !page.contains("<b>"), "{page}");
    admin.get(&format!("{ann}/promote")).expect(404);
    admin.post(&format!("{ann}/promote"), &[]).expect(404);
    admin.get("/admin/users/nobody").expect(404);
    admin.get("/admin/users?after=nobody").expect(400);
}

#[test]
fn nobody_else_gets_in() {
    let auth = AuthService::with_users();
    let mut admin = admin(&auth);
    let path = path_of(&mut admin, BOB);
    let mut ann = Visitor::of(auth.public);
    ann.log_in(ANN, LONG_PASSWORD);
    let action = format!("{path}/delete");
    for target in ["/admin/users", "/admin/users/new", &path, &action] {
        let answer = ann.get(target).expect(403);
        assert!(!answer.text().contains(BOB), "{answer:?}");
    }
    for target in ["/admin/users", &action] {
        ann.post(
            target,
            &[
                ("email", "x@example.com"),
                ("password", LONG_PASSWORD),
                ("first_name", ""),
                ("last_name", ""),
            ],
        )
        .expect(403);
    }
    auth.login(BOB, LONG_PASSWORD);
}

#[test]
fn no_other_origin_presses_the_buttons_not_even_a_trusted_one() {
    let launch = Launch::auth()
        .var("AUTH_REDIRECT_ORIGINS", "https://app.example")
        .var("AUTH_ALLOWED_ORIGINS", "https://app.example");
    let auth = AuthService::launch_with_users(launch);
    let mut admin = admin(&auth);
    let path = path_of(&mut admin, ANN);
    for origin in ["https://app.example", "https://evil.example", "null"] {
        for target in
            [&format!("{path}/delete"), "/account/sessions/end-others", "/account/password"]
        {
            let request = form(target, &[]).header("Origin", origin);
            let page =
                admin.send(request.header("Sec-Fetch-Site", "cross-site")).expect(403).text();
            assert!(page.contains("cross_site_request"), "{page}");
            admin.send(form(target, &[]).header("Origin", origin)).expect(403);
        }
        let answer = admin.send(Request::get("/account").header("Origin", origin));
        assert_eq!(answer.all("access-control-allow-origin"), [""; 0]);
    }
    auth.login(ANN, LONG_PASSWORD);
}

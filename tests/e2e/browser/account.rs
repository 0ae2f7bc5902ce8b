//! The account page and what stands behind its buttons.

use std::time::Duration;

use crate::browser::visitor::Visitor;
use crate::harness::{
    ANN, Answer, AuthService, BOB, DEMO, LONG_PASSWORD, Launch, Request, is_alive, let_time_pass,
};

const NEW_PASSWORD: &str = "eight blue kettles whistle";

fn ann(auth: &AuthService) -> Visitor {
    let mut visitor = Visitor::of(auth.public);
    visitor.log_in(ANN, LONG_PASSWORD);
    visitor
}

/// The ids of the sessions that the page has a button to end for, in their order.
fn listed(page: &str) -> Vec<String> {
    let actions = page.split("action=\"/account/sessions/").skip(1);
    let ids = actions.filter_map(|rest| rest.split_once("/end\"")).map(|(id, _)| id.to_owned());
    ids.filter(|id| id.len() == 36).collect()
}

fn session_id(auth: &AuthService, token: &str) -> String {
    auth.look_at(token)["session"]["id"].as_str().unwrap().to_owned()
}

#[track_caller]
fn done(answer: Answer, location: &str) -> Answer {
    assert_eq!(answer.all("location"), [location], "{answer:?}");
    assert_eq!(answer.all("cache-control"), ["no-store"]);
    answer.expect(303)
}

#[test]
fn without_a_session_a_browser_is_sent_to_the_login_and_back() {
    let auth = AuthService::start();
    let mut visitor = Visitor::of(auth.public);
    for (page, login) in [
        ("/account", "/login?next=%2Faccount"),
        ("/account?done=name", "/login?next=%2Faccount%3Fdone%3Dname"),
        ("/admin/users?q=a%26b", "/login?next=%2Fadmin%2Fusers%3Fq%3Da%2526b"),
    ] {
        done(visitor.get(page), login);
    }
    done(visitor.post("/account/name", &[]), "/login?next=%2Faccount");
    done(visitor.post("/admin/users", &[]), "/login?next=%2Fadmin%2Fusers");
    auth.public.get("/account").expect_problem(401, "missing_token");
    let made_up = Request::get("/account").token("made-up");
    auth.public.send(made_up).expect_problem(401, "invalid_token");
}

#[test]
fn the_page_shows_this_session_first_and_the_devices_of_all() {
    let auth = AuthService::with_users();
    let mut phone = Visitor::of(auth.public).with_agent(
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like \
         Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    );
    phone.log_in(ANN, LONG_PASSWORD);
    let mut desk = ann(&auth);
    phone.get("/account").expect(200);
    let program = auth.login(ANN, LONG_PASSWORD);
    let page = desk.get("/account").expect(200).text();
    let ids = listed(&page);
    assert_eq!(ids.len(), 3, "{page}");
    assert_eq!(ids[0], session_id(&auth, desk.token()));
    assert!(ids.contains(&session_id(&auth, &program)));
    for part in
        ["Firefox on Linux", "Safari on iPhone", "127.0.0.1", "this session", "Unknown device"]
    {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("action=\"/admin") && !page.contains("href=\"/admin"), "{page}");
}

#[test]
fn a_button_ends_one_session_and_another_all_others() {
    let auth = AuthService::with_users();
    let (mut here, there, program) = (ann(&auth), ann(&auth), auth.login(ANN, LONG_PASSWORD));
    let end = |id: &str| format!("/account/sessions/{id}/end");
    let id = session_id(&auth, there.token());
    done(here.post(&end(&id), &[]), "/account?done=ended");
    assert!(!is_alive(&auth.validate(there.token())));
    assert!(is_alive(&auth.validate(&program)));
    here.post(&end(&id), &[]).expect(404);

    let bob = auth.login(BOB, LONG_PASSWORD);
    here.post(&end(&session_id(&auth, &bob)), &[]).expect(404);
    assert!(is_alive(&auth.validate(&bob)), "another user's session is not ours to end");

    done(here.post("/account/sessions/end-others", &[]), "/account?done=others");
    assert!(!is_alive(&auth.validate(&program)));
    let own = session_id(&auth, here.token());
    let answer = done(here.post(&end(&own), &[]), "/login");
    assert_eq!(answer.all("set-cookie"), ["reinflate=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"]);
    done(here.get("/account"), "/login?next=%2Faccount");
}

#[test]
fn a_new_password_ends_the_others_and_gives_this_browser_another_cookie() {
    let auth = AuthService::with_users();
    let (mut here, there) = (ann(&auth), ann(&auth));
    let (old, id) = (here.token().to_owned(), session_id(&auth, here.token()));
    let fields = [("current_password", LONG_PASSWORD), ("new_password", NEW_PASSWORD)];
    let answer = done(here.post("/account/password", &fields), "/account?done=password");
    assert_eq!(answer.all("set-cookie").len(), 1);
    assert!(answer.header("set-cookie").unwrap().contains("; Max-Age=25"), "{answer:?}");
    assert!(answer.body.is_empty());
    assert_ne!(here.token(), old);
    assert_eq!(session_id(&auth, here.token()), id, "the session goes on");
    assert!(!is_alive(&auth.validate(&old)));
    assert!(!is_alive(&auth.validate(there.token())));
    let page = here.get("/account?done=password").expect(200).text();
    assert!(page.contains("Your password was changed"), "{page}");
    auth.try_login(ANN, LONG_PASSWORD).expect(401);
    auth.login(ANN, NEW_PASSWORD);
}

#[test]
fn the_api_replaces_the_cookie_of_a_browser_too() {
    let auth = AuthService::with_users();
    let visitor = ann(&auth);
    let body = serde_json::json!({"current_password": LONG_PASSWORD, "new_password": NEW_PASSWORD});
    let put = || Request::put("/api/v1/users/me/password").json(&body);
    let answer = auth.public.send(put().cookie(visitor.token())).expect(204);
    assert_eq!(answer.all("set-cookie").len(), 1, "{answer:?}");
    assert!(!is_alive(&auth.validate(visitor.token())));
    auth.users_command(&["disable", ANN]);
    auth.users_command(&["enable", ANN]);
    let token = auth.login(ANN, NEW_PASSWORD);
    let body = serde_json::json!({"current_password": NEW_PASSWORD, "new_password": LONG_PASSWORD});
    let put = Request::put("/api/v1/users/me/password").json(&body).bearer(&token);
    assert_eq!(auth.public.send(put).expect(204).all("set-cookie"), [""; 0]);
    assert!(is_alive(&auth.validate(&token)), "a program keeps its token");
}

#[test]
fn a_wrong_or_a_weak_password_is_told_on_the_page() {
    let auth = AuthService::with_users();
    let mut visitor = ann(&auth);
    let token = visitor.token().to_owned();
    for (current, new, message) in [
        ("wrong", NEW_PASSWORD, "Your present password is another one."),
        (LONG_PASSWORD, "short", "15 characters"),
    ] {
        let fields = [("current_password", current), ("new_password", new)];
        let answer = visitor.post("/account/password", &fields).expect(422);
        let page = answer.text();
        assert!(page.contains(message), "{page}");
        assert!(page.contains("Where you are logged in") && !page.contains(new), "{page}");
    }
    assert_eq!(visitor.token(), token);
    auth.login(ANN, LONG_PASSWORD);
}

#[test]
fn a_name_is_changed_and_is_text_on_every_page() {
    let auth = AuthService::with_users();
    let mut visitor = ann(&auth);
    let evil = "\"><script>x</script>";
    let fields = [("first_name", evil), ("last_name", "")];
    done(visitor.post("/account/name", &fields), "/account?done=name");
    let page = visitor.get("/account?done=name").expect(200).text();
    let escaped = "value=\"&#34;&#62;&#60;script&#62;x&#60;/script&#62;\"";
    assert!(page.contains(escaped) && page.contains("Your name was changed"), "{page}");
    let mut admin = Visitor::of(auth.public);
    admin.log_in(DEMO.0, DEMO.1);
    for target in ["/admin/users", "/admin/users?q=%3Cscript%3E"] {
        let page = admin.get(target).expect(200).text();
        assert!(!page.contains("<script") && page.contains("&#60;script&#62;"), "{page}");
    }
    let long = "x".repeat(101);
    let answer = visitor.post("/account/name", &[("first_name", &long), ("last_name", "")]);
    assert!(answer.expect(422).text().contains("at most 100 characters"));
}

#[test]
fn a_token_is_shown_once() {
    let auth = AuthService::with_users();
    let mut visitor = ann(&auth);
    for (kind, name) in [("fixed", "nightly <b>backup</b>"), ("single_use", "")] {
        let fields = [("name", name), ("kind", kind), ("ttl", "2h")];
        let answer = visitor.post("/account/tokens", &fields).expect(201);
        assert_eq!(answer.all("cache-control"), ["no-store"]);
        assert_eq!(answer.all("set-cookie"), [""; 0]);
        let page = answer.text();
        assert!(!page.contains("<b>"), "{page}");
        let at = page.find("rfl_").expect("the token");
        let token = &page[at..at + 64];
        auth.keep_token_secret(token);
        let account = visitor.get("/account").expect(200).text();
        assert!(!account.contains(&token[26..58]));
        assert!(account.contains("Not used yet"), "{account}");
        let seen = auth.validate(token);
        assert_eq!(seen["session"]["kind"], kind);
        assert_eq!(seen["session"]["user"]["username"], ANN);
    }
    for (kind, ttl, status) in [("fixed", "91d", 422), ("fixed", "soon", 400), ("royal", "1h", 400)]
    {
        visitor
            .post("/account/tokens", &[("name", "x"), ("kind", kind), ("ttl", ttl)])
            .expect(status);
    }
}

#[test]
fn a_login_of_long_ago_is_asked_to_log_in_again() {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_FRESH_FOR", "300ms"));
    let mut visitor = Visitor::of(auth.public);
    visitor.log_in(DEMO.0, DEMO.1);
    let_time_pass(Duration::from_millis(400));
    let fields = [("name", "x"), ("kind", "fixed"), ("ttl", "1h")];
    let answer = visitor.post("/account/tokens", &fields).expect(401);
    assert!(
        answer.header("www-authenticate").unwrap().contains("insufficient_user_authentication")
    );
    assert!(answer.text().contains("<a href=\"/login?next=%2Faccount\">Log in again</a>"));
}

#[test]
fn password_managers_find_what_they_look_for() {
    let auth = AuthService::start();
    let mut visitor = Visitor::of(auth.public);
    let login = visitor.get("/login").expect(200).text();
    assert!(
        login.contains("autocomplete=\"username\"")
            && login.contains("autocomplete=\"current-password\"")
    );
    visitor.log_in(DEMO.0, DEMO.1);
    let page = visitor.get("/account").expect(200).text();
    assert!(page.contains("autocomplete=\"new-password\""), "{page}");
    done(visitor.get("/.well-known/change-password"), "/account#password");
}

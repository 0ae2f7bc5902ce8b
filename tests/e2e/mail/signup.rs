//! Sign-ups that are confirmed by mail, and what somebody gains who signs up another's address: nothing.

use serde_json::{Value, json};

use super::mailbox::Mailbox;
use super::recovery::forgot;
use crate::browser::visitor::Visitor;
use crate::harness::{ANN, Answer, AuthService, DEMO, LONG_PASSWORD, Launch, Request};

const EVE: &str = "eve@example.com";
const THIEF: &str = "nine grey badgers wait outside";

fn open(mailbox: &Mailbox) -> Launch {
    mailbox.launch().var("AUTH_SIGNUP", "open")
}

fn sign_up(auth: &AuthService, address: &str, password: &str) -> Answer {
    auth.keep_secret(password);
    let new = json!({"email": address, "password": password});
    auth.public.send(Request::post("/api/v1/users").json(&new))
}

fn verify(auth: &AuthService, ticket: &str, password: &Value) -> Answer {
    auth.keep_secret(ticket);
    let body = json!({"ticket": ticket, "password": password});
    auth.public.send(Request::post("/email/verify").json(&body))
}

#[test]
fn an_account_is_there_once_its_mail_and_its_password_are_shown() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(open(&mailbox));
    let answer = sign_up(&auth, "Eve@example.com", LONG_PASSWORD).expect(202);
    assert_eq!(answer.header("location"), None);
    let letter = mailbox.newest_to("Eve@example.com", 1);
    auth.try_login(EVE, LONG_PASSWORD).expect_problem(401, "invalid_credentials");
    let page = auth.public.get(&letter.link()).expect(200).text();
    assert!(page.contains("Confirm your account") && page.contains("name=\"password\""), "{page}");
    let ticket = letter.ticket();
    verify(&auth, &ticket, &Value::Null).expect_problem(400, "invalid_request");
    verify(&auth, &ticket, &json!("")).expect_problem(400, "invalid_request");
    verify(&auth, &ticket, &json!(THIEF)).expect_problem(422, "unprocessable");
    verify(&auth, &ticket, &json!(LONG_PASSWORD)).expect(204);
    let token = auth.login(EVE, LONG_PASSWORD);
    let eve = auth.api_get("/users/me", &token).expect(200).json();
    assert_eq!((&eve["email"], &eve["email_verified"]), (&json!("Eve@example.com"), &json!(true)));
    assert_eq!(eve["roles"], json!(["user"]));
    verify(&auth, &ticket, &json!(LONG_PASSWORD)).expect_problem(410, "gone");
}

#[test]
fn a_taken_address_is_answered_the_same_and_its_owner_is_told() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(open(&mailbox));
    let taken = sign_up(&auth, "ANN@example.com", THIEF).expect(202).without_id_and_date();
    let free = sign_up(&auth, EVE, THIEF).expect(202).without_id_and_date();
    assert_eq!(taken, free);
    let letter = mailbox.newest_to(ANN, 1);
    assert!(letter.subject.starts_with("You have an account"), "{letter:?}");
    assert!(!letter.source.contains("rft_"));
    assert_eq!(letter.link(), "/password/forgot");
    auth.login(ANN, LONG_PASSWORD);
    auth.try_login(ANN, THIEF).expect(401);
    // An admin still creates at once, and is told.
    let admin = auth.token();
    auth.try_create(&admin, ANN).expect_problem(409, "conflict");
    let made = auth.try_create(&admin, "carl@example.com").expect(201).json();
    assert_eq!(made["email_verified"], true);
}

#[test]
fn who_signs_up_anothers_address_before_or_after_gains_nothing() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(open(&mailbox));
    sign_up(&auth, EVE, THIEF).expect(202);
    let before = mailbox.newest_to(EVE, 1).ticket();
    sign_up(&auth, EVE, LONG_PASSWORD).expect(202);
    let own = mailbox.newest_to(EVE, 2).ticket();
    sign_up(&auth, EVE, THIEF).expect(202);
    let after = mailbox.newest_to(EVE, 3).ticket();
    for ticket in [&before, &after] {
        verify(&auth, ticket, &json!(LONG_PASSWORD)).expect(422);
    }
    forgot(&auth, EVE).expect(202);
    let letter = mailbox.newest_to(EVE, 4);
    assert!(letter.subject.contains("not confirmed yet"), "{letter:?}");
    assert!(!letter.source.contains("rft_"));
    verify(&auth, &own, &json!(LONG_PASSWORD)).expect(204);
    auth.login(EVE, LONG_PASSWORD);
    for ticket in [&before, &after] {
        verify(&auth, ticket, &json!(THIEF)).expect_problem(410, "gone");
    }
    auth.try_login(EVE, THIEF).expect(401);
}

#[test]
fn ten_wrong_passwords_end_a_ticket() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(open(&mailbox));
    sign_up(&auth, EVE, LONG_PASSWORD).expect(202);
    let ticket = mailbox.newest_to(EVE, 1).ticket();
    for _ in 0..10 {
        verify(&auth, &ticket, &json!(THIEF)).expect(422);
    }
    verify(&auth, &ticket, &json!(LONG_PASSWORD)).expect_problem(410, "gone");
    auth.try_login(EVE, LONG_PASSWORD).expect(401);
}

#[test]
fn the_page_does_the_same() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(open(&mailbox).var("AUTH_SITE_NAME", "Ball & Co"));
    let mut visitor = Visitor::of(auth.public);
    let page = visitor.get("/login").text();
    assert!(page.contains("href=\"/signup\"") && page.contains("Ball &#38; Co"), "{page}");
    assert!(visitor.get("/signup").expect(200).text().contains("<title>Sign up · Ball &#38; Co"));
    let fields = |password| {
        [("email", EVE), ("password", password), ("first_name", "Eve <b>"), ("last_name", "")]
    };
    let page = visitor.post("/signup", &fields("short")).expect(422).text();
    assert!(page.contains("value=\"Eve &#60;b&#62;\"") && page.contains("at least 15"), "{page}");
    assert!(!page.contains("short\""), "{page}");
    visitor.post("/signup", &fields(LONG_PASSWORD)).expect(202);
    auth.keep_secret(LONG_PASSWORD);
    let letter = mailbox.newest_to(EVE, 1);
    assert!(letter.subject.contains("Ball & Co") && letter.html.contains("Ball &#38; Co"));
    assert!(!letter.source.contains("Eve <"), "no name that somebody typed: {letter:?}");
    let ticket = letter.ticket();
    auth.keep_secret(&ticket);
    let fields = |password| [("ticket", ticket.as_str()), ("password", password)];
    let page = visitor.post("/email/verify", &fields(THIEF)).expect(422).text();
    assert!(page.contains("not the password that was chosen"), "{page}");
    visitor.post("/email/verify", &[("ticket", ticket.as_str())]).expect(400);
    let done = visitor.post("/email/verify", &fields(LONG_PASSWORD)).expect(303);
    assert_eq!(done.all("location"), ["/login?done=verified"]);
    visitor.log_in(EVE, LONG_PASSWORD);
}

#[test]
fn without_mail_a_sign_up_is_an_account_at_once_that_is_not_verified() {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_SIGNUP", "open"));
    let made = sign_up(&auth, EVE, LONG_PASSWORD).expect(201).json();
    assert_eq!(made["email_verified"], false);
    sign_up(&auth, EVE, LONG_PASSWORD).expect_problem(409, "conflict");
    let demo = auth.api_get("/users/me", &auth.token()).json();
    assert_eq!((demo["email"].as_str(), &demo["email_verified"]), (Some(DEMO.0), &json!(true)));
}

#[test]
fn with_sign_up_closed_there_is_no_page_and_only_an_admin_creates() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(mailbox.launch());
    sign_up(&auth, EVE, LONG_PASSWORD).expect(401);
    Visitor::of(auth.public).get("/signup").expect(404);
    auth.create(&auth.token(), EVE);
    assert!(mailbox.letters().is_empty());
}

#[test]
fn passwords_are_masked_and_managers_may_fill_them() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(open(&mailbox));
    sign_up(&auth, EVE, LONG_PASSWORD).expect(202);
    forgot(&auth, ANN).expect(202);
    let links = [mailbox.newest_to(EVE, 1).link(), mailbox.newest_to(ANN, 1).link()];
    let mut visitor = Visitor::of(auth.public);
    let mut fields = 0;
    let mut look = |page: &str| {
        assert!(!page.contains("<script") && !page.contains("onpaste"), "{page}");
        let inputs = page.split("<input").skip(1).map(|rest| rest.split('>').next().unwrap());
        for input in inputs.filter(|input| input.contains("password\"")) {
            assert!(input.contains(" type=\"password\""), "{input}");
            let filled = ["current-password", "new-password"];
            let fills = |kind: &&str| input.contains(&format!("autocomplete=\"{kind}\""));
            assert_eq!(filled.iter().filter(|kind| fills(kind)).count(), 1, "{input}");
            fields += 1;
        }
    };
    for page in ["/login", "/signup", &links[0], &links[1]] {
        look(&visitor.get(page).expect(200).text());
    }
    visitor.log_in(DEMO.0, DEMO.1);
    for page in ["/account", "/admin/users/new"] {
        look(&visitor.get(page).expect(200).text());
    }
    assert_eq!(fields, 8, "each page has its own");
}

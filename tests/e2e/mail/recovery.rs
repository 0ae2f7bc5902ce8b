//! Forgotten passwords: from the request to the new password, and what it ends.

use serde_json::json;

use super::mailbox::Mailbox;
use crate::browser::visitor::Visitor;
use crate::harness::{ANN, Answer, AuthService, BOB, DEMO, LONG_PASSWORD, Request, is_alive};

const NEW: &str = "eight blue kettles hum along";

pub(super) fn forgot(auth: &AuthService, address: &str) -> Answer {
    auth.public.send(Request::post("/password/forgot").json(&json!({"email": address})))
}

pub(super) fn reset(auth: &AuthService, ticket: &str, password: &str) -> Answer {
    auth.keep_secret(ticket);
    auth.keep_secret(password);
    let body = json!({"ticket": ticket, "new_password": password});
    auth.public.send(Request::post("/password/reset").json(&body))
}

#[test]
fn a_forgotten_password_is_replaced_by_mail_and_ends_all_sessions() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(mailbox.launch());
    let (one, other) = (auth.login(ANN, LONG_PASSWORD), auth.login(ANN, LONG_PASSWORD));
    let answer = forgot(&auth, " ANN@example.com ").expect(202);
    assert!(answer.json()["message"].as_str().unwrap().contains("If there is such an account"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));

    let letter = mailbox.newest_to(ANN, 1);
    let ticket = letter.ticket();
    assert!(letter.link().starts_with("/password/reset?ticket="), "{letter:?}");
    auth.public.get(&letter.link()).expect(200);
    auth.public.get(&letter.link()).expect(200);
    reset(&auth, &ticket, "short").expect_problem(422, "unprocessable");
    assert!(is_alive(&auth.look_at(&one)), "nothing has happened yet");
    let done = reset(&auth, &ticket, NEW).expect(204);
    assert_eq!(done.all("set-cookie"), [""; 0], "it opens no session");

    for token in [&one, &other] {
        assert!(!is_alive(&auth.validate(token)));
    }
    auth.try_login(ANN, LONG_PASSWORD).expect_problem(401, "invalid_credentials");
    auth.login(ANN, NEW);
    reset(&auth, &ticket, "another long one, again").expect_problem(410, "gone");
    auth.public.get(&letter.link()).expect(410);
    let note = mailbox.newest_to(ANN, 2);
    assert!(note.subject.contains("was changed"), "{note:?}");
    assert!(!note.source.contains("rft_"));
    assert_eq!(mailbox.letters().len(), 2);
    let line = auth.log_lines_with("\"event\":\"password.changed\"", 1).remove(0);
    assert!(line.contains(ANN) && !line.contains("by_user"), "{line}");
}

#[test]
fn the_forms_do_the_same_and_lead_on() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(mailbox.launch());
    let mut visitor = Visitor::of(auth.public);
    let page = visitor.get("/login").expect(200).text();
    assert!(page.contains("href=\"/password/forgot\"") && !page.contains("/signup"), "{page}");
    visitor.get("/signup").expect(404);
    visitor.get("/password/forgot").expect(200);
    let page = visitor.post("/password/forgot", &[("email", "ann")]).expect(422).text();
    assert!(page.contains("value=\"ann\"") && page.contains("name@domain"), "{page}");
    let page = visitor.post("/password/forgot", &[("email", ANN)]).expect(202).text();
    assert!(page.contains("If there is such an account"), "{page}");

    let letter = mailbox.newest_to(ANN, 1);
    let page = visitor.get(&letter.link()).expect(200).text();
    assert!(page.contains("content=\"strict-origin\""), "the ticket is in no Referer: {page}");
    let ticket = letter.ticket();
    auth.keep_secret(&ticket);
    let fields = |password| [("ticket", ticket.as_str()), ("new_password", password)];
    let page = visitor.post("/password/reset", &fields("short")).expect(422).text();
    assert!(page.contains(&ticket) && page.contains("at least 15"), "{page}");
    let done = visitor.post("/password/reset", &fields(NEW)).expect(303);
    assert_eq!(done.all("location"), ["/login?done=password"]);
    assert!(visitor.get("/login?done=password").text().contains("Your password was set"));
    let page = visitor.post("/password/reset", &fields(NEW)).expect(410).text();
    assert!(page.contains("This link does nothing any more"), "{page}");
    let page = visitor.get("/password/reset?ticket=rft_x").expect(404).text();
    assert!(page.contains("href=\"/password/forgot\""), "{page}");
    visitor.log_in(ANN, NEW);
}

#[test]
fn who_cannot_log_in_gets_no_mail() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(mailbox.launch());
    auth.users_command(&["disable", BOB]);
    for address in [BOB, "nobody@example.com", DEMO.0] {
        forgot(&auth, address).expect(202);
    }
    forgot(&auth, ANN).expect(202);
    mailbox.newest_to(ANN, 1);
    assert_eq!(mailbox.letters().len(), 1, "they came before");
    assert_eq!(auth.metric("auth_mail_attempts_total{result=\"dropped\"}"), Some(3.0));
}

#[test]
fn a_newer_ticket_a_change_or_a_disabling_ends_the_older_ones() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(mailbox.launch());
    let ticket = |count| {
        forgot(&auth, ANN).expect(202);
        mailbox.newest_to(ANN, count).ticket()
    };
    let (older, newer) = (ticket(1), ticket(2));
    reset(&auth, &older, NEW).expect_problem(410, "gone");
    let token = auth.login(ANN, LONG_PASSWORD);
    let change = json!({"current_password": LONG_PASSWORD, "new_password": NEW});
    auth.api_put("/users/me/password", &token, &change).expect(204);
    reset(&auth, &newer, LONG_PASSWORD).expect_problem(410, "gone");

    let ticket = ticket(3);
    auth.users_command(&["disable", ANN]);
    reset(&auth, &ticket, LONG_PASSWORD).expect_problem(410, "gone");
    auth.users_command(&["enable", ANN]);
    reset(&auth, &ticket, LONG_PASSWORD).expect_problem(410, "gone");
}

#[test]
fn an_account_is_sent_five_mails_an_hour_and_what_is_over_ends_no_ticket() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(mailbox.launch());
    for _ in 0..7 {
        let answer = forgot(&auth, ANN).expect(202);
        assert!(answer.json()["message"].is_string());
    }
    forgot(&auth, BOB).expect(202);
    mailbox.newest_to(BOB, 1);
    let letters = mailbox.letters_to(ANN, 5);
    assert_eq!(letters.len(), 5);
    reset(&auth, &letters[4].ticket(), NEW).expect(204);
    let note = mailbox.newest_to(ANN, 6);
    assert!(note.subject.contains("was changed"), "notes do not count: {note:?}");
}

#[test]
fn without_mail_there_is_nothing() {
    let auth = AuthService::with_users();
    let mut visitor = Visitor::of(auth.public);
    let token = auth.login(ANN, LONG_PASSWORD);
    for path in ["/password/forgot", "/password/reset?ticket=x", "/email/verify", "/signup"] {
        visitor.get(path).expect(404);
        auth.public.send(Request::post(path).json(&json!({}))).expect_problem(404, "not_found");
        auth.public.send(Request::post(path).body("text/plain", "x")).expect(404);
    }
    let change = json!({"email": "anna@example.com", "current_password": LONG_PASSWORD});
    auth.api_put("/users/me/email", &token, &change).expect_problem(404, "not_found");
    visitor.log_in(ANN, LONG_PASSWORD);
    for path in ["/login", "/account"] {
        let page = visitor.get(path).expect(200).text();
        for part in ["/password/forgot", "/signup", "/account/email"] {
            assert!(!page.contains(part), "{path} leads to {part}");
        }
    }
}

//! What somebody tries who wants another's account, or wants mail to go where it should not.

use std::fs;

use serde_json::json;

use super::mailbox::Mailbox;
use super::recovery::{forgot, reset};
use crate::browser::visitor::Visitor;
use crate::harness::{
    ANN, AuthService, BOB, LONG_PASSWORD, Request, TIMEOUT, eventually, is_alive,
};

const NEW: &str = "eight blue kettles hum along";

#[test]
fn no_address_makes_a_header_a_recipient_or_a_mail_of_its_own() {
    let mailbox = Mailbox::new();
    let launch = mailbox.launch().var("AUTH_SIGNUP", "open");
    let auth = AuthService::launch_with_users(launch.var("AUTH_LOGIN_ATTEMPTS_PER_ADDRESS", "0"));
    let long = format!("{}@example.com", "a".repeat(243));
    for address in [
        "ann@example.com\r\nBcc: evil@example.com",
        "ann@example.com\nBcc: evil@example.com",
        "ann@example.com\0",
        "ann@example.com, evil@example.com",
        "ann@example.com,evil@example.com",
        "<ann@example.com>",
        "Ann <ann@example.com>",
        "\"ann@example.com\"@evil.example",
        "ann@example.com>evil",
        "a,b@example.com",
        "a;b@example.com",
        "a>b@example.com",
        "a:b@example.com",
        "\"a\"b@example.com",
        "a(comment)@example.com",
        "a\\b@example.com",
        // Other spellings of one mailbox, and an address that no header can be written with.
        "\"ann\"@example.com",
        "\"a\\nn\"@example.com",
        "ann@[127.0.0.1]",
        &long,
        &format!("{long}m"),
        "",
        "@",
    ] {
        let answer = forgot(&auth, address);
        assert!(matches!(answer.status, 202 | 422), "{address:?}: {answer:?}");
        let new = json!({"email": address, "password": LONG_PASSWORD});
        let answer = auth.public.send(Request::post("/api/v1/users").json(&new));
        answer.expect_problem(422, "unprocessable");
    }
    for (first, last) in [("a\r\nBcc: evil@example.com", "b"), ("a", "\0"), ("a", "b\nc")] {
        let new = json!({"email": "eve@example.com", "password": LONG_PASSWORD, "first_name": first, "last_name": last});
        let answer = auth.public.send(Request::post("/api/v1/users").json(&new));
        answer.expect_problem(422, "unprocessable");
    }
    forgot(&auth, BOB).expect(202);
    mailbox.newest_to(BOB, 1);
    for letter in mailbox.letters() {
        assert_eq!(letter.to, BOB, "{letter:?}");
        assert!(!letter.source.to_lowercase().contains("evil"), "{letter:?}");
    }
}

#[test]
fn a_mail_goes_to_the_address_that_is_stored_whatever_looks_like_it() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(mailbox.launch());
    // A full-width letter and an upper-case one are the same name; a dotless i is another.
    forgot(&auth, "ＡNN@EXAMPLE.com").expect(202);
    mailbox.newest_to(ANN, 1);
    for lookalike in ["\u{430}nn@example.com", "ann@example.co", "ann@ex\u{e4}mple.com"] {
        forgot(&auth, lookalike).expect(202);
    }
    forgot(&auth, BOB).expect(202);
    mailbox.newest_to(BOB, 1);
    assert_eq!(mailbox.letters().len(), 2);
}

#[test]
fn tickets_open_nothing_and_tokens_are_no_tickets() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(mailbox.launch().var("AUTH_SIGNUP", "open"));
    let token = auth.login(ANN, LONG_PASSWORD);
    forgot(&auth, ANN).expect(202);
    let ticket = mailbox.newest_to(ANN, 1).ticket();
    auth.keep_secret(&ticket);
    assert_eq!(auth.validate(&ticket)["reason"], "malformed");
    for request in [
        Request::get("/session").bearer(&ticket),
        Request::get("/session").token(&ticket),
        Request::get("/session").cookie(&ticket),
        Request::post("/logout").bearer(&ticket),
    ] {
        let answer = auth.public.send(request);
        assert!(matches!(answer.status, 401 | 204), "{answer:?}");
    }
    for wrong in [&token, "", "rft_", "rft_\r\n", &ticket.replace("rft_", "rfl_"), &ticket[..46]] {
        reset(&auth, wrong, NEW).expect_problem(404, "not_found");
        let body = json!({"ticket": wrong, "password": NEW});
        let answer = auth.public.send(Request::post("/email/verify").json(&body));
        answer.expect_problem(404, "not_found");
    }
    assert!(is_alive(&auth.look_at(&token)));

    // Of another purpose.
    let new = json!({"email": "eve@example.com", "password": LONG_PASSWORD});
    auth.public.send(Request::post("/api/v1/users").json(&new)).expect(202);
    let sign_up = mailbox.newest_to("eve@example.com", 1).ticket();
    reset(&auth, &sign_up, NEW).expect_problem(404, "not_found");
    let body = json!({"ticket": ticket, "password": LONG_PASSWORD});
    let verify = Request::post("/email/verify").json(&body);
    auth.public.send(verify).expect_problem(404, "not_found");
    let mut visitor = Visitor::of(auth.public);
    visitor.get(&format!("/email/verify?ticket={ticket}")).expect(404);
    visitor.get(&format!("/password/reset?ticket={sign_up}")).expect(404);
    reset(&auth, &ticket, NEW).expect(204);
}

#[test]
fn of_two_posts_at_once_one_uses_the_ticket() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(mailbox.launch());
    forgot(&auth, ANN).expect(202);
    let ticket = mailbox.newest_to(ANN, 1).ticket();
    let passwords: Vec<String> = (0..8).map(|n| format!("number {n} of eight kettles")).collect();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let posts: Vec<_> = passwords
            .iter()
            .map(|password| scope.spawn(|| reset(&auth, &ticket, password).status))
            .collect();
        posts.into_iter().map(|post| post.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 204 | 410)), "{statuses:?}");
    let winner = statuses.iter().position(|status| *status == 204).unwrap();
    auth.login(ANN, &passwords[winner]);
}

#[test]
fn a_ticket_that_another_site_posts_is_not_used() {
    let mailbox = Mailbox::new();
    let launch = mailbox.launch().var("AUTH_SIGNUP", "open");
    let auth = AuthService::launch_with_users(launch);
    forgot(&auth, ANN).expect(202);
    let ticket = mailbox.newest_to(ANN, 1).ticket();
    for (path, body) in [
        ("/password/forgot", "email=bob%40example.com".to_owned()),
        ("/password/reset", format!("ticket={ticket}&new_password=evil+evil+evil+evil")),
        ("/email/verify", format!("ticket={ticket}&password=evil+evil+evil+evil")),
        ("/signup", "email=eve%40example.com&password=evil+evil+evil+evil".to_owned()),
        ("/account/email", "email=eve%40example.com&current_password=x".to_owned()),
    ] {
        for (name, value) in [
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
        ] {
            let request = Request::post(path).form(&body).header(name, value);
            auth.public.send(request).expect_problem(403, "cross_site_request");
        }
    }
    reset(&auth, &ticket, NEW).expect(204);
    mailbox.letters_to(ANN, 2);
    assert_eq!(mailbox.letters().len(), 2, "the ticket and the note");
}

#[test]
fn a_ticket_is_in_no_log_whatever_is_done_with_it() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(mailbox.launch().var("RUST_LOG", "trace"));
    forgot(&auth, ANN).expect(202);
    let letter = mailbox.newest_to(ANN, 1);
    let ticket = letter.ticket();
    auth.keep_secret(&ticket[4..]);
    let mut visitor = Visitor::of(auth.public);
    visitor.get(&letter.link()).expect(200);
    visitor.get(&format!("/email/verify?ticket={ticket}")).expect(404);
    visitor.get(&format!("/nowhere/{ticket}?ticket={ticket}")).expect(404);
    visitor.get(&format!("/login?next=/password/reset?ticket={ticket}")).expect(200);
    reset(&auth, &ticket, "short").expect(422);
    reset(&auth, &ticket, NEW).expect(204);
    reset(&auth, &ticket, NEW).expect(410);
    visitor.get(&letter.link()).expect(410);
    auth.public.send(Request::get("/session").bearer(&ticket)).expect(401);
    auth.log_lines_with("a mail was sent", 2);
}

/// Of a mail that was sent, whoever copies the users' database gets the digest of its ticket.
#[test]
fn a_ticket_that_was_sent_is_in_no_file_of_the_database() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(mailbox.launch());
    forgot(&auth, ANN).expect(202);
    let ticket = mailbox.newest_to(ANN, 1).ticket();
    let database = auth.database();
    let directory = database.parent().unwrap();
    eventually("no file has the ticket", TIMEOUT, || {
        let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let mut files = files.filter_map(|path| fs::read(path).ok());
        let has_it =
            |file: Vec<u8>| file.windows(ticket.len()).any(|part| part == ticket.as_bytes());
        (!files.any(has_it)).then_some(())
    });
    reset(&auth, &ticket, NEW).expect(204);
}

#[test]
fn bodies_that_no_page_sends_are_refused() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(mailbox.launch());
    for path in ["/password/forgot", "/password/reset", "/email/verify"] {
        let send = |request: Request| auth.public.send(request);
        send(Request::post(path).json(&json!({}))).expect_problem(400, "invalid_request");
        send(Request::post(path).form("a=b")).expect_problem(400, "invalid_request");
        send(Request::post(path).json(&json!([]))).expect_problem(400, "invalid_request");
        send(Request::post(path)).expect_problem(415, "unsupported_media_type");
        send(Request::post(path).body("text/plain", "x"))
            .expect_problem(415, "unsupported_media_type");
        send(Request::new("DELETE", path)).expect_problem(405, "method_not_allowed");
        let twice = "email=a%40b.c&email=d%40e.f&ticket=x&ticket=y";
        send(Request::post(path).form(twice)).expect_problem(400, "invalid_request");
    }
    auth.public.get("/password/reset?ticket=a&ticket=b").expect(400);
    let mut visitor = Visitor::of(auth.public);
    for (cut, status) in [
        ("/password/reset", 400),
        ("/password/reset?tick", 400),
        ("/email/verify", 400),
        ("/email/verify?ticket", 404),
    ] {
        let page = visitor.get(cut).expect(status).text();
        assert!(page.contains("It may have been cut on the way from the mail"), "{page}");
    }
}

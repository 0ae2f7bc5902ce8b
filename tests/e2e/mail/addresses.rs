//! Another address for an account: it counts once it is verified.

use serde_json::json;

use super::mailbox::Mailbox;
use super::recovery::{forgot, reset};
use crate::browser::visitor::Visitor;
use crate::harness::{ANN, AuthService, BOB, DEMO, LONG_PASSWORD, Request, is_alive};

const ANNA: &str = "anna@example.com";

#[test]
fn an_address_counts_once_it_is_verified_and_ends_the_other_sessions() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(mailbox.launch());
    let (own, other) = (auth.login(ANN, LONG_PASSWORD), auth.login(ANN, LONG_PASSWORD));
    let change =
        |email: &str, password: &str| json!({"email": email, "current_password": password});
    let put = |body| auth.api_put("/users/me/email", &own, &body);
    put(json!({"email": ANNA})).expect_problem(400, "invalid_request");
    put(change(ANNA, "wrong wrong wrong")).expect_problem(422, "unprocessable");
    put(change("anna", LONG_PASSWORD)).expect_problem(422, "unprocessable");
    put(change("a,b@example.com", LONG_PASSWORD)).expect_problem(422, "unprocessable");
    put(change(ANNA, LONG_PASSWORD)).expect(202);

    let letter = mailbox.newest_to(ANNA, 1);
    let note = mailbox.newest_to(ANN, 1);
    assert!(note.subject.starts_with("Another address") && !note.source.contains("rft_"));
    assert!(auth.public.get(&letter.link()).expect(200).text().contains("Confirm your address"));
    auth.login(ANN, LONG_PASSWORD);
    let body = json!({"ticket": letter.ticket()});
    auth.keep_secret(&letter.ticket());
    auth.public.send(Request::post("/email/verify").json(&body)).expect(204);
    auth.public.send(Request::post("/email/verify").json(&body)).expect_problem(410, "gone");

    assert!(is_alive(&auth.validate(&own)), "the session that asked goes on");
    assert!(!is_alive(&auth.validate(&other)));
    auth.try_login(ANN, LONG_PASSWORD).expect(401);
    let token = auth.login(ANNA, LONG_PASSWORD);
    let user = auth.api_get("/users/me", &token).json();
    assert_eq!((&user["email"], &user["email_verified"]), (&json!(ANNA), &json!(true)));
    auth.log_lines_with("\"event\":\"email.changed\"", 1);
}

#[test]
fn a_taken_address_is_answered_the_same_and_its_owner_is_told() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(mailbox.launch());
    let token = auth.login(ANN, LONG_PASSWORD);
    let change = |email: &str| {
        let body = json!({"email": email, "current_password": LONG_PASSWORD});
        auth.api_put("/users/me/email", &token, &body).expect(202).without_id_and_date()
    };
    assert_eq!(change(BOB), change(ANNA));
    let letter = mailbox.newest_to(BOB, 1);
    assert!(letter.subject.starts_with("Your address was asked for"), "{letter:?}");
    assert!(!letter.source.contains("rft_"));
    let ticket = mailbox.newest_to(ANNA, 1).ticket();
    auth.create(&auth.token(), ANNA);
    let body = json!({"ticket": ticket});
    let late = auth.public.send(Request::post("/email/verify").json(&body));
    late.expect_problem(409, "conflict");
    auth.login(ANN, LONG_PASSWORD);
}

#[test]
fn an_admin_is_believed_at_once_and_nobody_else_for_another() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(mailbox.launch());
    let (admin, ann, bob) =
        (auth.token(), auth.login(ANN, LONG_PASSWORD), auth.login(BOB, LONG_PASSWORD));
    let id = auth.api_get("/users/me", &ann).json()["id"].as_str().unwrap().to_owned();
    let path = format!("/users/{id}/email");
    auth.api_put(&path, &bob, &json!({"email": ANNA})).expect_problem(404, "not_found");
    auth.api_put(&path, &admin, &json!({"email": BOB})).expect_problem(409, "conflict");
    let user = auth.api_put(&path, &admin, &json!({"email": ANNA})).expect(200).json();
    assert_eq!(user["email"], ANNA);
    assert!(!is_alive(&auth.validate(&ann)));
    auth.login(ANNA, LONG_PASSWORD);
    auth.api_put("/users/me/email", &admin, &json!({"email": ANN})).expect(400);
    let own = json!({"email": ANN, "current_password": DEMO.1});
    auth.api_put("/users/me/email", &admin, &own).expect_problem(422, "unprocessable");
    assert!(mailbox.letters().is_empty());
}

#[test]
fn a_new_password_ends_the_wish_for_another_address() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(mailbox.launch());
    let mut visitor = Visitor::of(auth.public);
    visitor.log_in(ANN, LONG_PASSWORD);
    assert!(visitor.get("/account").text().contains("action=\"/account/email\""));
    let fields = [("email", ANNA), ("current_password", "wrong")];
    let page = visitor.post("/account/email", &fields).expect(422).text();
    assert!(page.contains("Your present password is another one"), "{page}");
    let fields = [("email", ANNA), ("current_password", LONG_PASSWORD)];
    let done = visitor.post("/account/email", &fields).expect(303);
    assert_eq!(done.all("location"), ["/account?done=email"]);
    assert!(visitor.get("/account?done=email").text().contains("on its way to the new address"));
    let taken_over = mailbox.newest_to(ANNA, 1);
    mailbox.newest_to(ANN, 1);
    forgot(&auth, ANN).expect(202);
    let own = mailbox.newest_to(ANN, 2);
    reset(&auth, &own.ticket(), "eight blue kettles hum along").expect(204);
    let mut visitor = Visitor::of(auth.public);
    auth.keep_secret(&taken_over.ticket());
    visitor.get(&taken_over.link()).expect(410);
    visitor.post("/email/verify", &[("ticket", &taken_over.ticket())]).expect(410);
    auth.try_login(ANNA, LONG_PASSWORD).expect(401);
}

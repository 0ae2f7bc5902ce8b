//! A real mail server: with TLS and without, away, hanging, refusing, and a service that is killed with
//! mails on their way.

use std::collections::HashSet;

use serde_json::json;

use super::mailbox::Mailbox;
use super::recovery::{forgot, reset};
use super::server::{MailServer, Mode, skip_without_mail_server};
use crate::harness::{
    ANN, AuthService, BOB, LONG_PASSWORD, Launch, Request, TIMEOUT, eventually, query,
};

const NOTE: &str = "mail is not sent";

fn ready_notes(auth: &AuthService) -> String {
    auth.internal.get("/readyz").expect(200).text()
}

#[test]
fn a_mail_goes_by_tls_with_a_login_and_holds_a_ticket_that_works() {
    if skip_without_mail_server() {
        return;
    }
    for mode in [Mode::StartTls, Mode::Smtps] {
        let server = MailServer::start_with_login(mode);
        let auth = AuthService::launch_with_users(server.launch());
        auth.keep_secret("a secret of the post");
        forgot(&auth, ANN).expect(202);
        let letter = server.letters_to(ANN, 1).remove(0);
        let taken = server.taken().remove(0);
        assert_eq!((&taken["tls"], &taken["user"]), (&json!(true), &json!("reinflate")), "{taken}");
        assert_eq!((&taken["from"], &taken["to"]), (&json!("auth@example.com"), &json!([ANN])));
        reset(&auth, &letter.ticket(), "eight blue kettles hum along").expect(204);
        server.letters_to(ANN, 2);
        assert!(!ready_notes(&auth).contains(NOTE));
    }
}

#[test]
fn without_the_tls_that_is_wanted_nothing_is_sent() {
    if skip_without_mail_server() {
        return;
    }
    let (plain, foreign) = (MailServer::start(Mode::Plain), MailServer::start(Mode::StartTls));
    let port = |server: &MailServer| {
        let output = server.launch().arg("config").arg("print").run().stdout;
        let line =
            output.lines().find(|line| line.starts_with("AUTH_MAIL_URL=")).unwrap().to_owned();
        line.chars().filter(char::is_ascii_digit).collect::<String>()
    };
    let plain_port = port(&plain).trim_start_matches("127001").to_owned();
    let foreign_port = port(&foreign);
    let from = |url: String| {
        Launch::auth().var("AUTH_MAIL_URL", url).var("AUTH_MAIL_FROM", "auth@example.com")
    };
    for (launch, why) in [
        // It offers none.
        (from(format!("smtp://localhost:{plain_port}")), "offers no STARTTLS"),
        (from(format!("smtps://localhost:{plain_port}")), "the mail server does not answer"),
        // Its certificate is nobody's whom the system trusts, or another name's.
        (from(format!("smtp://localhost:{foreign_port}")), "STARTTLS failed"),
        (
            foreign.launch().var("AUTH_MAIL_URL", format!("smtp://127.0.0.1:{foreign_port}")),
            "STARTTLS failed",
        ),
    ] {
        let auth = AuthService::launch_with_users(launch);
        forgot(&auth, ANN).expect(202);
        auth.log_lines_with(why, 1);
        eventually("the note", TIMEOUT, || ready_notes(&auth).contains(NOTE).then_some(()));
        let public = auth.public.get("/readyz").expect(200).text();
        assert!(!public.contains(NOTE), "{public}");
    }
    assert!(plain.taken().is_empty() && foreign.taken().is_empty());
}

#[test]
fn a_recipient_who_is_refused_or_put_off_holds_up_nobody() {
    if skip_without_mail_server() {
        return;
    }
    let server = MailServer::start(Mode::Plain);
    let auth = AuthService::launch_with_users(server.launch());
    let admin = auth.token();
    for name in ["refused", "later", "close"] {
        auth.create(&admin, &format!("{name}@example.com"));
        forgot(&auth, &format!("{name}@example.com")).expect(202);
    }
    forgot(&auth, ANN).expect(202);
    server.letters_to(ANN, 1);
    server.letters_to("close@example.com", 1);
    server.letters_to("later@example.com", 1);
    auth.log_lines_with("is not tried again", 1);
    let count =
        |result: &str| auth.metric(&format!("auth_mail_attempts_total{{result=\"{result}\"}}"));
    assert_eq!((count("refused"), count("deferred")), (Some(1.0), Some(1.0)));
    forgot(&auth, BOB).expect(202);
    server.letters_to(BOB, 1);
    let taken: HashSet<String> =
        server.taken().iter().map(|mail| mail["to"][0].as_str().unwrap().to_owned()).collect();
    assert_eq!(taken.len(), 4, "{taken:?}");
}

#[test]
fn a_server_that_hangs_slows_down_no_request_and_other_mails_go_on() {
    if skip_without_mail_server() {
        return;
    }
    let server = MailServer::start(Mode::Plain);
    let auth = AuthService::launch_with_users(server.launch());
    auth.create(&auth.token(), "hang@example.com");
    forgot(&auth, "hang@example.com").expect(202);
    for _ in 0..3 {
        forgot(&auth, ANN).expect(202);
        auth.login(ANN, LONG_PASSWORD);
    }
    assert!(server.taken().is_empty(), "the first still waits for an answer");
    let letters = server.letters_to(ANN, 3);
    reset(&auth, &letters[2].ticket(), "eight blue kettles hum along").expect(204);
    auth.log_lines_with("no answer within 30 s", 1);
}

#[test]
fn a_thousand_mails_that_waited_arrive_once_each() {
    if skip_without_mail_server() {
        return;
    }
    let mut server = MailServer::away(Mode::Plain);
    let launch = server
        .launch()
        .var("AUTH_SIGNUP", "open")
        .var("RUST_LOG", "info")
        .var("AUTH_PASSWORD_MEMORY_KIB", "8192")
        .var("AUTH_PASSWORD_PASSES", "1")
        .var("AUTH_LOGIN_ATTEMPTS_PER_ADDRESS", "0");
    let auth = AuthService::launch_with_users(launch);
    let mut connection = auth.public.connect();
    for n in 0..1000 {
        let new = json!({"email": format!("u{n}@example.com"), "password": LONG_PASSWORD});
        let request = Request::post("/api/v1/users").json(&new);
        assert_eq!(connection.send(&request).status, 202);
    }
    eventually("the note", TIMEOUT, || ready_notes(&auth).contains(NOTE).then_some(()));
    eventually("a thousand wait", TIMEOUT, || {
        (auth.metric("auth_mail_queued") == Some(1000.0)).then_some(())
    });
    server.come_back();
    eventually("all of them", 9 * TIMEOUT, || (server.taken().len() >= 1000).then_some(()));
    eventually("an empty outbox", TIMEOUT, || {
        (auth.metric("auth_mail_queued") == Some(0.0)).then_some(())
    });
    let taken = server.taken();
    let to: HashSet<&str> = taken.iter().map(|mail| mail["to"][0].as_str().unwrap()).collect();
    assert_eq!((taken.len(), to.len()), (1000, 1000));
    assert!(!ready_notes(&auth).contains(NOTE));
}

/// The outbox is in a file, which the next process opens.
fn on_a_file(launch: &Launch, mailbox: &tempfile::TempDir) -> Launch {
    let file = mailbox.path().join("users.db");
    launch.clone().var("AUTH_DATABASE_URL", format!("sqlite:{}", file.display()))
}

#[test]
fn what_was_asked_for_before_a_kill_is_sent_after_it() {
    if skip_without_mail_server() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let mut server = MailServer::away(Mode::Plain);
    let launch = on_a_file(&server.launch(), &home);
    let add = launch.clone().arg("users").arg("add").arg(ANN);
    assert_eq!(add.run_with_input(LONG_PASSWORD).code, Some(0));
    let mut killed = AuthService::launch(&launch);
    forgot(&killed, ANN).expect(202);
    killed.kill();
    server.come_back();
    let auth = AuthService::launch(&launch);
    let letter = server.letters_to(ANN, 1).remove(0);
    reset(&auth, &letter.ticket(), "eight blue kettles hum along").expect(204);
}

#[test]
fn a_mail_that_may_have_been_sent_before_a_kill_is_sent_again_under_the_same_id() {
    if skip_without_mail_server() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let server = MailServer::start(Mode::Plain);
    let launch = on_a_file(&server.launch(), &home);
    let add = launch.clone().arg("users").arg("add").arg(ANN);
    assert_eq!(add.run_with_input(LONG_PASSWORD).code, Some(0));
    let mut killed = AuthService::launch(&launch);
    forgot(&killed, ANN).expect(202);
    let first = server.letters_to(ANN, 1).remove(0);
    eventually("the row is gone", TIMEOUT, || {
        (killed.metric("auth_mail_queued") == Some(0.0)).then_some(())
    });
    killed.kill();
    // The row as it was between the sending and the removal.
    let file = home.path().join("users.db");
    let id = first.message_id.trim_start_matches('<').split('@').next().unwrap();
    let ticket = first.ticket();
    let insert = format!(
        "INSERT INTO mail_outbox (id, kind, user_id, address, generation, ticket, created_at_ms, \
         due_at_ms, attempts) SELECT '{id}', 'reset', id, email, generation, '{ticket}', \
         strftime('%s', 'now') * 1000, 0, 0 FROM users WHERE email = '{ANN}'"
    );
    query(&file, &insert);
    let auth = AuthService::launch(&launch);
    let again = server.letters_to(ANN, 2).remove(1);
    assert_eq!((&again.message_id, again.ticket()), (&first.message_id, ticket.clone()));
    reset(&auth, &ticket, "eight blue kettles hum along").expect(204);
}

#[test]
fn of_two_nodes_one_sends_and_the_other_takes_over() {
    let mailbox = Mailbox::new();
    let home = tempfile::tempdir().unwrap();
    let launch = on_a_file(&mailbox.launch(), &home);
    let add = launch.clone().arg("users").arg("add").arg(ANN);
    assert_eq!(add.run_with_input(LONG_PASSWORD).code, Some(0));
    let mut nodes = [AuthService::launch(&launch), AuthService::launch(&launch)];
    for count in 1..=4 {
        forgot(&nodes[count % 2], ANN).expect(202);
        mailbox.letters_to(ANN, count);
    }
    nodes[0].kill();
    forgot(&nodes[1], ANN).expect(202);
    mailbox.letters_to(ANN, 5);
    let ids: HashSet<String> =
        mailbox.letters().into_iter().map(|letter| letter.message_id).collect();
    assert_eq!(ids.len(), 5);
}

#[test]
fn a_password_of_the_mail_server_is_replaced_without_a_restart() {
    if skip_without_mail_server() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("password");
    std::fs::write(&file, "the one of before").unwrap();
    let server = MailServer::start_with_login(Mode::StartTls);
    let launch = server.launch().without("AUTH_MAIL_PASSWORD");
    let launch = launch.var("AUTH_MAIL_PASSWORD_FILE", file.display().to_string());
    let auth = AuthService::launch_with_users(launch);
    forgot(&auth, ANN).expect(202);
    auth.log_lines_with("AUTH_MAIL_USERNAME and AUTH_MAIL_PASSWORD are not taken", 1);
    std::fs::write(&file, "a secret of the post").unwrap();
    auth.keep_secret("a secret of the post");
    auth.signal("HUP");
    server.letters_to(ANN, 1);
}

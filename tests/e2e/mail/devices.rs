//! Logins from elsewhere, of which owners are told where that is wanted.

use super::mailbox::Mailbox;
use crate::browser::visitor::Visitor;
use crate::harness::{ANN, AuthService, DEMO, LONG_PASSWORD};

const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 \
     (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";

fn log_in(auth: &AuthService, agent: &str, (name, password): (&str, &str)) {
    Visitor::of(auth.public).with_agent(agent).log_in(name, password);
}

#[test]
fn a_login_from_elsewhere_is_told_once() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(mailbox.launch().var("AUTH_MAIL_NEW_DEVICE", "true"));
    let ann = (ANN, LONG_PASSWORD);
    for agent in ["curl/8.5", "curl/8.5", PHONE, PHONE, "http://evil.example/ click"] {
        log_in(&auth, agent, ann);
    }
    let letters = mailbox.letters_to(ANN, 2);
    assert!(letters[0].subject.starts_with("A new login"), "{letters:?}");
    assert!(letters[0].text.contains("with Safari on iPhone from the address 127.0.0.1"));
    assert_eq!(letters[0].link(), "/account");
    assert!(!letters[1].source.contains("evil.example"), "{letters:?}");
    log_in(&auth, PHONE, DEMO);
    log_in(&auth, "curl/8.5", DEMO);
    auth.try_login(ANN, "wrong wrong wrong").expect(401);
    log_in(&auth, "wget/1", ann);
    mailbox.letters_to(ANN, 3);
    assert_eq!(mailbox.letters().len(), 3, "none to the demo user, none for a failed login");
}

#[test]
fn nobody_is_told_unless_it_is_wanted() {
    let mailbox = Mailbox::new();
    let auth = AuthService::launch_with_users(mailbox.launch());
    for agent in ["curl/8.5", PHONE] {
        log_in(&auth, agent, (ANN, LONG_PASSWORD));
    }
    assert_eq!(auth.metric("auth_mail_queued"), Some(0.0));
    assert!(mailbox.letters().is_empty());
}

//! The settings of mail: what is refused, in one line that names it, and `auth-service mail test`.

use super::mailbox::Mailbox;
use crate::harness::Launch;

fn refused(launch: &Launch, parts: &[&str]) {
    let output = launch.run();
    assert_eq!((output.code, output.lines().len()), (Some(2), 1), "{output:?}");
    for part in parts {
        assert!(output.stderr.contains(part), "{part}: {output:?}");
    }
}

#[test]
fn a_setting_that_cannot_be_meant_ends_the_start() {
    let url = |url: &str| Launch::auth().var("AUTH_MAIL_URL", url);
    let from = |launch: Launch| launch.var("AUTH_MAIL_FROM", "auth@example.com");
    for wrong in ["smtp://mail.example.com?tls=none", "mail.example.com", "http://mail.example.com"]
    {
        refused(&from(url(wrong)), &["AUTH_MAIL_URL", "smtps://HOST:PORT"]);
    }
    let secret = from(url("smtp://ann:geheimnis@mail.example.com"));
    let output = secret.run();
    assert!(output.code == Some(2) && !output.stderr.contains("geheimnis"), "{output:?}");
    refused(&url("smtp://mail.example.com"), &["AUTH_MAIL_FROM", "AUTH_MAIL_URL needs"]);
    refused(&url("smtp://mail.example.com").var("AUTH_MAIL_FROM", "auth"), &["AUTH_MAIL_FROM"]);
    let injected = "A <auth@example.com>\r\nBcc: b@example.com";
    refused(&url("file:mails").var("AUTH_MAIL_FROM", injected), &["AUTH_MAIL_FROM"]);
    let named = from(url("smtps://mail.example.com"));
    refused(&named.clone().var("AUTH_MAIL_USERNAME", "ann"), &["AUTH_MAIL_PASSWORD"]);
    refused(&named.var("AUTH_MAIL_PASSWORD", "geheimnis"), &["AUTH_MAIL_USERNAME"]);
    refused(&Launch::auth().var("AUTH_SITE_NAME", "a\nb"), &["AUTH_SITE_NAME"]);
}

#[test]
fn a_test_mail_says_whether_it_was_taken() {
    let mailbox = Mailbox::new();
    let test = |launch: Launch, address: &str| launch.arg("mail").arg("test").arg(address).run();
    let sent = test(mailbox.launch(), "ann@example.com");
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert!(sent.stdout.contains("sent to ann@example.com"), "{sent:?}");
    assert_eq!(mailbox.letters_to("ann@example.com", 1)[0].subject, "Mail from Reinflate arrives");
    let output = test(mailbox.launch(), "a,b@example.com");
    assert_eq!((output.code, output.lines().len()), (Some(1), 1), "{output:?}");
    let output = test(Launch::auth(), "ann@example.com");
    assert_eq!((output.code, output.lines().len()), (Some(2), 1), "{output:?}");
    let away = Launch::auth()
        .var("AUTH_MAIL_URL", "smtp://127.0.0.1:1?tls=none")
        .var("AUTH_MAIL_FROM", "auth@example.com");
    let output = test(away, "ann@example.com");
    assert_eq!((output.code, output.lines().len()), (Some(1), 1), "{output:?}");
    assert!(output.stderr.contains("the mail server does not answer"), "{output:?}");
}

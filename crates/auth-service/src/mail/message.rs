//! From a letter to the bytes that a mail server takes: headers, plain text and HTML.

use std::time::{Duration, SystemTime};

use askama::Template;
use lettre::Address;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use users::QueuedMail;
use uuid::Uuid;

use super::Failure;
use super::address::of_user;
use super::letter::{Letter, Site, letter};

/// A mail as it travels.
pub(crate) struct Message {
    pub(crate) id: Uuid,
    pub(crate) from: Address,
    pub(crate) to: Address,
    pub(crate) bytes: Vec<u8>,
}

/// Who writes mails, and for which site.
pub(crate) struct Writer {
    from: Mailbox,
    site: Site,
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct Page<'a> {
    letter: &'a Letter,
    site: &'a Site,
}

#[derive(Template)]
#[template(path = "mail/letter.txt", escape = "none")]
struct Plain<'a> {
    letter: &'a Letter,
    site: &'a Site,
}

impl Writer {
    pub(super) fn new(from: Mailbox, site: Site) -> Self {
        Self { from, site }
    }

    /// The mail as bytes. The same mail has the same id, so that a repetition is known for one.
    pub(crate) fn write(&self, mail: &QueuedMail) -> Result<Message, Failure> {
        let written = letter(mail, &self.site);
        let letter =
            written.ok_or_else(|| Failure::Refused("there is nothing to say".to_owned()))?;
        self.bytes(mail.id, &mail.address, mail.created_at_ms, &letter)
    }

    /// A mail that says that mails arrive.
    pub(crate) fn write_test(&self, id: Uuid, to: &str, now_ms: i64) -> Result<Message, Failure> {
        let letter = Letter {
            subject: format!("Mail from {} arrives", self.site.name()),
            opening: vec![format!(
                "This is a test of how {} sends mail. There is nothing to do.",
                self.site.name()
            )],
            action: None,
            closing: Vec::new(),
        };
        self.bytes(id, to, now_ms, &letter)
    }

    fn bytes(&self, id: Uuid, to: &str, at_ms: i64, letter: &Letter) -> Result<Message, Failure> {
        let unusable = || Failure::Refused("no mail can be sent to such an address".to_owned());
        let to = of_user(to).ok_or_else(unusable)?;
        let refused = |what: &str| Failure::Refused(format!("the mail cannot be written: {what}"));
        let site = &self.site;
        let plain = Plain { letter, site }.render().map_err(|error| refused(&error.to_string()))?;
        let html = Page { letter, site }.render().map_err(|error| refused(&error.to_string()))?;
        let since = Duration::from_millis(u64::try_from(at_ms).unwrap_or_default());
        let message = lettre::Message::builder()
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .date(SystemTime::UNIX_EPOCH + since)
            .from(self.from.clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(&letter.subject)
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(plain, html))
            .map_err(|error| refused(&error.to_string()))?;
        let from = self.from.email.clone();
        Ok(Message { id, from, to, bytes: message.formatted() })
    }
}

/// Says that nobody wrote it, so that no program answers
/// ([RFC 3834 §5](https://www.rfc-editor.org/rfc/rfc3834#section-5)).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use users::MailKind;

    use super::*;

    fn writer(from: &str, site: &str) -> Writer {
        let url = "https://auth.example.com".parse().unwrap();
        Writer::new(from.parse().unwrap(), Site::new(site.to_owned(), &url))
    }

    fn mail(kind: MailKind, address: &str) -> QueuedMail {
        let id = Uuid::from_u128(7);
        QueuedMail::for_tests(id, kind, address, "rft_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
    }

    fn text(message: &Message) -> String {
        String::from_utf8(message.bytes.clone()).unwrap()
    }

    #[test]
    fn a_mail_is_the_same_each_time_but_for_its_boundary_and_never_asks_for_an_answer() {
        let writer = writer("Example <auth@example.com>", "Example");
        let message = writer.write(&mail(MailKind::Reset, "ann@Bücher.example")).unwrap();
        let text = text(&message);
        for line in [
            "Message-ID: <00000000-0000-0000-0000-000000000007@example.com>\r\n",
            "From: Example <auth@example.com>\r\n",
            "To: ann@xn--bcher-kva.example\r\n",
            "Subject: Your new password for Example\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n",
        ] {
            assert_eq!(text.matches(line).count(), 1, "{line}{text}");
        }
        assert_eq!(message.to.to_string(), "ann@xn--bcher-kva.example");
        assert!(text.is_ascii());
    }

    #[test]
    fn no_name_of_a_site_or_a_sender_makes_a_header() {
        let writer =
            writer("\"Bcc: x, <a@b>; Ünïcode\" <auth@example.com>", "Ünïcode & \"Söhne\" <x>");
        for kind in [MailKind::SignUp, MailKind::NewDevice, MailKind::PasswordReset] {
            let text = text(&writer.write(&mail(kind, "ann@example.com")).unwrap());
            let (head, _) = text.split_once("\r\n\r\n").unwrap();
            let names = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
            let names: Vec<&str> =
                names.filter_map(|line| line.split_once(':')).map(|n| n.0).collect();
            for name in ["Message-ID", "Date", "From", "To", "Subject", "Auto-Submitted"] {
                assert_eq!(names.iter().filter(|n| **n == name).count(), 1, "{name}: {head}");
            }
            assert!(!names.iter().any(|name| name.eq_ignore_ascii_case("bcc")), "{head}");
            assert_eq!(names.len(), 8, "{head}");
        }
    }

    #[test]
    fn each_kind_is_written_as_text_and_as_html() {
        let writer = writer("auth@example.com", "A & <B>");
        for kind in MailKind::ALL.into_iter().filter(|kind| !kind.is_request()) {
            let letter = letter(&mail(kind, "ann@example.com"), &writer.site).unwrap();
            let site = &writer.site;
            let html = Page { letter: &letter, site }.render().unwrap();
            let plain = Plain { letter: &letter, site }.render().unwrap();
            assert!(html.contains("A &#38; &#60;B&#62;") && !html.contains("<B>"), "{html}");
            assert!(!html.contains("<img") && !html.contains("src=") && !html.contains("@import"));
            assert!(plain.contains("A & <B>") && !plain.contains("&#"), "{plain}");
            let url = letter.action.as_ref().map(|action| action.url.as_str());
            for text in [&html, &plain] {
                assert_eq!(url.is_some_and(|url| text.contains(url)), url.is_some(), "{text}");
                assert_eq!(text.contains("rft_"), kind.purpose().is_some(), "{text}");
            }
        }
        assert!(writer.write(&mail(MailKind::ForgotRequest, "ann@example.com")).is_err());
        assert!(writer.write(&mail(MailKind::Reset, "a,b@example.com")).is_err());
    }
}

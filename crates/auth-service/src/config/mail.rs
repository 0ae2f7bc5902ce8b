//! The settings of mail: where it goes, who it is from, and how a server is spoken to.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use lettre::message::Mailbox;
use parking_lot::Mutex;
use server_runtime::{BadSetting, Settings};
use url::{Host, Url};
use zeroize::Zeroizing;

use super::settings;

/// The port where mail is handed in, with STARTTLS ([RFC 6409](https://www.rfc-editor.org/rfc/rfc6409)).
const SUBMISSION: u16 = 587;
/// The same with TLS from the first byte ([RFC 8314](https://www.rfc-editor.org/rfc/rfc8314)).
const SUBMISSIONS: u16 = 465;
/// Where a relay on this machine listens.
const RELAY: u16 = 25;
/// The longest name of a site.
const MAX_SITE_NAME: usize = 60;

/// Where mails go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailServer {
    /// Into this directory, a file each.
    Directory(PathBuf),
    /// To a server.
    Smtp {
        /// Its name or address.
        host: String,
        /// Its port.
        port: u16,
        /// How the way there is protected.
        security: MailSecurity,
    },
}

/// How the way to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// TLS by STARTTLS, without which nothing is sent.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// Not at all: on loopback.
    None,
}

/// Who mails are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailSender(pub(crate) Mailbox);

/// How mail is sent, where it is.
#[derive(Clone, Debug)]
pub(crate) struct MailSettings {
    pub(crate) server: MailServer,
    pub(crate) credentials: Option<MailCredentials>,
    pub(crate) from: Mailbox,
    pub(crate) new_device: bool,
}

/// Who the service is to the mail server. A clone has the same password, also once it is replaced.
#[derive(Clone)]
pub(crate) struct MailCredentials {
    username: String,
    password: Arc<Mutex<Zeroizing<String>>>,
}

impl MailCredentials {
    fn new(username: String, password: Zeroizing<String>) -> Self {
        Self { username, password: Arc::new(Mutex::new(password)) }
    }

    pub(crate) fn username(&self) -> &str {
        &self.username
    }

    /// The password that is in force now.
    pub(crate) fn password(&self) -> Zeroizing<String> {
        self.password.lock().clone()
    }

    /// Has connections from now on log in with another password.
    pub(crate) fn replace_password(&self, password: Zeroizing<String>) {
        *self.password.lock() = password;
    }
}

impl fmt::Debug for MailCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailCredentials").field("username", &self.username).finish_non_exhaustive()
    }
}

pub(super) fn read(settings: &Settings) -> Result<Option<MailSettings>, BadSetting> {
    let server = settings.get(&settings::MAIL_URL)?;
    let from = settings.get(&settings::MAIL_FROM)?;
    let username = settings.get(&settings::MAIL_USERNAME)?;
    let password = settings.get(&settings::MAIL_PASSWORD)?;
    let new_device = settings.get(&settings::MAIL_NEW_DEVICE)?;
    let Some(server) = server else { return Ok(None) };
    let Some(MailSender(from)) = from else {
        let accepted =
            "who mails are from, which AUTH_MAIL_URL needs: an address, or Name <address>";
        return Err(settings.refuse(&settings::MAIL_FROM, accepted));
    };
    let credentials = match (username, password) {
        (Some(username), Some(password)) => Some(MailCredentials::new(username, password)),
        (None, None) => None,
        (Some(_), None) => {
            let accepted = "the password of AUTH_MAIL_USERNAME";
            return Err(settings.refuse(&settings::MAIL_PASSWORD, accepted));
        }
        (None, Some(_)) => {
            let accepted = "the user name that AUTH_MAIL_PASSWORD belongs to";
            return Err(settings.refuse(&settings::MAIL_USERNAME, accepted));
        }
    };
    Ok(Some(MailSettings { server, credentials, from, new_device }))
}

/// `smtp://HOST:PORT`, `smtps://HOST:PORT` or `file:DIR`. Credentials have settings of their own.
pub(super) fn server(text: &str) -> Option<MailServer> {
    if let Some(directory) = text.strip_prefix("file:") {
        let directory = directory.strip_prefix("//").unwrap_or(directory);
        let usable = !directory.is_empty() && !directory.contains('\0');
        return usable.then(|| MailServer::Directory(PathBuf::from(directory)));
    }
    let url = Url::parse(text).ok()?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
        && matches!(url.path(), "" | "/");
    let host = host(&url).filter(|_| plain)?;
    let (security, default_port) = match (url.scheme(), url.query()) {
        ("smtp", None) => (MailSecurity::StartTls, SUBMISSION),
        ("smtps", None) => (MailSecurity::Tls, SUBMISSIONS),
        ("smtp", Some("tls=none")) if is_loopback(&host) => (MailSecurity::None, RELAY),
        _ => return None,
    };
    Some(MailServer::Smtp { host, port: url.port().unwrap_or(default_port), security })
}

/// The host as certificates and resolvers know it: an IPv6 address without its brackets.
fn host(url: &Url) -> Option<String> {
    // Other schemes than those of the web have no form that every host is brought into.
    match Host::parse(url.host_str()?).ok()? {
        Host::Domain(name) => Some(name),
        Host::Ipv4(ip) => Some(ip.to_string()),
        Host::Ipv6(ip) => Some(ip.to_string()),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

pub(super) fn sender(text: &str) -> Option<MailSender> {
    let mailbox: Mailbox = text.parse().ok()?;
    let shown = mailbox.name.as_deref().unwrap_or_default();
    let usable = mailbox.email.to_string().is_ascii() && !shown.contains(char::is_control);
    usable.then_some(MailSender(mailbox))
}

pub(super) fn site_name(text: &str) -> Option<String> {
    let usable = text.chars().count() <= MAX_SITE_NAME && !text.contains(char::is_control);
    usable.then(|| text.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smtp(host: &str, port: u16, security: MailSecurity) -> MailServer {
        MailServer::Smtp { host: host.to_owned(), port, security }
    }

    #[test]
    fn a_server_is_named_by_its_url_and_protected_unless_it_is_on_loopback() {
        assert_eq!(
            server("smtp://mail.example.com"),
            Some(smtp("mail.example.com", 587, MailSecurity::StartTls))
        );
        assert_eq!(
            server("smtps://mail.example.com/"),
            Some(smtp("mail.example.com", 465, MailSecurity::Tls))
        );
        assert_eq!(
            server("smtp://10.0.0.7:2525"),
            Some(smtp("10.0.0.7", 2525, MailSecurity::StartTls))
        );
        assert_eq!(
            server("smtp://localhost?tls=none"),
            Some(smtp("localhost", 25, MailSecurity::None))
        );
        assert_eq!(
            server("smtp://127.0.0.1:2525?tls=none"),
            Some(smtp("127.0.0.1", 2525, MailSecurity::None))
        );
        assert_eq!(
            server("smtp://[::1]:2525?tls=none"),
            Some(smtp("::1", 2525, MailSecurity::None))
        );
        assert_eq!(server("file:/var/mail"), Some(MailServer::Directory("/var/mail".into())));
        assert_eq!(server("file:///var/mail"), Some(MailServer::Directory("/var/mail".into())));
    }

    #[test]
    fn what_could_send_in_clear_or_holds_a_password_is_no_server() {
        for text in [
            "",
            "file:",
            "mail.example.com",
            "http://mail.example.com",
            "smtp://",
            "smtp:mail.example.com",
            "smtp://ann:geheim@mail.example.com",
            "smtp://ann@mail.example.com",
            "smtp://mail.example.com?tls=none",
            "smtp://10.0.0.7?tls=none",
            "smtp://127.0.0.1.example.com?tls=none",
            "smtp://localhost?tls=opportunistic",
            "smtps://localhost?tls=none",
            "smtp://mail.example.com/path",
            "smtp://mail.example.com#x",
            "smtp://mail.example.com:99999",
        ] {
            assert_eq!(server(text), None, "{text}");
        }
    }

    #[test]
    fn a_sender_is_an_address_with_a_name_or_without() {
        for text in
            ["auth@example.com", "Example <auth@example.com>", "\"A, B\" <auth@example.com>"]
        {
            assert!(sender(text).is_some(), "{text}");
        }
        for text in [
            "",
            "Example",
            "auth@",
            "a@example.com, b@example.com",
            "Example <auth@example.com>\r\nBcc: b@example.com",
            "Exam\r\nple <auth@example.com>",
        ] {
            assert!(sender(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_site_has_a_name_of_one_line() {
        assert_eq!(site_name(" Bücher & Co ").as_deref(), Some("Bücher & Co"));
        for text in ["", "  ", "a\r\nb", &"x".repeat(61)] {
            assert_eq!(site_name(text), None, "{text:?}");
        }
    }
}

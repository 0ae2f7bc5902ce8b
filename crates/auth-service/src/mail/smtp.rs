//! A mail server, spoken to command by command, so that a recipient who is refused is told from a server
//! that takes nothing.

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;

use super::{Failure, Message};
use crate::config::{MailCredentials, MailSecurity};

/// The longest answer of a server that a log line repeats.
const SHOWN: usize = 200;
/// The code of a server that goes away ([RFC 5321 §3.8](https://www.rfc-editor.org/rfc/rfc5321#section-3.8)).
const CLOSING: &str = "421";
/// What says that a command, a recipient or a mail is taken.
const TAKEN: [u16; 2] = [250, 251];
/// What says that the mail itself may follow.
const GO_AHEAD: [u16; 1] = [354];
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// A mail server.
pub(crate) struct Smtp {
    host: String,
    port: u16,
    security: MailSecurity,
    /// `None` where the way there is not protected.
    tls: Option<TlsParameters>,
    credentials: Option<MailCredentials>,
    hello: ClientId,
}

/// A connection to it.
pub(crate) struct SmtpConnection(AsyncSmtpConnection);

impl Smtp {
    pub(super) fn new(
        host: &str,
        port: u16,
        security: MailSecurity,
        credentials: Option<&MailCredentials>,
        own_name: &str,
    ) -> Result<Self, Failure> {
        let tls = match security {
            MailSecurity::None => None,
            MailSecurity::StartTls | MailSecurity::Tls => {
                let tls = TlsParameters::new(host.to_owned());
                Some(tls.map_err(|error| unreachable(&error, "certificates cannot be read"))?)
            }
        };
        let credentials = credentials.cloned();
        let hello = ClientId::Domain(own_name.to_owned());
        Ok(Self { host: host.to_owned(), port, security, tls, credentials, hello })
    }

    /// Connects, encrypts and logs in. INVARIANT: where TLS is wanted, neither a password nor a mail
    /// goes out without it.
    pub(super) async fn connect(&self) -> Result<SmtpConnection, Failure> {
        let wrapped = (self.security == MailSecurity::Tls).then(|| self.tls.clone()).flatten();
        let server = (self.host.as_str(), self.port);
        let connected =
            AsyncSmtpConnection::connect_tokio1(server, None, &self.hello, wrapped, None).await;
        let mut connection =
            connected.map_err(|error| unreachable(&error, "the mail server does not answer"))?;
        if let (MailSecurity::StartTls, Some(tls)) = (self.security, &self.tls) {
            if !connection.can_starttls() {
                let text = "the mail server offers no STARTTLS: nothing is sent without it";
                return Err(Failure::Unreachable(text.to_owned()));
            }
            let encrypted = connection.starttls(tls.clone(), &self.hello).await;
            encrypted.map_err(|error| unreachable(&error, "STARTTLS failed"))?;
        }
        if self.security != MailSecurity::None && !connection.is_encrypted() {
            return Err(Failure::Unreachable("the connection is not encrypted".to_owned()));
        }
        if let Some(credentials) = &self.credentials {
            let (username, password) = (credentials.username(), credentials.password());
            let credentials = Credentials::new(username.to_owned(), password.to_string());
            let known = connection.auth(&MECHANISMS, &credentials).await;
            known.map_err(|error| {
                unreachable(&error, "AUTH_MAIL_USERNAME and AUTH_MAIL_PASSWORD are not taken")
            })?;
        }
        Ok(SmtpConnection(connection))
    }
}

impl SmtpConnection {
    pub(super) async fn send(&mut self, message: &Message) -> Result<(), Failure> {
        let options = self.options(message)?;
        let begun = self.0.command(Mail::new(Some(message.from.clone()), options)).await;
        let begun = begun.map_err(|error| unreachable(&error, "AUTH_MAIL_FROM is not taken"))?;
        expect(&begun, &TAKEN)?;
        let delivered = self.deliver(&message.to, &message.bytes).await;
        if matches!(delivered, Err(Failure::Refused(_) | Failure::Deferred(_))) {
            // For the next mail. Where this fails, that one's first command does too.
            let _reset = self.0.command(Rset).await;
        }
        delivered
    }

    /// From here on an answer is about this mail alone.
    async fn deliver(&mut self, to: &Address, bytes: &[u8]) -> Result<(), Failure> {
        let to = self.0.command(Rcpt::new(to.clone(), vec![])).await;
        expect(&to.map_err(|error| of_mail(&error))?, &TAKEN)?;
        let data = self.0.command(Data).await.map_err(|error| of_mail(&error))?;
        expect(&data, &GO_AHEAD)?;
        let message = self.0.message(bytes).await.map_err(|error| of_mail(&error))?;
        expect(&message, &TAKEN)
    }

    fn options(&self, message: &Message) -> Result<Vec<MailParameter>, Failure> {
        let offers = |extension| self.0.server_info().supports_feature(extension);
        let mut options = Vec::new();
        if !message.to.to_string().is_ascii() {
            if !offers(Extension::SmtpUtfEight) {
                let text = "the mail server takes no addresses beyond ASCII";
                return Err(Failure::Refused(text.to_owned()));
            }
            options.push(MailParameter::SmtpUtfEight);
        }
        if !message.bytes.is_ascii() && offers(Extension::EightBitMime) {
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(options)
    }

    pub(super) async fn close(mut self) {
        let _answer = self.0.quit().await;
    }
}

/// INVARIANT: an answer is that to the command before it. One that somebody slipped in before the
/// connection was encrypted would have all others stand for the next command, and a refusal be missed.
fn expect(answer: &Response, codes: &[u16]) -> Result<(), Failure> {
    if codes.iter().any(|code| answer.has_code(*code)) {
        return Ok(());
    }
    let text = format!("the mail server answers {} where that is no answer", answer.code());
    Err(Failure::Unreachable(text))
}

/// An error that is about one mail, if the server answered and stays.
fn of_mail(error: &Error) -> Failure {
    let closing = error.status().is_some_and(|code| code.to_string() == CLOSING);
    if closing || !(error.is_permanent() || error.is_transient()) {
        return unreachable(error, "the connection to the mail server broke");
    }
    let text = format!("the mail server answered: {}", shown(error));
    if error.is_permanent() { Failure::Refused(text) } else { Failure::Deferred(text) }
}

fn unreachable(error: &Error, what: &str) -> Failure {
    Failure::Unreachable(format!("{what}: {}", shown(error)))
}

/// What is wrong, in one short line: a server's own words may be any.
fn shown(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect()
}

//! What each mail says: a few sentences, and a button where there is something to do. No name that
//! somebody typed stands in one, since whoever signs up can type anything.

use auth_api_types::Timestamp;
use users::{EndingToken, MailKind, QueuedMail, Ticket};

/// What the service is called and where its pages are.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    name: String,
    /// Where the pages begin, without a slash at the end.
    root: String,
    host: String,
}

impl Site {
    pub(crate) fn new(name: String, public_url: &url::Url) -> Self {
        let root = public_url.as_str().trim_end_matches('/').to_owned();
        let host = public_url.host_str().unwrap_or("localhost").to_owned();
        Self { name, root, host }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    fn page(&self, path: &str) -> String {
        format!("{}{path}", self.root)
    }

    fn with_ticket(&self, path: &str, ticket: &Ticket) -> String {
        format!("{}{path}?ticket={}", self.root, ticket.expose())
    }
}

/// A mail as text: its subject, what it says, and where it leads.
pub(super) struct Letter {
    pub(super) subject: String,
    /// What happened.
    pub(super) opening: Vec<String>,
    pub(super) action: Option<Action>,
    /// What to do about it otherwise.
    pub(super) closing: Vec<String>,
}

/// A button, or in plain text a line with its address.
pub(super) struct Action {
    pub(super) label: &'static str,
    pub(super) url: String,
}

const IGNORE: &str =
    "If this was not you, you need not do anything: nobody sets a password without this mail.";
const NOT_MEANT: &str =
    "If this was not you, you need not do anything. Somebody may have mistyped their own address.";

/// The letter that a mail of the outbox is; `None` where it is none: a request, or one whose ticket is
/// missing.
pub(super) fn letter(mail: &QueuedMail, site: &Site) -> Option<Letter> {
    let name = site.name();
    Some(match mail.kind {
        MailKind::ForgotRequest | MailKind::SignUpRequest | MailKind::ChangeRequest => return None,
        MailKind::Reset => Letter {
            subject: format!("Your new password for {name}"),
            opening: vec![
                format!("Somebody asked for a new password for your account at {name}."),
                "If it was you, choose one within 30 minutes. The page asks for it; opening the \
                 page alone changes nothing. All sessions of the account end then."
                    .to_owned(),
            ],
            action: Some(Action {
                label: "Choose a new password",
                url: site.with_ticket("/password/reset", mail.ticket.as_ref()?),
            }),
            closing: vec![IGNORE.to_owned()],
        },
        MailKind::SignUp => Letter {
            subject: format!("Confirm your account at {name}"),
            opening: vec![
                format!("Somebody signed up at {name} with this address."),
                "If it was you, confirm it within 24 hours, with the password that you chose. You \
                 can log in from then on."
                    .to_owned(),
            ],
            action: Some(Action {
                label: "Confirm the account",
                url: site.with_ticket("/email/verify", mail.ticket.as_ref()?),
            }),
            closing: vec![NOT_MEANT.to_owned()],
        },
        MailKind::ChangeAddress => Letter {
            subject: format!("Confirm your new address at {name}"),
            opening: vec![
                format!("Somebody wants to log in to an account at {name} with this address."),
                "If it was you, confirm it within 24 hours. You log in with this address from then \
                 on, and your other sessions end."
                    .to_owned(),
            ],
            action: Some(Action {
                label: "Confirm the address",
                url: site.with_ticket("/email/verify", mail.ticket.as_ref()?),
            }),
            closing: vec![NOT_MEANT.to_owned()],
        },
        _ => without_ticket(mail, site).or_else(|| note(mail, site))?,
    })
}

fn forgot(site: &Site) -> Action {
    Action { label: "Choose a new password", url: site.page("/password/forgot") }
}

fn account(site: &Site) -> Action {
    Action { label: "Open your account", url: site.page("/account") }
}

/// A letter that answers what somebody asked for, and carries no ticket.
fn without_ticket(mail: &QueuedMail, site: &Site) -> Option<Letter> {
    let name = site.name();
    Some(match mail.kind {
        MailKind::AccountExists => Letter {
            subject: format!("You have an account at {name}"),
            opening: vec![
                format!("Somebody signed up at {name} with this address, which has an account."),
                "If it was you, log in as before, or choose a new password.".to_owned(),
            ],
            action: Some(forgot(site)),
            closing: vec![NOT_MEANT.to_owned()],
        },
        MailKind::NotVerified => Letter {
            subject: format!("Your account at {name} is not confirmed yet"),
            opening: vec![
                format!(
                    "Somebody asked for a new password at {name}. This address was signed up with, \
                     and the account is not confirmed yet."
                ),
                "If it was you, use the button of the earlier mail, with the password that you chose \
                 then, or sign up again with another one."
                    .to_owned(),
            ],
            action: None,
            closing: vec![NOT_MEANT.to_owned()],
        },
        MailKind::AddressTaken => Letter {
            subject: format!("Your address was asked for at {name}"),
            opening: vec![format!(
                "Somebody with another account at {name} wanted to log in with this address. It \
                 stays yours, and nothing has changed."
            )],
            action: None,
            closing: vec![NOT_MEANT.to_owned()],
        },
        _ => return None,
    })
}

/// A letter that tells of what has happened.
fn note(mail: &QueuedMail, site: &Site) -> Option<Letter> {
    let name = site.name();
    Some(match mail.kind {
        MailKind::PasswordReset => Letter {
            subject: format!("Your password for {name} was changed"),
            opening: vec![format!(
                "The password of your account at {name} was just changed by the button of a mail \
                 to this address. All of its sessions have ended."
            )],
            action: Some(forgot(site)),
            closing: vec![
                "If this was not you, somebody else can read your mail: change its password first, \
                 then choose a new one here."
                    .to_owned(),
            ],
        },
        MailKind::AddressChanging => Letter {
            subject: format!("Another address for your account at {name}"),
            opening: vec![format!(
                "Somebody who knows your password asked to log in to your account at {name} with \
                 another address. It counts as soon as a mail to that address is answered."
            )],
            action: Some(account(site)),
            closing: vec![
                "If this was not you, change your password at once: that ends the request and your \
                 other sessions."
                    .to_owned(),
            ],
        },
        MailKind::NewDevice => device_note(mail, name, account(site)),
        MailKind::TokenExpiring => token_note(mail.token.as_ref()?, name, account(site)),
        _ => return None,
    })
}

fn device_note(mail: &QueuedMail, name: &str, account: Action) -> Letter {
    let device = shown_device(mail.device.as_deref().unwrap_or_default());
    let from = mail.ip.map_or_else(String::new, |ip| format!(" from the address {ip}"));
    Letter {
        subject: format!("A new login to your account at {name}"),
        opening: vec![format!("There was a login to your account at {name} with {device}{from}.")],
        action: Some(account),
        closing: vec![
            "If this was not you, change your password there at once: that ends all other sessions."
                .to_owned(),
        ],
    }
}

fn token_note(token: &EndingToken, name: &str, account: Action) -> Letter {
    let date = shown_date(token.ends_at_ms);
    let which = token.name.as_deref().and_then(plain_words);
    let which = which.map_or_else(String::new, |which| format!(", “{which}”,"));
    Letter {
        subject: format!("A token of your account at {name} ends soon"),
        opening: vec![
            format!("A token of your account at {name}{which} ends on {date}."),
            "What uses it is refused from then on. Mint another one and put it there before that."
                .to_owned(),
        ],
        action: Some(account),
        closing: vec!["If nothing uses it any more, you need not do anything.".to_owned()],
    }
}

/// A date as people read it, in the time that is the same everywhere.
fn shown_date(unix_ms: i64) -> String {
    let text = Timestamp::from_unix_ms(unix_ms).to_string();
    let minutes = text.split(':').take(2).collect::<Vec<_>>().join(":");
    format!("{} UTC", minutes.replace('T', " at "))
}

/// What a client calls itself, without anything that a mail program makes a link of.
fn shown_device(device: &str) -> String {
    plain_words(device).unwrap_or_else(|| "an unknown device".to_owned())
}

/// The part of a name of which no mail program makes a link.
fn plain_words(name: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '(' | ')' | '-' | '_');
    let name: String = name.chars().filter(|c| plain(*c)).take(40).collect();
    (!name.trim().is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_calls_itself_a_site_is_no_link() {
        assert_eq!(shown_device("Firefox on Linux"), "Firefox on Linux");
        assert_eq!(shown_device("http://evil.example"), "httpevilexample");
        assert_eq!(shown_device("\r\n"), "an unknown device");
    }

    #[test]
    fn a_token_is_told_by_its_name_and_its_end() {
        let account = || Action { label: "x", url: String::new() };
        let token =
            |name: &str| EndingToken { name: Some(name.to_owned()), ends_at_ms: 1_795_176_000_000 };
        let letter = token_note(&token("ci http://evil.example"), "X", account());
        assert_eq!(
            letter.opening[0],
            "A token of your account at X, “ci httpevilexample”, ends on 2026-11-20 at 12:00 UTC."
        );
        let letter = token_note(&token("…"), "X", account());
        assert!(letter.opening[0].contains("at X ends on"), "{:?}", letter.opening);
    }

    #[test]
    fn pages_are_below_the_public_url() {
        let site = Site::new("X".to_owned(), &"https://auth.example.com/".parse().unwrap());
        assert_eq!(site.page("/account"), "https://auth.example.com/account");
    }
}

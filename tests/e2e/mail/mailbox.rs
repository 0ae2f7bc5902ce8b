//! Mails as files: where a service writes them, and what stands in them.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use crate::harness::{Launch, TIMEOUT, eventually};

/// A directory that mails are written to.
pub(crate) struct Mailbox {
    directory: TempDir,
}

/// A mail that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    /// The whole of it.
    pub(crate) source: String,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) message_id: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

impl Mailbox {
    pub(crate) fn new() -> Self {
        Self { directory: TempDir::with_prefix("reinflate-mail-").unwrap() }
    }

    /// auth-service with the demo user, which writes its mails here.
    pub(crate) fn launch(&self) -> Launch {
        let path = self.directory.path().join("mails");
        Launch::auth()
            .var("AUTH_MAIL_URL", format!("file:{}", path.display()))
            .var("AUTH_MAIL_FROM", "Reinflate <auth@example.com>")
    }

    /// All that have arrived, the oldest first.
    pub(crate) fn letters(&self) -> Vec<Letter> {
        let Ok(entries) = fs::read_dir(self.directory.path().join("mails")) else {
            return Vec::new();
        };
        let names = entries.map(|entry| entry.unwrap().path());
        let mut names: Vec<_> =
            names.filter(|path| path.extension().is_some_and(|end| end == "eml")).collect();
        names.sort();
        names.iter().map(|path| Letter::read(&fs::read_to_string(path).unwrap())).collect()
    }

    /// Those to an address, once there are so many.
    #[track_caller]
    pub(crate) fn letters_to(&self, address: &str, count: usize) -> Vec<Letter> {
        eventually(&format!("{count} mails to {address}"), TIMEOUT, || {
            let mut letters = self.letters();
            letters.retain(|letter| letter.to == address);
            (letters.len() >= count).then_some(letters)
        })
    }

    /// The newest of so many to an address.
    #[track_caller]
    pub(crate) fn newest_to(&self, address: &str, count: usize) -> Letter {
        self.letters_to(address, count).pop().unwrap()
    }
}

impl Letter {
    pub(crate) fn read(source: &str) -> Self {
        let (head, body) = source.split_once("\r\n\r\n").expect("a head and a body");
        let header = |name: &str| header(head, name).unwrap_or_else(|| panic!("{name}: {source}"));
        let boundary = header("Content-Type");
        let (_, boundary) = boundary.split_once("boundary=\"").expect("several parts");
        let boundary = format!("--{}", boundary.split('"').next().unwrap());
        let parts: Vec<String> = body.split(&boundary).skip(1).take(2).map(part).collect();
        let [text, html] = &parts[..] else { panic!("two parts: {source}") };
        Self {
            source: source.to_owned(),
            to: header("To"),
            subject: header("Subject"),
            message_id: header("Message-ID"),
            text: text.clone(),
            html: html.clone(),
        }
    }

    /// Where its button leads, without the origin.
    #[track_caller]
    pub(crate) fn link(&self) -> String {
        let line = self.text.lines().find(|line| line.starts_with("http"));
        let url = line.unwrap_or_else(|| panic!("no link: {}", self.text));
        assert!(self.html.contains(&format!("href=\"{url}\"")), "{}", self.html);
        let (_, rest) = url.split_once("://").unwrap();
        format!("/{}", rest.split_once('/').unwrap().1)
    }

    /// The ticket that it carries.
    #[track_caller]
    pub(crate) fn ticket(&self) -> String {
        let link = self.link();
        let (_, ticket) = link.split_once("?ticket=").unwrap_or_else(|| panic!("{link}"));
        assert_eq!((ticket.len(), &ticket[..4]), (47, "rft_"), "{link}");
        ticket.to_owned()
    }
}

/// A header, unfolded.
fn header(head: &str, name: &str) -> Option<String> {
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let start = format!("{name}: ");
    unfolded.lines().find_map(|line| line.strip_prefix(&start).map(str::to_owned))
}

/// A part as the text that it stands for.
fn part(part: &str) -> String {
    let (head, body) = part.split_once("\r\n\r\n").expect("a part has a head");
    match header(head, "Content-Transfer-Encoding").as_deref() {
        Some("base64") => {
            let bytes = STANDARD.decode(body.split_whitespace().collect::<String>()).unwrap();
            String::from_utf8(bytes).unwrap()
        }
        Some("quoted-printable") => quoted_printable(body),
        _ => body.replace("\r\n", "\n"),
    }
}

fn quoted_printable(body: &str) -> String {
    let joined = body.replace("=\r\n", "").replace("\r\n", "\n");
    let mut bytes = Vec::new();
    let mut rest = joined.as_str();
    while let Some(at) = rest.find('=') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        bytes.push(u8::from_str_radix(&rest[at + 1..at + 3], 16).unwrap());
        rest = &rest[at + 3..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).unwrap()
}

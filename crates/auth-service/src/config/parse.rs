//! From the text of a setting to its meaning: what each accepts by itself.

use std::path::PathBuf;

use server_runtime::settings::{BOOLEAN, list};
use session::{Binding, Durability, RedisAddress};
use url::Url;
use users::DatabaseUrl;

/// Where sessions are to live.
#[derive(Clone, Debug)]
pub enum SessionStoreAddress {
    /// In this process.
    Memory,
    /// In this process, and in this file.
    File(PathBuf),
    /// In Redis or Valkey.
    Redis(RedisAddress),
}

/// Where users are to be stored.
#[derive(Clone, Debug)]
pub enum DatabaseAddress {
    /// There.
    Url(DatabaseUrl),
    /// At a PostgreSQL whose URL breaks off: most often one with a password that is not escaped.
    BrokenPostgresUrl,
}

pub(super) fn session_store(text: &str) -> Option<SessionStoreAddress> {
    if text == "memory" {
        return Some(SessionStoreAddress::Memory);
    }
    if text.starts_with("sqlite:") {
        let url = text.parse::<DatabaseUrl>().ok()?;
        return url.file().map(|path| SessionStoreAddress::File(path.to_owned()));
    }
    text.parse().ok().map(SessionStoreAddress::Redis)
}

pub(super) fn session_sync(text: &str) -> Option<Durability> {
    match text {
        "full" => Some(Durability::Full),
        "normal" => Some(Durability::Normal),
        _ => None,
    }
}

pub(super) fn database(text: &str) -> Option<DatabaseAddress> {
    match text.parse() {
        Ok(url) => Some(DatabaseAddress::Url(url)),
        Err(_) => text.starts_with("postgres").then_some(DatabaseAddress::BrokenPostgresUrl),
    }
}

/// `true` or `false`; `0` and `1` are taken as well.
pub(super) fn boolean_or_digit(text: &str) -> Option<bool> {
    match text {
        "0" => Some(false),
        "1" => Some(true),
        text => (BOOLEAN.parse)(text),
    }
}

pub(super) fn binding(text: &str) -> Option<Binding> {
    let parts = list(text, |part| matches!(part, "ip" | "user-agent").then(|| part.to_owned()))?;
    let has = |wanted: &str| parts.iter().any(|part| part == wanted);
    Some(Binding { ip: has("ip"), user_agent: has("user-agent") })
}

pub(super) fn signup(text: &str) -> Option<bool> {
    match text {
        "open" => Some(true),
        "closed" => Some(false),
        _ => None,
    }
}

/// An `http` or `https` URL without query and fragment, and without a password in it.
pub(super) fn url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    plain.then_some(url)
}

pub(super) fn cookie_name(text: &str) -> Option<String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (!text.is_empty() && text.len() <= 64 && text.bytes().all(token)).then(|| text.to_owned())
}

pub(super) fn cookie_domain(text: &str) -> Option<String> {
    let text = text.strip_prefix('.').unwrap_or(text);
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.split('.').all(label).then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_names_what_it_knows() {
        let both = binding("ip,user-agent").unwrap();
        assert!(both.ip && both.user_agent);
        assert!(binding("ip,phase-of-the-moon").is_none());
    }
}

//! The settings of webhooks: where events are posted, signed with what, and which of them.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use parking_lot::RwLock;
use server_runtime::settings::list;
use server_runtime::{BadSetting, Settings};
use session::{Cause, EventKind};
use url::Url;
use zeroize::Zeroizing;

use super::settings;
use crate::operations::events::kinds_named;

/// What a secret begins with
/// ([Standard Webhooks](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md)).
const SECRET_PREFIX: &str = "whsec_";
/// How many bytes a secret has.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Where events are posted: each URL once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookUrls(pub(crate) Vec<Url>);

/// What posts are signed with, at least one; never shown.
#[derive(Clone)]
pub struct WebhookKeys(Vec<Zeroizing<Vec<u8>>>);

/// Which events are posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookTypes(Vec<TypeItem>);

/// Kinds, with one cause or any.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TypeItem {
    name: String,
    kinds: Vec<EventKind>,
    cause: Option<Cause>,
}

/// How events are posted, where they are. A clone has the same keys, also once they are replaced.
#[derive(Clone)]
pub(crate) struct WebhookSettings {
    pub(crate) urls: Vec<Url>,
    pub(crate) secrets: WebhookSecrets,
    pub(crate) types: WebhookTypes,
}

/// The keys in force.
#[derive(Clone)]
pub(crate) struct WebhookSecrets(Arc<RwLock<WebhookKeys>>);

impl WebhookKeys {
    /// Reads secrets separated by commas, of which blanks around them are no part.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let key = |text: &str| {
            let key = BASE64_STANDARD.decode(text.strip_prefix(SECRET_PREFIX)?).ok()?;
            SECRET_BYTES.contains(&key.len()).then(|| Zeroizing::new(key))
        };
        list(text, key).map(Self)
    }

    /// The keys themselves, for whoever signs: the first before the others.
    pub(crate) fn expose(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|key| key.as_slice())
    }
}

impl WebhookSecrets {
    pub(crate) fn new(keys: WebhookKeys) -> Self {
        Self(Arc::new(RwLock::new(keys)))
    }

    /// The keys that are in force now.
    pub(crate) fn keys(&self) -> WebhookKeys {
        self.0.read().clone()
    }

    /// Has posts from now on signed with these.
    pub(crate) fn replace(&self, keys: WebhookKeys) {
        *self.0.write() = keys;
    }
}

impl fmt::Debug for WebhookKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookKeys(hidden)")
    }
}

/// Shows no URL: a path may open something.
impl fmt::Debug for WebhookSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSettings").field("types", &self.types).finish_non_exhaustive()
    }
}

impl WebhookTypes {
    /// Reads types separated by commas: `session.ended,user.*,session.ended:expired`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut wanted = Vec::new();
        for item in text.split(',').map(str::trim) {
            let (name, cause) = match item.split_once(':') {
                Some((name, cause)) => (name, Some(Cause::parse(cause)?)),
                None => (item, None),
            };
            let kinds = kinds_named(name);
            if kinds.is_empty() {
                return None;
            }
            wanted.push(TypeItem { name: name.to_owned(), kinds, cause });
        }
        Some(Self(wanted))
    }

    /// Whether an event is posted. One that a session expired is only where that is named.
    pub(crate) fn has(&self, kind: EventKind, cause: Option<Cause>) -> bool {
        self.0.iter().any(|item| {
            item.kinds.contains(&kind)
                && match item.cause {
                    Some(_) => item.cause == cause,
                    None => cause != Some(Cause::Expired),
                }
        })
    }

    /// What is accepted instead of a cause that no event of its type has, where one is named:
    /// whoever named it would wait for ever.
    fn accepted_instead(&self) -> Option<String> {
        let has = |kind: &EventKind, cause| kind.causes().contains(&cause);
        let is_never = |item: &&TypeItem| {
            item.cause.is_some_and(|cause| !item.kinds.iter().any(|kind| has(kind, cause)))
        };
        let TypeItem { name, cause: Some(cause), .. } = self.0.iter().find(is_never)? else {
            return None;
        };
        let with = EventKind::ALL.iter().filter(|kind| has(kind, *cause));
        let with: Vec<&str> = with.map(|kind| kind.as_str()).collect();
        let (cause, with) = (cause.as_str(), with.join(" and "));
        Some(format!(
            "a cause with a type that has it: {cause} is one of {with} and never of {name}, which without \
             :{cause} is taken as a whole"
        ))
    }
}

/// `https://HOST/PATH`, several separated by commas. A comma within a URL is written `%2C`.
pub(super) fn urls(text: &str) -> Option<WebhookUrls> {
    let url = |text: &str| {
        let url = Url::parse(text).ok()?;
        let is_usable =
            matches!(url.scheme(), "http" | "https") && url.has_host() && url.fragment().is_none();
        // Nothing listens on port 0.
        (is_usable && url.port() != Some(0)).then_some(url)
    };
    let urls = list(text, url)?;
    let is_repeated = |(index, url): (usize, &Url)| urls[..index].contains(url);
    (!urls.iter().enumerate().any(is_repeated)).then_some(WebhookUrls(urls))
}

pub(super) fn read(settings: &Settings) -> Result<Option<WebhookSettings>, BadSetting> {
    let urls = settings.get(&settings::WEBHOOK_URL)?;
    let keys = settings.get(&settings::WEBHOOK_SECRET)?;
    let types = settings.get(&settings::WEBHOOK_TYPES)?;
    if let Some(accepted) = types.accepted_instead() {
        return Err(settings.refuse(&settings::WEBHOOK_TYPES, &accepted));
    }
    let Some(WebhookUrls(urls)) = urls else { return Ok(None) };
    let Some(keys) = keys else {
        let accepted = "what posts are signed with, which AUTH_WEBHOOK_URL needs: whsec_ and the \
                        base64 of 24 to 64 bytes";
        return Err(settings.refuse(&settings::WEBHOOK_SECRET, accepted));
    };
    Ok(Some(WebhookSettings { urls, secrets: WebhookSecrets::new(keys), types }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(bytes: usize) -> String {
        format!("whsec_{}", BASE64_STANDARD.encode(vec![7; bytes]))
    }

    #[test]
    fn a_secret_is_of_24_to_64_bytes_and_there_may_be_several() {
        for good in [24, 32, 64] {
            assert_eq!(WebhookKeys::read(&secret(good)).unwrap().expose().count(), 1, "{good}");
        }
        let both = format!("{} , {}", secret(24), secret(33));
        let keys = WebhookKeys::read(&both).unwrap();
        assert_eq!(keys.expose().map(<[u8]>::len).collect::<Vec<_>>(), [24, 33]);
        assert!(!format!("{keys:?}").contains('7'));
        let url_alphabet = format!("whsec_{}", "_-".repeat(16));
        for bad in [
            "",
            "whsec_",
            "geheim",
            &secret(23),
            &secret(65),
            &secret(24)[6..],
            &secret(25).replace('=', ""),
            &format!("{},", secret(24)),
            &url_alphabet,
        ] {
            assert!(WebhookKeys::read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn what_expired_is_posted_only_where_it_is_named() {
        let types = WebhookTypes::read("session.ended, user.*").unwrap();
        assert!(types.has(EventKind::SessionEnded, Some(Cause::Logout)));
        assert!(types.has(EventKind::UserCreated, None));
        assert!(!types.has(EventKind::SessionEnded, Some(Cause::Expired)));
        assert!(!types.has(EventKind::SessionIssued, Some(Cause::Login)));
        let named = WebhookTypes::read("session.ended:expired,session.ended:reused").unwrap();
        assert!(named.has(EventKind::SessionEnded, Some(Cause::Expired)));
        assert!(named.has(EventKind::SessionEnded, Some(Cause::Reused)));
        assert!(!named.has(EventKind::SessionEnded, Some(Cause::Logout)));
        for bad in ["", "session", "session.ended:", "session.ended:never", "webhook.skipped", "*"]
        {
            assert!(WebhookTypes::read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_cause_that_no_event_of_its_type_has_is_noticed() {
        let instead = |text| WebhookTypes::read(text).unwrap().accepted_instead();
        for good in [
            "session.*:backend",
            "session.*:login",
            "login.*:login",
            "user.*",
            "session.ended:expired",
        ] {
            assert_eq!(instead(good), None, "{good}");
        }
        let text = instead("session.ended, user.*:login").unwrap();
        assert!(
            text.contains("login is one of session.issued and login.failed and login.throttled"),
            "{text}"
        );
        assert!(text.contains("never of user.*"), "{text}");
        assert!(instead("session.issued:expired").is_some());
    }

    #[test]
    fn urls_are_of_http_and_each_is_there_once() {
        let urls = |text| super::urls(text).map(|urls| urls.0.len());
        assert_eq!(urls("https://a.example.com/x?y=1, http://ann:geheim@127.0.0.1:9/"), Some(2));
        for bad in [
            "",
            "ftp://a",
            "a.example.com",
            "http://",
            "http://a#x",
            "http://a,http://a/",
            "http://a,",
            "http://a:0/",
        ] {
            assert_eq!(urls(bad), None, "{bad}");
        }
    }
}

//! Which sessions a query or a form selects.
//!
//! INVARIANT: a condition that cannot be read, or that is none, is an error. Left out silently, it
//! would select sessions that nobody meant.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use auth_api_types::{ExternalUser, Timestamp};
use axum::http::Uri;
use ipnet::IpNet;
use percent_encoding::percent_decode;
use serde::Deserialize as _;
use serde::de::value::{Error as ValueError, StrDeserializer};
use server_runtime::settings::duration;
use session::{Kind, ListCursor, SessionFilter};
use url::form_urlencoded;
use utoipa::IntoParams;

use super::page_limit::page_limit;
use crate::http::error::ApiError;
use crate::operations::{Fault, Field};

/// By what the dates of sessions may be ahead of ours: they are rounded, or of another machine.
const AHEAD: Duration = Duration::from_secs(1);
/// The longest user agent that a session has.
const USER_AGENT_CHARS: usize = 256;

/// Which sessions: those of which all that is given holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FilterParams {
    /// Of this user: the id of one of ours, or what a backend calls one of its own.
    pub(crate) user: Option<String>,
    /// That act in this role.
    #[param(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$")]
    pub(crate) role: Option<String>,
    /// Of this kind: `sliding`, `fixed` or `single_use`.
    #[param(value_type = Option<auth_api_types::Kind>, inline)]
    pub(crate) kind: Option<String>,
    /// Opened from this network, such as `203.0.113.0/24` or `2001:db8::/32`, or from one address.
    pub(crate) ip: Option<String>,
    /// Opened with a user agent that has this in it; upper and lower case are the same.
    #[param(min_length = 1, max_length = 256)]
    pub(crate) user_agent: Option<String>,
    /// Opened before this moment (RFC 3339). One that is yet to come counts as now.
    #[param(format = DateTime)]
    pub(crate) opened_before: Option<String>,
    /// Not used for so long, such as `30d` or `12h`.
    #[param(pattern = "^[0-9]+(ms|s|m|h|d)$")]
    pub(crate) unused_for: Option<String>,
}

/// How many to list, and from where on.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "what is described; it is read by name")]
pub(crate) struct PageParams {
    /// How many, 1 to 500; by default 50.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500)]
    limit: Option<String>,
    /// Only those after this `next`.
    after: Option<String>,
}

/// What a request says: each parameter once.
#[derive(Debug)]
pub(crate) struct Parameters {
    pairs: Vec<(String, String)>,
    /// What is said of one that is not accepted.
    accepted: &'static str,
}

impl FilterParams {
    /// The conditions by their names, in the order in which they are described.
    pub(crate) fn by_name(&self) -> [(&'static str, Option<&str>); 7] {
        [
            ("user", self.user.as_deref()),
            ("role", self.role.as_deref()),
            ("kind", self.kind.as_deref()),
            ("ip", self.ip.as_deref()),
            ("user_agent", self.user_agent.as_deref()),
            ("opened_before", self.opened_before.as_deref()),
            ("unused_for", self.unused_for.as_deref()),
        ]
    }

    /// Whether nothing is given, so that every session is selected.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The same as a query.
    pub(crate) fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, text) in self.by_name() {
            if let Some(text) = text {
                query.append_pair(name, text);
            }
        }
        query.finish()
    }

    /// What it selects at a moment, in milliseconds since 1970.
    pub(crate) fn read(&self, now_ms: i64) -> Result<SessionFilter, ApiError> {
        let read = |text: &Option<String>, name, reader: fn(&str) -> Option<Box<str>>, rule| {
            read(text.as_deref(), name, reader, rule)
        };
        let newest = now_ms.saturating_add(whole_ms(AHEAD));
        let opened_before = self.opened_before.as_deref();
        let opened_before = self::read(opened_before, "opened_before", moment, OPENED_BEFORE)?;
        let unused_for = self::read(self.unused_for.as_deref(), "unused_for", length, UNUSED_FOR)?;
        Ok(SessionFilter {
            user: read(&self.user, "user", user, USER)?,
            role: read(&self.role, "role", role, ROLE)?,
            kind: self::read(self.kind.as_deref(), "kind", kind, KIND)?,
            network: self::read(self.ip.as_deref(), "ip", network, IP)?,
            user_agent: read(&self.user_agent, "user_agent", user_agent, USER_AGENT)?,
            opened_before_ms: opened_before.map(|date| date.min(newest)),
            unused_since_ms: unused_for.map(|length| now_ms.saturating_sub(whole_ms(length))),
        })
    }
}

const USER: &str = "must be a user's id, or what a backend calls one of its own (1 to 128 printable ASCII characters)";
const ROLE: &str = "must be a role: 1 to 64 characters of A-Z, a-z, 0-9, '.', '_' and '-'";
const KIND: &str = "must be sliding, fixed or single_use";
const IP: &str = "must be one network such as 203.0.113.0/24 or 2001:db8::/32, or one address";
const USER_AGENT: &str = "must be a part of a user agent, of 1 to 256 characters";
const OPENED_BEFORE: &str =
    "must be a moment such as 2026-11-28T12:00:00Z (RFC 3339; a + in a query is written %2B)";
const UNUSED_FOR: &str = "must be a duration above zero such as 30d, 12h or 15m";
const AFTER: &str = "is no `next` of a page";
const NO_TEXT: &str = "must be UTF-8, percent-encoded";
const FLAG: &str = "must be true or false";

impl Parameters {
    /// Reads a query. The text says what is accepted.
    pub(crate) fn of_query(uri: &Uri, accepted: &'static str) -> Result<Self, ApiError> {
        Self::read(uri.query().unwrap_or_default().as_bytes(), accepted)
    }

    /// Reads the query of a page, whose form sends a field that is left empty, too.
    pub(crate) fn of_page(uri: &Uri, accepted: &'static str) -> Result<Self, ApiError> {
        Self::of_form(uri.query().unwrap_or_default().as_bytes(), accepted)
    }

    /// Reads a form, of which a field that is left empty says nothing.
    pub(crate) fn of_form(bytes: &[u8], accepted: &'static str) -> Result<Self, ApiError> {
        let mut parameters = Self::read(bytes, accepted)?;
        parameters.pairs.retain(|(_, text)| !text.trim().is_empty());
        Ok(parameters)
    }

    fn read(bytes: &[u8], accepted: &'static str) -> Result<Self, ApiError> {
        let is_text = |pair: &&[u8]| percent_decode(pair).decode_utf8().is_ok();
        if let Some(pair) = bytes.split(|byte| *byte == b'&').find(|pair| !is_text(pair)) {
            let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
            return Err(named(&percent_decode(name).decode_utf8_lossy(), NO_TEXT));
        }
        let pairs = form_urlencoded::parse(bytes).into_owned().collect();
        Ok(Self { pairs, accepted })
    }

    /// Takes the one of this name.
    pub(crate) fn take(&mut self, name: &'static str) -> Result<Option<String>, ApiError> {
        let Some(at) = self.pairs.iter().position(|(given, _)| given == name) else {
            return Ok(None);
        };
        let (_, text) = self.pairs.swap_remove(at);
        if self.pairs.iter().any(|(given, _)| given == name) {
            return Err(ApiError::Parameter(Field::new(name, Fault::Repeated)));
        }
        Ok(Some(text))
    }

    /// Takes one that is `true` or `false`; absent, it is `false`.
    pub(crate) fn take_flag(&mut self, name: &'static str) -> Result<bool, ApiError> {
        let flag = |text: &str| text.parse().ok();
        Ok(read(self.take(name)?.as_deref(), name, flag, FLAG)?.unwrap_or_default())
    }

    /// Takes how many to list, and from where on.
    pub(crate) fn take_page(&mut self) -> Result<(usize, Option<ListCursor>), ApiError> {
        let limit = page_limit(self.take("limit")?.as_deref())?;
        Ok((limit.into(), self.take_after()?))
    }

    /// Takes from where on to list.
    pub(crate) fn take_after(&mut self) -> Result<Option<ListCursor>, ApiError> {
        read(self.take("after")?.as_deref(), "after", ListCursor::parse, AFTER)
    }

    /// Takes the conditions, which must be all that is left.
    pub(crate) fn take_filter(mut self) -> Result<FilterParams, ApiError> {
        let params = FilterParams {
            user: self.take("user")?,
            role: self.take("role")?,
            kind: self.take("kind")?,
            ip: self.take("ip")?,
            user_agent: self.take("user_agent")?,
            opened_before: self.take("opened_before")?,
            unused_for: self.take("unused_for")?,
        };
        self.refuse_all()?;
        Ok(params)
    }

    /// That nothing is left.
    pub(crate) fn refuse_all(&self) -> Result<(), ApiError> {
        match self.pairs.first() {
            Some((name, _)) => Err(named(name, self.accepted)),
            None => Ok(()),
        }
    }
}

/// What is said of a parameter, which a caller may have named as they like.
fn named(name: &str, rule: &'static str) -> ApiError {
    let name: String = name.chars().filter(char::is_ascii_graphic).take(80).collect();
    ApiError::Parameter(Field { name: Cow::Owned(name), problem: Fault::Unreadable(rule) })
}

/// A parameter as what it must be, if it is there.
fn read<T>(
    text: Option<&str>,
    name: &'static str,
    reader: impl Fn(&str) -> Option<T>,
    rule: &'static str,
) -> Result<Option<T>, ApiError> {
    let unreadable = || ApiError::Parameter(Field::new(name, Fault::Unreadable(rule)));
    text.map(|text| reader(text).ok_or_else(unreadable)).transpose()
}

fn user(text: &str) -> Option<Box<str>> {
    // Whatever is the id of one of ours could be one of these.
    ExternalUser::is_id(text).then(|| text.into())
}

fn role(text: &str) -> Option<Box<str>> {
    users::check_roles(&[text.to_owned()]).is_ok().then(|| text.into())
}

fn kind(text: &str) -> Option<Kind> {
    let text: StrDeserializer<'_, ValueError> = StrDeserializer::new(text);
    auth_api_types::Kind::deserialize(text).ok().map(crate::view::kind_read)
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn user_agent(text: &str) -> Option<Box<str>> {
    (1..=USER_AGENT_CHARS).contains(&text.chars().count()).then(|| text.into())
}

fn moment(text: &str) -> Option<i64> {
    let text: StrDeserializer<'_, ValueError> = StrDeserializer::new(text);
    Timestamp::deserialize(text).ok().map(Timestamp::unix_ms)
}

fn length(text: &str) -> Option<Duration> {
    duration(text).filter(|length| !length.is_zero())
}

fn whole_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_867_200_000;

    fn filter(query: &str) -> Result<SessionFilter, String> {
        let uri = format!("/sessions?{query}").parse().unwrap();
        let parameters = Parameters::of_query(&uri, "is not accepted here");
        let filter = parameters.and_then(|parameters| parameters.take_filter()?.read(NOW));
        filter.map_err(|error| detail(&error))
    }

    fn detail(error: &ApiError) -> String {
        assert_eq!(error.status(), 400, "{error:?}");
        error.detail()
    }

    #[test]
    fn each_condition_is_read() {
        assert!(filter("").unwrap().is_empty());
        let read = filter(
            "user=a%2Fb&role=admin&kind=single_use&ip=203.0.113.0/24&user_agent=Fire+fox\
             &opened_before=2026-11-28T12:00:00%2B01:00&unused_for=1d",
        );
        let read = read.unwrap();
        assert_eq!(read.user.as_deref(), Some("a/b"));
        assert_eq!(read.role.as_deref(), Some("admin"));
        assert_eq!(read.kind, Some(Kind::SingleUse));
        assert_eq!(read.network.unwrap().to_string(), "203.0.113.0/24");
        assert_eq!(read.user_agent.as_deref(), Some("Fire fox"));
        assert_eq!(read.opened_before_ms, Some(1_795_863_600_000));
        assert_eq!(read.unused_since_ms, Some(NOW - 86_400_000));
        for (text, network) in [
            ("203.0.113.9", "203.0.113.9/32"),
            ("::1", "::1/128"),
            ("::ffff:203.0.113.0/120", "::ffff:203.0.113.0/120"),
        ] {
            let read = filter(&format!("ip={text}")).unwrap().network.unwrap();
            assert_eq!(read.to_string(), network);
        }
        assert_eq!(filter("%75ser=7").unwrap(), filter("user=7").unwrap());
    }

    #[test]
    fn a_moment_to_come_is_no_other_than_now() {
        let read = |text: &str| filter(&format!("opened_before={text}")).unwrap().opened_before_ms;
        assert_eq!(read("2999-01-01T00:00:00Z"), Some(NOW + 1_000));
        assert_eq!(read("1970-01-01T00:00:00.001Z"), Some(1));
    }

    #[test]
    fn what_cannot_be_read_is_named_with_what_would_be_accepted() {
        for (query, name) in [
            ("user=", "user"),
            ("user=%20", "user"),
            ("user=a%00", "user"),
            ("user=..", "user"),
            ("role=", "role"),
            ("role=a%20b", "role"),
            ("role=user,admin", "role"),
            ("kind=", "kind"),
            ("kind=Fixed", "kind"),
            ("kind=fixed%20", "kind"),
            ("ip=", "ip"),
            ("ip=203.0.113.0/33", "ip"),
            ("ip=203.0.113/24", "ip"),
            ("ip=203.0.113.0/24,198.51.100.0/24", "ip"),
            ("ip=%5B::1%5D", "ip"),
            ("user_agent=", "user_agent"),
            ("opened_before=", "opened_before"),
            ("opened_before=yesterday", "opened_before"),
            ("opened_before=1795867200", "opened_before"),
            ("opened_before=2026-11-28T12:00:00+01:00", "opened_before"),
            ("opened_before=2026-11-28T12:00:00", "opened_before"),
            ("unused_for=", "unused_for"),
            ("unused_for=0", "unused_for"),
            ("unused_for=0s", "unused_for"),
            ("unused_for=-1h", "unused_for"),
            ("unused_for=1", "unused_for"),
            ("unused_for=99999999999999999999d", "unused_for"),
        ] {
            let refused = filter(query).expect_err(query);
            assert!(refused.starts_with(&format!("`{name}` must be ")), "{query}: {refused}");
        }
        let long = "x".repeat(257);
        assert!(filter(&format!("user_agent={long}")).is_err());
    }

    #[test]
    fn what_is_no_condition_or_comes_twice_is_refused_by_its_name() {
        for unknown in ["usr", "User", "user[]", "users", "limit", "dry_run", "user%20", "keep"] {
            let refused = filter(&format!("user=7&{unknown}=true")).expect_err(unknown);
            assert!(refused.ends_with(" is not accepted here"), "{refused}");
        }
        assert_eq!(filter("=7").unwrap_err(), "`` is not accepted here");
        for twice in ["user=7&user=7", "ip=::1&user=7&ip=::/0", "role=a&r%6Fle=b"] {
            let refused = filter(twice).unwrap_err();
            assert!(refused.ends_with(" is given twice"), "{refused}");
        }
        let no_text = "`user` must be UTF-8, percent-encoded";
        assert_eq!(filter("ip=::1&user=%FF&role=a").unwrap_err(), no_text);
        assert_eq!(filter("%FF=7").unwrap_err(), no_text.replace("user", ""));
    }

    #[test]
    fn a_form_says_nothing_by_a_field_that_is_left_empty() {
        let form = Parameters::of_form(b"user=&role=+&ip=::1&after=&x=", "no").unwrap();
        let params = form.take_filter().unwrap();
        assert_eq!(params.query(), "ip=%3A%3A1");
        assert!(Parameters::of_form(b"x=1", "no").unwrap().take_filter().is_err());
    }
}

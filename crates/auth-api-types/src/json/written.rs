//! Reading what [`WriteJson`](super::WriteJson) writes, in exactly that form: members in their order, no
//! space, no escape. What differs in anything is not read here, and is left to serde, which takes it or
//! refuses it; what is read here, serde reads alike.
//!
//! By hand, since serde compares each key with all names and checks each string again: of what a
//! service does for a validated request, that was a sixth.

use std::borrow::Cow;

use uuid::Uuid;

use crate::session::owned;
use crate::{
    ItemOrToken, Kind, Reason, Results, SessionUser, SessionView, Timestamp, Transport, UserId,
    ValidateItem, ValidateRequest, Verdict,
};

impl Verdict<'static> {
    /// Reads a verdict as it is written by hand; `None` for any other text.
    pub fn read_written(text: &str) -> Option<Self> {
        let mut rest = Rest(text);
        let verdict = rest.verdict()?;
        rest.end(verdict)
    }
}

impl Results<'static> {
    /// Reads the verdicts of `count` tokens as they are written by hand; `None` for any other text.
    pub fn read_written(text: &str, count: usize) -> Option<Self> {
        let mut rest = Rest(text);
        rest.skip("{\"results\":[")?;
        let mut results = Vec::with_capacity(count);
        loop {
            results.push(rest.verdict()?);
            if rest.skip(",").is_none() {
                break;
            }
        }
        rest.skip("]}")?;
        rest.end(Self { results })
    }
}

impl<'a> ValidateRequest<'a> {
    /// Reads the questions that most callers ask, in the form that most of them write: one token, or
    /// many, with nothing beside them but the ids of requests. `None` for any other text.
    pub fn read_written(text: &'a str) -> Option<Self> {
        let mut rest = Rest(text);
        if rest.skip("{\"tokens\":[").is_none() {
            let ValidateItem { token, request_id, .. } = rest.item()?;
            return rest.end(Self { token: Some(token), request_id, ..Self::default() });
        }
        // The shortest item that is of any use has some seventy characters.
        let mut tokens = Vec::with_capacity(text.len() / 64);
        loop {
            tokens.push(match rest.skip("\"") {
                Some(()) => ItemOrToken::Token(rest.string()?.into()),
                None => ItemOrToken::Item(rest.item()?),
            });
            if rest.skip(",").is_none() {
                break;
            }
        }
        rest.skip("]}")?;
        rest.end(Self { tokens: Some(tokens), ..Self::default() })
    }
}

/// What is not read yet.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// What was read, if nothing follows it.
    fn end<T>(self, read: T) -> Option<T> {
        self.0.is_empty().then_some(read)
    }

    #[inline]
    fn skip(&mut self, expected: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    /// The rest of a string that has no escape, whose first quote has been read.
    #[inline]
    fn string(&mut self) -> Option<&'a str> {
        let end = self.0.bytes().position(|byte| !super::is_plain(byte))?;
        let (string, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.strip_prefix('"')?;
        Some(string)
    }

    /// A whole string.
    fn text(&mut self) -> Option<&'a str> {
        self.skip("\"")?;
        self.string()
    }

    fn number(&mut self) -> Option<u64> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        let is_written = number == "0" || !number.starts_with('0');
        number.parse().ok().filter(|_| is_written)
    }

    /// Whether `null` stands there, which is then read.
    fn null(&mut self) -> bool {
        self.skip("null").is_some()
    }

    fn texts(&mut self) -> Option<Vec<Cow<'static, str>>> {
        self.skip("[")?;
        let mut texts = Vec::new();
        if self.skip("]").is_some() {
            return Some(texts);
        }
        loop {
            texts.push(owned(self.text()?));
            if self.skip(",").is_none() {
                break;
            }
        }
        self.skip("]")?;
        Some(texts)
    }

    fn moment(&mut self) -> Option<Timestamp> {
        Timestamp::of_text(self.text()?.as_bytes())
    }

    fn item(&mut self) -> Option<ValidateItem<'a>> {
        self.skip("{\"token\":")?;
        let token = self.text()?.into();
        let mut item = ValidateItem { token, ..ValidateItem::default() };
        if self.skip(",\"request_id\":").is_some() {
            item.request_id = Some(self.text()?.into());
        }
        self.skip("}")?;
        Some(item)
    }

    fn verdict(&mut self) -> Option<Verdict<'static>> {
        let mut verdict = Verdict::default();
        if self.skip("{\"authenticated\":true,\"session\":").is_some() {
            verdict.authenticated = Some(true);
            verdict.session = Some(self.session()?);
        } else if self.skip("{\"authenticated\":false,\"reason\":").is_some() {
            verdict.authenticated = Some(false);
            verdict.reason = Some(self.reason()?);
        } else {
            self.skip("{\"error\":")?;
            verdict.error = Some(self.text()?.to_owned().into());
        }
        self.skip("}")?;
        Some(verdict)
    }

    fn reason(&mut self) -> Option<Reason> {
        let text = self.text()?;
        let all = [Reason::Malformed, Reason::Expired, Reason::Revoked, Reason::Unknown];
        all.into_iter().find(|reason| reason.as_str() == text)
    }

    fn session(&mut self) -> Option<SessionView<'static>> {
        self.skip("{\"id\":")?;
        let id = Uuid::try_parse(self.text()?).ok()?;
        self.skip(",\"kind\":")?;
        let kind = self.kind()?;
        self.skip(",\"transport\":")?;
        let transport = self.transport()?;
        self.skip(",\"user\":")?;
        let user = self.user()?;
        self.skip(",\"role\":")?;
        let role = owned(self.text()?);
        self.skip(",\"scopes\":")?;
        let scopes = if self.null() { None } else { Some(self.texts()?) };
        self.skip(",\"name\":")?;
        let name = if self.null() { None } else { Some(owned(self.text()?)) };
        self.skip(",\"created_at\":")?;
        let created_at = self.moment()?;
        self.skip(",\"last_used_at\":")?;
        let last_used_at = self.moment()?;
        self.skip(",\"expires_at\":")?;
        let expires_at = self.moment()?;
        self.skip(",\"expires_in\":")?;
        let expires_in = self.number()?;
        self.skip(",\"absolute_expires_at\":")?;
        let absolute_expires_at = self.moment()?;
        self.skip(",\"refresh_count\":")?;
        let refresh_count = self.number()?;
        self.skip(",\"ip\":")?;
        let ip = if self.null() { None } else { Some(self.text()?.parse().ok()?) };
        self.skip(",\"user_agent\":")?;
        let user_agent = if self.null() { None } else { Some(owned(self.text()?)) };
        self.skip("}")?;
        Some(SessionView {
            id,
            kind,
            transport,
            user,
            role,
            scopes,
            name,
            created_at,
            last_used_at,
            expires_at,
            expires_in,
            absolute_expires_at,
            refresh_count,
            ip,
            user_agent,
            current: None,
        })
    }

    fn user(&mut self) -> Option<SessionUser<'static>> {
        self.skip("{\"id\":")?;
        let id = self.text()?;
        self.skip(",\"username\":")?;
        let username = self.text()?.to_owned().into();
        self.skip(",\"roles\":")?;
        let roles = self.texts()?;
        let external = self.skip(",\"external\":true").is_some();
        self.skip("}")?;
        let id = UserId::read(Cow::Borrowed(id), external).ok()?.into_owned();
        Some(SessionUser { id, username, roles })
    }

    fn kind(&mut self) -> Option<Kind> {
        Some(match self.text()? {
            "sliding" => Kind::Sliding,
            "fixed" => Kind::Fixed,
            "single_use" => Kind::SingleUse,
            _ => return None,
        })
    }

    fn transport(&mut self) -> Option<Transport> {
        Some(match self.text()? {
            "bearer" => Transport::Bearer,
            "cookie" => Transport::Cookie,
            _ => return None,
        })
    }
}

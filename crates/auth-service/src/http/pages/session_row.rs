//! A session as one row of a list.

use server_runtime::page::in_words;
use session::{Kind, Session, SessionId};

use super::moment::Moment;
use crate::device::device;

/// What is shown of one session.
pub(crate) struct SessionRow {
    pub(crate) id: String,
    /// The device of a login, the name of a token.
    pub(crate) title: String,
    /// What kind of token it is; empty for a login.
    pub(crate) kind: &'static str,
    pub(crate) ip: String,
    pub(crate) created: Moment,
    /// `None` before its first use.
    pub(crate) last_used: Option<Moment>,
    pub(crate) time_left: String,
    /// When it ends unused.
    pub(crate) ends: Moment,
    /// What it is narrowed to; empty where it is not.
    pub(crate) scopes: String,
    /// Whether it is the one that looks.
    pub(crate) current: bool,
}

impl SessionRow {
    pub(crate) fn new(session: &Session, own: SessionId, now_ms: i64) -> Self {
        let title = session
            .name
            .as_deref()
            .map_or_else(|| device(session.origin.user_agent.as_deref()), str::to_owned);
        let kind = match session.kind {
            Kind::Sliding if session.name.is_some() => "sliding token",
            Kind::Sliding => "",
            Kind::Fixed => "fixed token",
            Kind::SingleUse => "single-use token",
        };
        let ip = session.origin.ip.map(|ip| ip.to_string());
        Self {
            id: session.id.to_string(),
            title,
            kind,
            ip: ip.unwrap_or_else(|| "unknown address".to_owned()),
            created: Moment::date(session.created_at_ms),
            last_used: (session.refresh_count > 0)
                .then(|| Moment::ago(session.last_used_at_ms, now_ms)),
            time_left: in_words(session.expires_in),
            ends: Moment::date(session.expires_at_ms),
            scopes: session.scopes.as_ref().map(ToString::to_string).unwrap_or_default(),
            current: session.id == own,
        }
    }

    /// The rows of a user's sessions, the one that looks first: logins, and minted tokens.
    pub(crate) fn of_all(
        sessions: &[Session],
        own: SessionId,
        now_ms: i64,
    ) -> (Vec<Self>, Vec<Self>) {
        let rows = sessions.iter().map(|session| Self::new(session, own, now_ms));
        let (mut logins, tokens): (Vec<_>, Vec<_>) = rows.partition(|row| row.kind.is_empty());
        logins.sort_by_key(|row| !row.current);
        (logins, tokens)
    }
}

//! From the engine's session and the directory's user to their JSON.

use std::borrow::Cow;
use std::time::Duration;

use auth_api_types::{
    EventBy, EventClient, EventSession, EventUser, EventView, Kind, Reason, SessionUser,
    SessionView, Timestamp, TokenResponse, Transport, UserId, UserView,
};
use server_runtime::json_line;
use session::{Dead, ExternalId, Session, SessionId, StoredEvent, Subject};
use users::User;
use uuid::Uuid;

/// A session as it is shown; `caller` where it may stand among others.
pub(crate) fn session(session: &Session, caller: Option<SessionId>) -> SessionView<'_> {
    SessionView {
        id: session.id.uuid(),
        kind: kind(session.kind),
        transport: transport(session.transport),
        user: user_of(&session.subject),
        role: session.role().into(),
        scopes: session.scopes.as_ref().map(|scopes| scopes.iter().map(Cow::Borrowed).collect()),
        name: session.name.as_deref().map(Cow::Borrowed),
        created_at: Timestamp::from_unix_ms(session.created_at_ms),
        last_used_at: Timestamp::from_unix_ms(session.last_used_at_ms),
        expires_at: Timestamp::from_unix_ms(session.expires_at_ms),
        expires_in: seconds_up(session.expires_in),
        absolute_expires_at: Timestamp::from_unix_ms(session.absolute_expires_at_ms),
        refresh_count: session.refresh_count,
        ip: session.origin.ip,
        user_agent: session.origin.user_agent.as_deref().map(Cow::Borrowed),
        current: caller.map(|caller| caller == session.id),
    }
}

/// Whole seconds, rounded up.
pub(crate) fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// The reply that hands a token out; without one where it goes into a cookie.
pub(crate) fn token<'a>(
    token: Option<&'a session::Token>,
    issued: &'a Session,
) -> TokenResponse<'a> {
    TokenResponse {
        token: token.map(|token| token.expose().into()),
        token_type: "Bearer".into(),
        expires_in: seconds_up(issued.expires_in),
        session: session(issued, None),
        set_cookie: None,
    }
}

/// An event as it is shown.
pub(crate) fn event(stored: &StoredEvent) -> EventView<'_> {
    let event = &stored.event;
    let client = &event.client;
    let user_agent = client.user_agent.as_deref().filter(|agent| !agent.is_empty());
    let has_client = client.ip.is_some() || user_agent.is_some();
    EventView {
        position: (*stored.position).into(),
        kind: event.kind.as_str().into(),
        at: Timestamp::from_unix_ms(event.at_ms),
        cause: event.cause.map(|cause| cause.as_str().into()),
        request_id: client.request_id.as_deref().map(Cow::Borrowed),
        session: event.session.as_ref().map(|session| EventSession {
            id: session.id.uuid(),
            kind: kind(session.kind),
            transport: transport(session.transport),
            name: session.name.as_deref().map(Cow::Borrowed),
        }),
        user: event.user.as_ref().map(|user| EventUser {
            id: user.id.map(|id| user_id(id, user.external.as_ref())),
            username: (*user.username).into(),
        }),
        by: event.by.as_ref().map(|by| EventBy {
            user_id: user_id(by.user_id, by.external.as_ref()),
            session_id: by.session_id.uuid(),
        }),
        client: has_client
            .then(|| EventClient { ip: client.ip, user_agent: user_agent.map(Cow::Borrowed) }),
    }
}

/// The JSON of an event on one line, made once for all that read it.
pub(crate) fn rendered(stored: &StoredEvent) -> Result<&str, serde_json::Error> {
    if let Some(text) = stored.rendered.get() {
        return Ok(text);
    }
    let text = serde_json::to_string(&event(stored))?;
    Ok(stored.rendered.get_or_init(|| json_line(&text).into()))
}

const fn transport(transport: session::Transport) -> Transport {
    match transport {
        session::Transport::Bearer => Transport::Bearer,
        session::Transport::Cookie => Transport::Cookie,
    }
}

/// A user as it is shown.
pub(crate) fn user(user: &User) -> UserView {
    UserView {
        id: user.id.to_string(),
        email: (!user.service).then(|| user.email.clone()),
        username: user.service.then(|| user.email.clone()),
        service: user.service.then_some(true),
        email_verified: user.email_verified,
        first_name: user.first_name.clone(),
        last_name: user.last_name.clone(),
        roles: user.roles.clone(),
        disabled: user.disabled,
        created_at: Timestamp::from_unix_ms(user.created_at_ms),
        updated_at: Timestamp::from_unix_ms(user.updated_at_ms),
    }
}

/// The engine's kind as it is written.
pub(crate) const fn kind(kind: session::Kind) -> Kind {
    match kind {
        session::Kind::Sliding => Kind::Sliding,
        session::Kind::Fixed => Kind::Fixed,
        session::Kind::SingleUse => Kind::SingleUse,
    }
}

/// The transport that was written, as the engine's.
pub(crate) const fn transport_read(transport: Transport) -> session::Transport {
    match transport {
        Transport::Bearer => session::Transport::Bearer,
        Transport::Cookie => session::Transport::Cookie,
    }
}

/// The kind that was written, as the engine's.
pub(crate) const fn kind_read(kind: Kind) -> session::Kind {
    match kind {
        Kind::Sliding => session::Kind::Sliding,
        Kind::Fixed => session::Kind::Fixed,
        Kind::SingleUse => session::Kind::SingleUse,
    }
}

/// The reason as it is written.
pub(crate) const fn reason(dead: Dead) -> Reason {
    match dead {
        Dead::Unknown | Dead::Replaced => Reason::Unknown,
        Dead::Expired => Reason::Expired,
        Dead::Revoked => Reason::Revoked,
    }
}

/// The `Max-Age` of a session's cookie: until it ends in any case.
pub(crate) fn cookie_age(session: &Session) -> Duration {
    let remaining_ms = session.absolute_expires_at_ms - session.last_used_at_ms;
    Duration::from_millis(u64::try_from(remaining_ms).unwrap_or_default())
}

/// A user of ours by its id, and another by what its backend calls it.
fn user_id(id: Uuid, external: Option<&ExternalId>) -> UserId<'_> {
    external.map_or(UserId::Own(id), |external| UserId::External(external.as_str().into()))
}

fn user_of(subject: &Subject) -> SessionUser<'_> {
    SessionUser {
        id: user_id(subject.id, subject.external.as_ref()),
        username: (&*subject.username).into(),
        roles: subject.roles.iter().map(|role| Cow::Borrowed(&**role)).collect(),
    }
}

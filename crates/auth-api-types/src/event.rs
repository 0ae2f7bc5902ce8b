//! What happened, as the event stream shows it.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Kind, Timestamp, Transport};

/// One event. Never a token, a digest or a password.
///
/// It borrows where it is written, and owns what it has read: `EventView<'static>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventView<'a> {
    /// Its position: the events behind it come after it.
    pub position: Cow<'a, str>,
    /// What kind of event it is.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "openapi", schema(example = "session.ended"))]
    pub kind: Cow<'a, str>,
    /// When it happened.
    pub at: Timestamp,
    /// Why, where there is something to say.
    #[cfg_attr(feature = "openapi", schema(required, example = "logout"))]
    pub cause: Option<Cow<'a, str>>,
    /// The id of the request.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub request_id: Option<Cow<'a, str>>,
    /// The session that it is about.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub session: Option<EventSession<'a>>,
    /// The user that it is about.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub user: Option<EventUser<'a>>,
    /// Who did it; `null` where that was the session itself, a limit, time or a command.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub by: Option<EventBy>,
    /// From where, as far as that is known.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub client: Option<EventClient<'a>>,
}

/// The session of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventSession<'a> {
    /// Its id.
    pub id: Uuid,
    /// What a use does to it.
    pub kind: Kind,
    /// How its token travels.
    pub transport: Transport,
    /// The name given to a minted token.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub name: Option<Cow<'a, str>>,
}

/// The user of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventUser<'a> {
    /// The user's id; `null` where a login named an account that there may not be.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub id: Option<Uuid>,
    /// What the user logs in with.
    pub username: Cow<'a, str>,
}

/// Who did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventBy {
    /// The user.
    pub user_id: Uuid,
    /// The session that the user did it by.
    pub session_id: Uuid,
}

/// The client of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventClient<'a> {
    /// Its address.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Option<String>))]
    pub ip: Option<IpAddr>,
    /// Its user agent.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub user_agent: Option<Cow<'a, str>>,
}

/// A part of the event stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventList<'a> {
    /// The events, in their order.
    pub events: Vec<EventView<'a>>,
    /// Where the next part begins: the next `after`.
    pub next: Cow<'a, str>,
}

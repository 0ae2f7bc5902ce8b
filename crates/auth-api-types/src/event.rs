//! What happened, as the event stream shows it.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Kind, Timestamp, Transport, UserId};

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
    pub by: Option<EventBy<'a>>,
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
#[serde(try_from = "WrittenUser<'a>", into = "WrittenUser<'a>")]
pub struct EventUser<'a> {
    /// The user's id; `None` where a login named an account that there may not be.
    pub id: Option<UserId<'a>>,
    /// What the user logs in with.
    pub username: Cow<'a, str>,
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenBy<'a>", into = "WrittenBy<'a>")]
pub struct EventBy<'a> {
    /// The user.
    pub user_id: UserId<'a>,
    /// The session that the user did it by.
    pub session_id: Uuid,
}

/// The user as it stands in JSON.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = EventUser))]
struct WrittenUser<'a> {
    /// The user's id; of an external one what its backend calls it; `null` where a login named an
    /// account that there may not be.
    #[cfg_attr(feature = "openapi", schema(required))]
    id: Option<Cow<'a, str>>,
    /// What the user logs in with.
    username: Cow<'a, str>,
    /// `true` for a user that is none of ours, and absent otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    external: bool,
}

/// Who did something, as it stands in JSON.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = EventBy))]
struct WrittenBy<'a> {
    /// The user's id; of an external one what its backend calls it.
    user_id: Cow<'a, str>,
    /// The session that the user did it by.
    session_id: Uuid,
    /// `true` for a user that is none of ours, and absent otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    external: bool,
}

impl<'a> From<EventUser<'a>> for WrittenUser<'a> {
    fn from(user: EventUser<'a>) -> Self {
        let (id, external) = user.id.map(UserId::written).unzip();
        Self { id, username: user.username, external: external.unwrap_or_default() }
    }
}

impl<'a> TryFrom<WrittenUser<'a>> for EventUser<'a> {
    type Error = uuid::Error;

    fn try_from(written: WrittenUser<'a>) -> Result<Self, uuid::Error> {
        let id = written.id.map(|id| UserId::read(id, written.external)).transpose()?;
        Ok(Self { id, username: written.username })
    }
}

impl<'a> From<EventBy<'a>> for WrittenBy<'a> {
    fn from(by: EventBy<'a>) -> Self {
        let (user_id, external) = by.user_id.written();
        Self { user_id, session_id: by.session_id, external }
    }
}

impl<'a> TryFrom<WrittenBy<'a>> for EventBy<'a> {
    type Error = uuid::Error;

    fn try_from(written: WrittenBy<'a>) -> Result<Self, uuid::Error> {
        let user_id = UserId::read(written.user_id, written.external)?;
        Ok(Self { user_id, session_id: written.session_id })
    }
}

#[cfg(feature = "openapi")]
mod description {
    use std::borrow::Cow;

    use utoipa::openapi::{RefOr, Schema};
    use utoipa::{PartialSchema, ToSchema};

    use super::{EventBy, EventUser, WrittenBy, WrittenUser};

    impl PartialSchema for EventUser<'_> {
        fn schema() -> RefOr<Schema> {
            WrittenUser::schema()
        }
    }

    impl ToSchema for EventUser<'_> {
        fn name() -> Cow<'static, str> {
            "EventUser".into()
        }
    }

    impl PartialSchema for EventBy<'_> {
        fn schema() -> RefOr<Schema> {
            WrittenBy::schema()
        }
    }

    impl ToSchema for EventBy<'_> {
        fn name() -> Cow<'static, str> {
            "EventBy".into()
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "019ad0e6-4f3a-7000-8000-000000000001";

    #[test]
    fn a_user_of_ours_and_an_external_one_are_read_as_they_were_written() {
        let own = UserId::Own(UUID.parse().unwrap());
        for (id, json) in [
            (Some(own), format!(r#"{{"id":"{UUID}","username":"ann"}}"#)),
            (None, r#"{"id":null,"username":"ann"}"#.to_owned()),
            (
                Some(UserId::External(UUID.into())),
                format!(r#"{{"id":"{UUID}","username":"ann","external":true}}"#),
            ),
        ] {
            let user = EventUser { id, username: "ann".into() };
            assert_eq!(serde_json::to_string(&user).unwrap(), json);
            assert_eq!(serde_json::from_str::<EventUser<'_>>(&json).unwrap(), user);
        }
        assert!(serde_json::from_str::<EventUser<'_>>(r#"{"id":"7","username":"a"}"#).is_err());
    }

    #[test]
    fn who_did_something_is_read_as_it_was_written() {
        let session_id = UUID.parse().unwrap();
        for (user_id, rest) in
            [(UserId::Own(session_id), ""), (UserId::External("7".into()), ",\"external\":true")]
        {
            let json = format!(r#"{{"user_id":"{user_id}","session_id":"{session_id}"{rest}}}"#);
            let by = EventBy { user_id, session_id };
            assert_eq!(serde_json::to_string(&by).unwrap(), json);
            assert_eq!(serde_json::from_str::<EventBy<'_>>(&json).unwrap(), by);
        }
    }
}

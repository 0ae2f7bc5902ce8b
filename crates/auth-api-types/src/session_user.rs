//! Whose session it is: one of our users, or somebody who is known only by what a backend calls them.

use std::borrow::Cow;
use std::fmt;

use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use crate::session::{all_owned, owned};

/// Whose session it is, as known at the login.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenUser<'a>")]
pub struct SessionUser<'a> {
    /// The user's id.
    pub id: UserId<'a>,
    /// What the user logs in with.
    pub username: Cow<'a, str>,
    /// All roles of the user, the default one first.
    pub roles: Vec<Cow<'a, str>>,
}

/// A user's id. One of ours is never equal to an external one, whatever its text is: use it as a key as
/// it is, and its text for showing it alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UserId<'a> {
    /// Of a user in the auth service's own accounts.
    Own(Uuid),
    /// What a backend calls a user of its own. Only that backend says who it is.
    External(Cow<'a, str>),
}

impl SessionUser<'_> {
    /// Whether it is none of the auth service's own users.
    pub const fn is_external(&self) -> bool {
        matches!(self.id, UserId::External(_))
    }

    /// The same, without borrowing.
    pub fn into_owned(self) -> SessionUser<'static> {
        let Self { id, username, roles } = self;
        SessionUser { id: id.into_owned(), username: owned(&username), roles: all_owned(&roles) }
    }
}

impl<'a> UserId<'a> {
    /// As it stands in JSON: its text, and whether it is external.
    pub(crate) fn written(self) -> (Cow<'a, str>, bool) {
        match self {
            Self::Own(id) => (id.to_string().into(), false),
            Self::External(id) => (id, true),
        }
    }

    /// What stands in JSON. A user of ours has an id that is a UUID: anything else is no answer
    /// about one.
    pub(crate) fn read(text: Cow<'a, str>, external: bool) -> Result<Self, uuid::Error> {
        if external { Ok(Self::External(text)) } else { Uuid::try_parse(&text).map(Self::Own) }
    }

    /// The same, without borrowing.
    pub fn into_owned(self) -> UserId<'static> {
        match self {
            Self::Own(id) => UserId::Own(id),
            Self::External(id) => UserId::External(Cow::Owned(id.into_owned())),
        }
    }
}

/// The text alone, which does not tell whose id it is.
impl fmt::Display for UserId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(id) => fmt::Display::fmt(id, f),
            Self::External(id) => f.write_str(id),
        }
    }
}

/// As its text.
impl Serialize for UserId<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Own(id) => id.serialize(serializer),
            Self::External(id) => serializer.serialize_str(id),
        }
    }
}

impl Serialize for SessionUser<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let members = 3 + usize::from(self.is_external());
        let mut user = serializer.serialize_struct("SessionUser", members)?;
        user.serialize_field("id", &self.id)?;
        user.serialize_field("username", &self.username)?;
        user.serialize_field("roles", &self.roles)?;
        if self.is_external() {
            user.serialize_field("external", &true)?;
        }
        user.end()
    }
}

/// The user as it stands in JSON.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = SessionUser))]
struct WrittenUser<'a> {
    /// The user's id; of an external one what its backend calls it.
    #[cfg_attr(feature = "openapi", schema(example = "019ad0e6-4f3a-7000-8000-000000000001"))]
    id: Cow<'a, str>,
    /// What the user logs in with: an e-mail address, unless it is external or a service.
    #[cfg_attr(feature = "openapi", schema(example = "ann@example.com"))]
    username: Cow<'a, str>,
    /// All roles of the user, the default one first.
    roles: Vec<Cow<'a, str>>,
    /// `true` for a user that is none of ours, and absent otherwise.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    external: bool,
}

impl<'a> TryFrom<WrittenUser<'a>> for SessionUser<'a> {
    type Error = uuid::Error;

    fn try_from(written: WrittenUser<'a>) -> Result<Self, uuid::Error> {
        let WrittenUser { id, username, roles, external } = written;
        Ok(Self { id: UserId::read(id, external)?, username, roles })
    }
}

#[cfg(feature = "openapi")]
mod description {
    use utoipa::openapi::schema::{ObjectBuilder, Type};
    use utoipa::openapi::{RefOr, Schema};
    use utoipa::{PartialSchema, ToSchema};

    use super::{SessionUser, UserId, WrittenUser};

    impl PartialSchema for SessionUser<'_> {
        fn schema() -> RefOr<Schema> {
            WrittenUser::schema()
        }
    }

    impl ToSchema for SessionUser<'_> {
        fn name() -> std::borrow::Cow<'static, str> {
            "SessionUser".into()
        }
    }

    impl PartialSchema for UserId<'_> {
        fn schema() -> RefOr<Schema> {
            ObjectBuilder::new().schema_type(Type::String).into()
        }
    }

    impl ToSchema for UserId<'_> {}
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "019ad0e6-4f3a-7000-8000-000000000001";

    fn read(json: &str) -> Option<SessionUser<'_>> {
        serde_json::from_str(json).ok()
    }

    #[test]
    fn a_user_is_read_as_it_was_written() {
        for (id, json) in [
            (
                UserId::Own(UUID.parse().unwrap()),
                format!(r#"{{"id":"{UUID}","username":"ann","roles":["user"]}}"#),
            ),
            (
                UserId::External(UUID.into()),
                format!(r#"{{"id":"{UUID}","username":"ann","roles":["user"],"external":true}}"#),
            ),
        ] {
            let user = SessionUser { id, username: "ann".into(), roles: vec!["user".into()] };
            assert_eq!(serde_json::to_string(&user).unwrap(), json);
            assert_eq!(read(&json), Some(user));
        }
    }

    #[test]
    fn an_external_user_is_never_one_of_ours_with_the_same_text() {
        let (own, external) = (UserId::Own(UUID.parse().unwrap()), UserId::External(UUID.into()));
        assert_ne!(own, external);
        assert_eq!(own.to_string(), external.to_string());
    }

    #[test]
    fn what_is_no_id_of_ours_is_no_user_unless_it_is_external() {
        let user = |rest: &str| format!(r#"{{"id":"42","username":"a","roles":[]{rest}}}"#);
        assert!(read(&user("")).is_none());
        assert!(read(&user(r#","external":false"#)).is_none());
        assert!(read(&user(r#","external":null"#)).is_none());
        assert!(read(&user(r#","external":"true""#)).is_none());
        assert!(read(&user(r#","external":true,"external":false"#)).is_none());
        assert!(read(&user(r#","external":true"#)).unwrap().is_external());
    }
}

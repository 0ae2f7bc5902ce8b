//! Sessions for users that live elsewhere: a backend has authenticated somebody and asks for a session,
//! lists those of one of its users, and ends them.

use std::sync::Arc;

use session::{
    Cause, Condition, Ending, EventContext, ExternalId, Grant, Issued, Kind, Origin, SeenAt,
    Session, SessionId, Subject, Transport, VALUES_LIMIT, ValueChange,
};
use users::UsersError;

use super::tokens::lifetime;
use super::values::{self, Key};
use super::{Domain, Error, Fault, Field};

/// The longest user name of an external user, in bytes.
const USERNAME_BYTES: usize = 254;

/// The session that a backend wants.
pub(crate) struct Wanted {
    pub(crate) id: String,
    pub(crate) username: String,
    /// What to call the user; the user name where there is nothing else.
    pub(crate) name: Option<String>,
    pub(crate) roles: Vec<String>,
    /// The role to act in; the first where none is wanted.
    pub(crate) role: Option<String>,
    pub(crate) transport: Transport,
    pub(crate) kind: Kind,
    /// As people write durations.
    pub(crate) ttl: Option<String>,
    pub(crate) max_lifetime: Option<String>,
    pub(crate) origin: Origin,
    /// What to keep in it: JSON text by key.
    pub(crate) values: Vec<(String, Box<str>)>,
    /// The id of the backend's request.
    pub(crate) request_id: Option<Arc<str>>,
}

/// Opens the session. Each request opens one, also one that is repeated.
pub(crate) async fn issue(domain: &Domain, wanted: Wanted) -> Result<Issued, Error> {
    let role = match &wanted.role {
        None => 0,
        Some(role) => wanted
            .roles
            .iter()
            .position(|one| one == role)
            .ok_or_else(|| broken("role", "must be one of the user's `roles`"))?,
    };
    if wanted.transport == Transport::Cookie && wanted.kind != Kind::Sliding {
        return Err(broken("kind", "must be `sliding` for a cookie"));
    }
    check_values(wanted.kind, &wanted.values)?;
    let grant = Grant {
        role,
        kind: wanted.kind,
        transport: wanted.transport,
        ttl: wanted.ttl.as_deref().map(|text| lifetime("ttl", text)).transpose()?,
        max_lifetime: (wanted.max_lifetime.as_deref())
            .map(|text| lifetime("max_lifetime", text))
            .transpose()?,
        subject: Arc::new(subject(&wanted.id, wanted.username, wanted.name, &wanted.roles)?),
        origin: wanted.origin,
        request_id: wanted.request_id.clone(),
    };
    let issued = domain.sessions.issue_granted(grant).await?;
    write_or_undo(domain, &issued, wanted.values, wanted.request_id).await?;
    Ok(issued)
}

/// An external user's live sessions, newest use first.
pub(crate) async fn list(domain: &Domain, id: &str) -> Result<Vec<Session>, Error> {
    let id = external_id(id)?;
    let mut sessions = domain.sessions.list(id.subject_id()).await?;
    sessions.retain(|session| session.subject.external.as_ref() == Some(&id));
    Ok(sessions)
}

/// Ends an external user's sessions but the one to keep; how many lived.
pub(crate) async fn end_all(
    domain: &Domain,
    id: &str,
    keep: Option<SessionId>,
    request_id: Option<Arc<str>>,
) -> Result<u64, Error> {
    let id = external_id(id)?;
    let ending = Ending { below_generation: None, keep };
    let context = context(Cause::Backend, request_id);
    Ok(domain.sessions.end_all(id.subject_id(), ending, &context).await?.len() as u64)
}

/// Ends one session, whoever's it is; how many lived.
pub(crate) async fn end(
    domain: &Domain,
    id: &str,
    request_id: Option<Arc<str>>,
) -> Result<u64, Error> {
    let Some(id) = SessionId::parse(id) else {
        return Ok(0);
    };
    let was_live = domain.sessions.end(id, &context(Cause::Backend, request_id)).await?;
    Ok(u64::from(was_live))
}

/// What the events of ends say that a backend causes: of the client it says nothing.
fn context(cause: Cause, request_id: Option<Arc<str>>) -> EventContext {
    EventContext::of_client(cause, SeenAt { request_id, ..SeenAt::default() })
}

fn external_id(id: &str) -> Result<ExternalId, Error> {
    ExternalId::parse(id).ok_or_else(|| {
        broken(
            "user.id",
            "has 1 to 128 printable ASCII characters, is neither `.` nor `..`, and has no blank at \
             either end",
        )
    })
}

/// What a session is to remember of the user.
fn subject(
    id: &str,
    username: String,
    name: Option<String>,
    roles: &[String],
) -> Result<Subject, Error> {
    let external = external_id(id)?;
    let is_name = (1..=USERNAME_BYTES).contains(&username.len())
        && username.trim() == username
        && !users::has_hidden(&username);
    if !is_name {
        return Err(broken(
            "user.username",
            "has 1 to 254 bytes, no control characters, nothing invisible and no blank at either end",
        ));
    }
    users::check_name(name.as_deref()).map_err(|error| of_field("user.name", error))?;
    users::check_roles(roles).map_err(|error| of_field("user.roles", error))?;
    let display_name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    Ok(Subject {
        id: external.subject_id(),
        external: Some(external),
        display_name: display_name.unwrap_or_else(|| username.clone()).into(),
        username: username.into(),
        roles: roles.iter().map(|role| role.as_str().into()).collect(),
    })
}

/// That all values have a key and fit together, before there is a session.
fn check_values(kind: Kind, values: &[(String, Box<str>)]) -> Result<(), Error> {
    if kind == Kind::SingleUse && !values.is_empty() {
        return Err(broken("values", "must be absent: a single-use session has none"));
    }
    for (key, _) in values {
        Key::parse(key).map_err(|field| Field::new("values", field.problem))?;
    }
    let bytes: usize = values.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > VALUES_LIMIT {
        return Err(Error::TooLarge { limit: VALUES_LIMIT });
    }
    Ok(())
}

/// INVARIANT: nobody has the token of a session whose values are not all there.
async fn write_or_undo(
    domain: &Domain,
    issued: &Issued,
    values: Vec<(String, Box<str>)>,
    request_id: Option<Arc<str>>,
) -> Result<(), Error> {
    let id = issued.session.id;
    for (key, value) in values {
        let put = ValueChange::Put(value);
        let key = Key::parse(&key)?;
        let written = values::write_into(domain, id, &key, put, Condition::None).await;
        if let Err(error) = written {
            let undone = context(Cause::Undone, request_id);
            domain.sessions.end(id, &undone).await?;
            return Err(error);
        }
    }
    Ok(())
}

fn broken(field: &'static str, rule: &str) -> Error {
    Field::new(field, Fault::Rule(rule.to_owned())).into()
}

/// A rule about users, told of the field that breaks it.
fn of_field(field: &'static str, error: UsersError) -> Error {
    match error {
        UsersError::Rule(rule) => {
            Error::Rule(format!("the field `{field}` is against a rule: {rule}"))
        }
        other => other.into(),
    }
}

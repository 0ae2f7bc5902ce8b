//! The values that backends store in a session over several requests. Each value has a version, so that of two
//! writers neither overwrites the other unseen.

use session::{Condition, Dead, Kind, SessionId, VALUES_LIMIT, ValueChange, ValueWrite, Values};

use super::caller::Caller;
use super::{Domain, Error, Fault, Field};

/// The key of a value.
pub(crate) struct Key<'a>(&'a str);

impl<'a> Key<'a> {
    /// A key of 1 to 64 of `A-Za-z0-9._-`.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Field> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text));
        }
        Err(Field::new("key", Fault::Unreadable("is 1 to 64 of A-Za-z0-9._-")))
    }
}

/// All values of the caller's session.
pub(crate) async fn read_all(domain: &Domain, caller: &Caller) -> Result<Values, Error> {
    let values = domain.sessions.store().values(session_with_values(caller)?).await?;
    values.ok_or_else(|| Dead::Unknown.into())
}

/// One value of the caller's session, as JSON with its version.
pub(crate) async fn read(
    domain: &Domain,
    caller: &Caller,
    key: &Key<'_>,
) -> Result<(u64, Box<str>), Error> {
    read_all(domain, caller).await?.remove(key.0).ok_or(Error::NotFound)
}

/// Writes or deletes one value of the caller's session; the version of what was written.
pub(crate) async fn write(
    domain: &Domain,
    caller: &Caller,
    key: &Key<'_>,
    change: ValueChange,
    condition: Condition,
) -> Result<Option<u64>, Error> {
    write_into(domain, session_with_values(caller)?, key, change, condition).await
}

/// Writes or deletes one value of that session; the version of what was written.
pub(crate) async fn write_into(
    domain: &Domain,
    id: SessionId,
    key: &Key<'_>,
    change: ValueChange,
    condition: Condition,
) -> Result<Option<u64>, Error> {
    match domain.sessions.store().write_value(id, key.0, change, condition).await? {
        ValueWrite::Put(version) => Ok(Some(version)),
        ValueWrite::Deleted => Ok(None),
        ValueWrite::ConditionFailed => Err(Error::ConditionFailed),
        ValueWrite::TooLarge => Err(Error::TooLarge { limit: VALUES_LIMIT }),
        ValueWrite::SessionDead => Err(Dead::Unknown.into()),
    }
}

/// The caller's session, which must be one that has values: this request has just used a single-use one up.
fn session_with_values(caller: &Caller) -> Result<SessionId, Error> {
    if caller.session.kind == Kind::SingleUse {
        return Err(Error::Forbidden("a single-use session has no values"));
    }
    Ok(caller.session.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_and_plain() {
        let long = "k".repeat(65);
        for bad in ["", "a/b", "a b", "ü", long.as_str()] {
            assert!(Key::parse(bad).is_err(), "{bad}");
        }
        assert!(Key::parse("cart.v1_a-Z9").is_ok());
    }
}

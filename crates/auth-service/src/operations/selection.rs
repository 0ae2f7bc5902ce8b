//! The sessions of all users that a filter selects: list them, count them, end them.

use session::{
    Cause, EventContext, ListCursor, ListPage, SeenAt, Session, SessionFilter, SessionId,
};

use super::access::require_admin;
use super::caller::Caller;
use super::{Domain, Error};

/// Who selects sessions.
pub(crate) enum Requester<'a> {
    /// An admin, whose own session lives on.
    Admin(&'a Caller),
    /// A backend or a command, which has shown the internal key; what is known of its request.
    Backend(SeenAt),
}

impl Requester<'_> {
    /// That it may. A backend has shown the key.
    fn check(&self) -> Result<(), Error> {
        match self {
            Self::Admin(caller) => require_admin(&caller.session),
            Self::Backend(_) => Ok(()),
        }
    }

    /// The session that is never ended.
    pub(crate) fn own(&self) -> Option<SessionId> {
        match self {
            Self::Admin(caller) => Some(caller.session.id),
            Self::Backend(_) => None,
        }
    }

    fn context(&self) -> EventContext {
        match self {
            Self::Admin(caller) => caller.context(Cause::RevokedByAdmin),
            Self::Backend(seen) => EventContext::of_client(Cause::RevokedByAdmin, seen.clone()),
        }
    }
}

/// A page of the selected sessions, the requester's own among them.
pub(crate) async fn list(
    domain: &Domain,
    requester: &Requester<'_>,
    filter: &SessionFilter,
    from: Option<ListCursor>,
    limit: usize,
) -> Result<ListPage, Error> {
    requester.check()?;
    let mut page = domain.sessions.list_page(filter, from, limit).await?;
    page.sessions.sort_unstable_by_key(newest_first);
    Ok(page)
}

fn newest_first(session: &Session) -> std::cmp::Reverse<SessionId> {
    std::cmp::Reverse(session.id)
}

/// How many sessions would end now.
pub(crate) async fn count(
    domain: &Domain,
    requester: &Requester<'_>,
    filter: &SessionFilter,
) -> Result<u64, Error> {
    requester.check()?;
    Ok(domain.sessions.count_matching(filter, requester.own()).await?)
}

/// Ends the selected sessions; how many lived.
pub(crate) async fn end(
    domain: &Domain,
    requester: &Requester<'_>,
    filter: &SessionFilter,
) -> Result<u64, Error> {
    requester.check()?;
    let (keep, context) = (requester.own(), requester.context());
    Ok(domain.sessions.end_matching(filter, keep, &context).await?)
}

//! Who asks, by the session that a token opens.

use session::{By, Cause, Dead, EventContext, Intent, Kind, Presented, SeenAt, Session, Verdict};

use super::access::Admission;
use super::client::Client;
use super::{Domain, Error};

/// Who asks for something.
pub(crate) struct Caller {
    /// The session, as it is after it was presented.
    pub(crate) session: Session,
    /// What was presented.
    pub(crate) presented: Presented,
    /// Whether the token came in a browser's cookie.
    pub(crate) by_cookie: bool,
    /// Whether a page of a named origin asks, and would change something.
    pub(crate) from_named_origin: bool,
    /// Where the request came from, as far as it is known.
    pub(crate) client: Client,
}

/// The session that a token opens. A token that is misused ends it, also where it is only looked at.
pub(crate) async fn present(
    domain: &Domain,
    presented: Presented,
    seen: &SeenAt,
) -> Result<Session, Error> {
    match domain.sessions.validate_one(presented, seen.clone()).await? {
        Verdict::Alive(session) => Ok(session),
        Verdict::Dead(dead) => {
            if presented.intent == Intent::Look {
                end_misused(domain, presented, dead, seen).await?;
            }
            Err(dead.into())
        }
    }
}

impl Caller {
    /// Who did what the caller does.
    pub(crate) fn by(&self) -> By {
        By::session(&self.session)
    }

    /// What the events of a change that the caller makes say.
    pub(crate) fn context(&self, cause: Cause) -> EventContext {
        EventContext { cause, by: Some(self.by()), client: self.client.seen_at() }
    }

    /// Whether the caller may still act, after something that took its time.
    ///
    /// INVARIANT: checked right before a write that had to wait for a password to be hashed, so that
    /// nobody acts with a session that was ended while the hash was computed. A single-use one has
    /// ended by this very request; what ends all of its user's sessions shows in the user.
    pub(crate) async fn still_may(&self, domain: &Domain) -> Result<(), Error> {
        if self.session.kind == Kind::SingleUse {
            Admission::OwnUsers.admit(&self.session)?;
            let user = domain.users.get(self.session.subject.id).await?;
            let same = user
                .is_some_and(|user| user.generation == self.session.generation && !user.disabled);
            return if same { Ok(()) } else { Err(Dead::Revoked.into()) };
        }
        let look = Presented { intent: Intent::Look, ..self.presented };
        match domain.sessions.validate_one(look, SeenAt::default()).await? {
            Verdict::Alive(_) => Ok(()),
            Verdict::Dead(dead) => Err(dead.into()),
        }
    }
}

/// Ends a bound session whose token is seen elsewhere, and one whose token is from before a
/// rotation, which only a use finds out.
async fn end_misused(
    domain: &Domain,
    presented: Presented,
    dead: Dead,
    seen: &SeenAt,
) -> Result<(), Error> {
    match dead {
        Dead::Revoked => {
            let elsewhere = EventContext::of_client(Cause::Elsewhere, seen.clone());
            domain.sessions.end(presented.id, &elsewhere).await?;
        }
        Dead::Unknown | Dead::Replaced => {
            let used = Presented { intent: Intent::Use, ..presented };
            domain.sessions.validate_one(used, seen.clone()).await?;
        }
        Dead::Expired => {}
    }
    Ok(())
}

//! Whose sessions a shared store holds. A session is believed without a look at its account, so that
//! beside another users' database it would act in its role there.

use std::sync::Arc;

use uuid::Uuid;

use super::Sessions;
use crate::lease::Lease;
use crate::{Cause, EventContext, Gate, Owner, SessionId, StoreError};

impl Sessions {
    /// The same engine for the users of `database` alone: in a store that is shared, no token is
    /// judged and no session opened from now on while it belongs to another one.
    #[must_use]
    pub fn owned_by(self, database: Uuid) -> Self {
        let is_shared = self.store.is_shared();
        let outlives = self.store.outlives_process();
        let lease = outlives.then(|| Arc::new(Lease::new(database, is_shared)));
        Self { lease, ..self }
    }

    /// Looks up which users' database the sessions belong to. What it finds counts for a little while, at all handles.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store did not answer.
    pub async fn owner(&self) -> Result<Owner, StoreError> {
        let Some(lease) = &self.lease else {
            return Ok(Owner::Us);
        };
        let began = self.clock.boot_time();
        Ok(lease.judge(self.store.identity().await?, began))
    }

    /// Whether tokens may be judged now, as far as is known.
    pub(super) fn admits(&self) -> bool {
        let holds = |lease: &Lease| !lease.runs_out() || lease.holds(self.clock.boot_time());
        self.gate.is_open() && self.lease.as_deref().is_none_or(holds)
    }

    /// Whether tokens may be judged now. The store is only asked where nobody has for a while, as
    /// after it was away: so that the first request that finds it again is answered.
    pub(super) async fn admit(&self) -> Result<(), StoreError> {
        if self.admits() {
            return Ok(());
        }
        if !self.gate.is_open() {
            return Err(Gate::refusal());
        }
        self.expect_ours().await
    }

    /// Ends a session that was opened in a store which is not, or no longer, known to be ours.
    ///
    /// INVARIANT: the store is asked after the session stands there. Whoever gives the store to
    /// another database writes that down, and ends all sessions after it: either this sees the
    /// other database, or the session was there before and ends with all.
    pub(super) async fn undo_unless_ours(
        &self,
        id: SessionId,
        context: &EventContext,
    ) -> Result<(), StoreError> {
        if !self.lease.as_ref().is_some_and(|lease| lease.runs_out()) {
            return Ok(());
        }
        let ours = self.expect_ours().await;
        if ours.is_err()
            && let Err(error) = self.store.remove(id, &context.side_effect(Cause::Undone)).await
        {
            tracing::debug!(%error, "a session whose token was never handed out could not be ended, and will expire");
        }
        ours
    }

    async fn expect_ours(&self) -> Result<(), StoreError> {
        match self.owner().await? {
            Owner::Us => Ok(()),
            Owner::Unclaimed | Owner::Other(_) => Err(not_ours()),
        }
    }
}

fn not_ours() -> StoreError {
    StoreError("its sessions are not known to belong to this user database".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use clock::ManualClock;

    use super::super::tests::{alive, engine, lifetimes, login, presented};
    use super::*;
    use crate::store::conformance::logout;
    use crate::store::redis::server::fresh_database;
    use crate::{Binding, RedisStore, SeenAt, SessionStore};

    const OURS: Uuid = Uuid::from_u128(1);
    const THEIRS: Uuid = Uuid::from_u128(2);

    /// An engine for our users on a store that is ours; `None` where there is no Redis to be had.
    async fn shared() -> Option<(Sessions, ManualClock)> {
        let store = Arc::new(RedisStore::new(fresh_database().await?));
        assert_eq!(store.adopt(OURS).await.unwrap(), OURS);
        let clock = ManualClock::new();
        let time = Arc::new(clock.clone());
        Some((Sessions::new(store, time, lifetimes(), Binding::default()).owned_by(OURS), clock))
    }

    /// The same engine, where this happens to the store right before the next session is inserted.
    fn held_back<F>(sessions: &Sessions, meanwhile: fn(Sessions) -> F) -> Sessions
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (done, engine) = (AtomicBool::new(false), sessions.clone());
        sessions.clone().with_randomness(Arc::new(move |buffer: &mut [u8]| {
            if !done.swap(true, Ordering::SeqCst) {
                let meanwhile = meanwhile(engine.clone());
                tokio::task::block_in_place(|| {
                    tokio::runtime::Handle::current().block_on(meanwhile);
                });
            }
            super::super::system_randomness(buffer)
        }))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_held_back_while_the_store_was_given_away_is_undone() {
        let Some((sessions, _)) = shared().await else { return };
        let adopted = |sessions: Sessions| async move {
            sessions.end_everybody(None, &logout()).await.unwrap();
            sessions.store().reassign(THEIRS).await.unwrap();
            assert_eq!(sessions.end_everybody(None, &logout()).await.unwrap(), 0);
        };
        assert!(held_back(&sessions, adopted).issue(login("192.0.2.1")).await.is_err());
        assert_eq!(sessions.store().list(login("::1").subject.id).await.unwrap(), []);
        assert_eq!(sessions.owner().await.unwrap(), Owner::Other(THEIRS));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_mint_that_was_held_back_is_undone_too_and_what_is_ours_stays() {
        let Some((sessions, _)) = shared().await else { return };
        let maker = sessions.issue(login("192.0.2.1")).await.unwrap();
        let mint = async |sessions: &Sessions| {
            let mint = crate::Mint {
                kind: crate::Kind::Fixed,
                ttl: None,
                name: None,
                scopes: None,
                origin: crate::Origin::default(),
                request_id: None,
            };
            sessions.mint(&maker.session, presented(&maker.token), mint).await
        };
        mint(&sessions).await.unwrap();
        let given = |sessions: Sessions| async move {
            sessions.store().reassign(THEIRS).await.unwrap();
        };
        assert!(mint(&held_back(&sessions, given)).await.is_err());
        assert_eq!(sessions.store().list(maker.session.subject.id).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_look_counts_for_two_seconds_and_the_store_is_asked_after_them() {
        let Some((sessions, clock)) = shared().await else { return };
        let issued = sessions.issue(login("192.0.2.1")).await.unwrap();
        let ask = async || sessions.validate_one(presented(&issued.token), SeenAt::default()).await;
        sessions.store().reassign(THEIRS).await.unwrap();
        clock.advance(Duration::from_millis(1_999));
        assert!(ask().await.is_ok(), "nobody has looked since");
        clock.advance(Duration::from_millis(1));
        for _ in 0..2 {
            assert!(ask().await.is_err(), "an old look says nothing");
            assert!(
                sessions.rotate(presented(&issued.token), None, &SeenAt::default()).await.is_err()
            );
            assert!(sessions.issue(login("::1")).await.is_err());
        }
        sessions.store().reassign(OURS).await.unwrap();
        assert!(
            alive(&sessions, &issued.token).await.is_some(),
            "the first that finds it is let in"
        );
    }

    #[tokio::test]
    async fn an_answer_that_came_after_the_look_ran_out_is_not_passed_on() {
        let Some((sessions, clock)) = shared().await else { return };
        let issued = sessions.issue(login("192.0.2.1")).await.unwrap();
        sessions.store().reassign(THEIRS).await.unwrap();
        let used = sessions.validate_one(presented(&issued.token), SeenAt::default());
        // The use is on its way before the time passes.
        let pause = async { clock.advance(Duration::from_secs(2)) };
        let (used, ()) = tokio::join!(biased; used, pause);
        assert!(used.is_err(), "{used:?}");
    }

    #[tokio::test]
    async fn a_store_of_this_process_alone_is_always_ours() {
        let (sessions, clock) = engine(Binding::default());
        let sessions = sessions.owned_by(OURS);
        let issued = sessions.issue(login("192.0.2.1")).await.unwrap();
        clock.advance(Duration::from_secs(20));
        assert!(alive(&sessions, &issued.token).await.is_some());
        assert_eq!(sessions.owner().await.unwrap(), Owner::Us);
    }
}

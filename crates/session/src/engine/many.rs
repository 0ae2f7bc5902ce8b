//! Ending the sessions of many: of users who were changed, of all users, and whatever a filter means.

use uuid::Uuid;

use super::{ENDING_PASSES, Sessions};
use crate::{Cursor, Ending, EventContext, Page, SessionFilter, SessionId, StoreError};

impl Sessions {
    /// Ends sessions of many users; names those that were live. As [`Self::end_all`], it looks
    /// again.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store did not answer: some may live.
    pub async fn end_many(
        &self,
        endings: &[(Uuid, Ending)],
        context: &EventContext,
    ) -> Result<Vec<(Uuid, SessionId)>, StoreError> {
        let mut ended = self.store().remove_subjects(endings, context).await?;
        for _ in 0..ENDING_PASSES {
            let more = self.store().remove_subjects(endings, context).await?;
            if more.is_empty() {
                break;
            }
            ended.extend(more);
        }
        Ok(ended)
    }

    /// Ends every session of all subjects, except the one to keep; how many were live. It looks
    /// again until it finds none.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store did not answer: some may live.
    pub async fn end_everybody(
        &self,
        keep: Option<SessionId>,
        context: &EventContext,
    ) -> Result<u64, StoreError> {
        self.end_matching(&SessionFilter::default(), keep, context).await
    }

    /// Ends the sessions that are meant, except the one to keep; how many were live. It looks again
    /// until it finds none. What cannot be read is meant only where every session is.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store did not answer: some may live.
    ///
    /// # Cancel safety
    ///
    /// Cancelled, it has ended some of them.
    pub async fn end_matching(
        &self,
        filter: &SessionFilter,
        keep: Option<SessionId>,
        context: &EventContext,
    ) -> Result<u64, StoreError> {
        let mut ended = 0;
        for _ in 0..=ENDING_PASSES {
            let (found, live) = self.end_found_by_walk(filter, keep, context).await?;
            ended += live;
            if found == 0 {
                break;
            }
        }
        Ok(ended)
    }

    /// How many sessions [`end_matching`](Self::end_matching) would end now. Only looks.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store did not answer.
    pub async fn count_matching(
        &self,
        filter: &SessionFilter,
        keep: Option<SessionId>,
    ) -> Result<u64, StoreError> {
        let (mut count, mut next) = (0, Some(Cursor::START));
        while let Some(cursor) = next {
            let page = self.store().scan(cursor).await?;
            count += meant(&page, filter, keep).len() as u64;
            next = page.next;
            tokio::task::yield_now().await;
        }
        Ok(count)
    }

    /// How many there were, and how many of them lived until now.
    async fn end_found_by_walk(
        &self,
        filter: &SessionFilter,
        keep: Option<SessionId>,
        context: &EventContext,
    ) -> Result<(usize, u64), StoreError> {
        let (mut found, mut live, mut failed) = (0, 0, None);
        let mut next = Some(Cursor::START);
        while let Some(cursor) = next {
            let page = self.store().scan(cursor).await?;
            let ids = meant(&page, filter, keep);
            found += ids.len();
            for ended in self.store().remove_many(&ids, context).await {
                match ended {
                    Ok(was_live) => live += u64::from(was_live),
                    Err(error) => failed = Some(error),
                }
            }
            next = page.next;
            tokio::task::yield_now().await;
        }
        failed.map_or(Ok((found, live)), Err)
    }
}

/// Those of a page that are meant.
fn meant(page: &Page, filter: &SessionFilter, keep: Option<SessionId>) -> Vec<SessionId> {
    let sessions = page.sessions.iter().filter(|session| filter.matches(session));
    let unreadable = page.unreadable.iter().filter(|_| filter.is_empty());
    let ids = sessions.map(|session| session.id).chain(unreadable.copied());
    ids.filter(|id| Some(*id) != keep).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use clock::ManualClock;

    use super::*;
    use crate::store::conformance::{logout, someone};
    use crate::{
        Binding, Intent, Issued, Lifetimes, Login, MemoryStore, Origin, Presented, SeenAt, Token,
        Transport, Verdict,
    };

    const HOUR: Duration = Duration::from_hours(1);

    fn engine() -> Sessions {
        let clock = Arc::new(ManualClock::new());
        let lifetimes = Lifetimes {
            token: (HOUR, HOUR),
            cookie: (HOUR, HOUR),
            fixed_max: HOUR,
            single_use_max: HOUR,
            fresh_for: HOUR,
            max_per_subject: 0,
        };
        let store = Arc::new(MemoryStore::new(clock.clone()));
        Sessions::new(store, clock, lifetimes, Binding::default())
    }

    fn login() -> Login {
        Login {
            subject: someone(),
            role: 0,
            generation: 1,
            transport: Transport::Bearer,
            origin: Origin::default(),
            request_id: None,
        }
    }

    async fn open(sessions: &Sessions) -> Issued {
        sessions.issue(login()).await.unwrap()
    }

    fn presented(issued: &Issued, intent: Intent) -> Presented {
        let (id, digest) = Token::read(issued.token.expose()).unwrap();
        Presented { id, digest, intent }
    }

    #[tokio::test]
    async fn everybodys_sessions_end_but_the_one_to_keep() {
        let sessions = engine();
        let mut issued = Vec::new();
        for _ in 0..1_500 {
            issued.push(open(&sessions).await);
        }
        let spared = issued.pop().unwrap();
        assert_eq!(
            sessions.end_everybody(Some(spared.session.id), &logout()).await.unwrap(),
            1_499
        );
        assert_eq!(sessions.store().count().await.unwrap(), 1);
        let verdict = sessions.validate_one(presented(&spared, Intent::Look), SeenAt::default());
        assert!(matches!(verdict.await, Ok(Verdict::Alive(_))));
        assert_eq!(sessions.end_everybody(None, &logout()).await.unwrap(), 1);
        assert_eq!(sessions.end_everybody(None, &logout()).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn while_the_gate_is_closed_nothing_is_known_of_a_token_and_a_logout_is_final() {
        let sessions = engine();
        let (one, other) = (open(&sessions).await, open(&sessions).await);
        let handle = sessions.clone();
        handle.gate().close();
        for intent in [Intent::Use, Intent::Look] {
            let batch = [presented(&one, intent), presented(&other, intent)];
            let answers = sessions.validate(&batch, &[SeenAt::default(), SeenAt::default()]).await;
            assert!(answers.len() == 2 && answers.iter().all(Result::is_err), "{answers:?}");
        }
        let seen = SeenAt::default();
        assert!(sessions.rotate(presented(&one, Intent::Use), None, &seen).await.is_err());
        assert!(sessions.issue(login()).await.is_err(), "the store may be another database's");
        let ended = sessions.log_out(&[presented(&one, Intent::Use)], &logout()).await;
        assert!(matches!(ended[..], [Ok(Some(_))]), "{ended:?}");
        handle.gate().open();
        let verdict = async |issued: &Issued| {
            let presented = presented(issued, Intent::Use);
            sessions.validate_one(presented, SeenAt::default()).await.unwrap()
        };
        assert!(matches!(verdict(&one).await, Verdict::Dead(_)));
        let Verdict::Alive(session) = verdict(&other).await else { panic!("it lives") };
        assert_eq!(session.refresh_count, 1, "what was not answered was no use");
    }

    #[tokio::test]
    async fn what_is_meant_ends_and_nothing_else_and_a_count_ends_nothing() {
        let sessions = engine();
        let from = |ip: [u8; 4]| Login {
            origin: Origin { ip: Some(ip.into()), user_agent: None },
            ..login()
        };
        let mut meant = Vec::new();
        for _ in 0..700 {
            sessions.issue(from([192, 0, 2, 1])).await.unwrap();
            meant.push(sessions.issue(from([203, 0, 113, 9])).await.unwrap());
        }
        let network = Some("203.0.113.0/24".parse().unwrap());
        let filter = SessionFilter { network, ..SessionFilter::default() };
        let keep = Some(meant.pop().unwrap().session.id);
        assert_eq!(sessions.count_matching(&filter, keep).await.unwrap(), 699);
        assert_eq!(sessions.count_matching(&filter, None).await.unwrap(), 700);
        assert_eq!(sessions.store().count().await.unwrap(), 1_400);
        assert_eq!(sessions.end_matching(&filter, keep, &logout()).await.unwrap(), 699);
        assert_eq!(sessions.count_matching(&filter, None).await.unwrap(), 1);
        assert_eq!(sessions.store().count().await.unwrap(), 701);
        assert_eq!(sessions.end_matching(&filter, keep, &logout()).await.unwrap(), 0);
    }

    /// How many steps another task came to do while `work` went on, in a runtime of one thread. Both
    /// yield: whatever is done between two steps keeps the other waiting.
    async fn steps_beside<T>(work: impl Future<Output = T>) -> (T, u64) {
        let steps = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&steps);
        let other = async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        };
        let done = tokio::select! {
            biased;
            done = work => done,
            () = other => unreachable!("it has no end"),
        };
        (done, steps.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn others_have_their_turn_after_each_slice_of_a_walk() {
        const SESSIONS: u64 = 50_000;
        /// More than any slice has: a page and what its last shard has beyond it.
        const SLICE: u64 = 1_024;
        let sessions = engine();
        for _ in 0..SESSIONS {
            open(&sessions).await;
        }
        let filter = SessionFilter { role: Some("nobody's".into()), ..SessionFilter::default() };
        let all = SessionFilter::default();
        let (count, steps) = steps_beside(sessions.count_matching(&all, None)).await;
        assert!(count.unwrap() == SESSIONS && steps >= SESSIONS / SLICE, "{steps}");
        let (ended, steps) = steps_beside(sessions.end_matching(&filter, None, &logout())).await;
        assert!(ended.unwrap() == 0 && steps >= SESSIONS / SLICE, "{steps}");
        let (page, steps) = steps_beside(sessions.list_page(&filter, None, 50)).await;
        assert!(page.unwrap().next.is_none() && steps >= SESSIONS / SLICE, "{steps}");
        let (ended, steps) = steps_beside(sessions.end_matching(&all, None, &logout())).await;
        assert!(ended.unwrap() == SESSIONS && steps >= SESSIONS / 128, "{steps}");
    }
}

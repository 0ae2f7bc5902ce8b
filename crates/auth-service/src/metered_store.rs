//! A session store that measures the one behind it. It decides nothing.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clock::{Clock, Moment};
use futures_util::future::Either;
use prometheus_client::metrics::histogram::Histogram;
use session::{
    ClientDigest, Condition, Cursor, Ending, Event, EventContext, EventRead, Insertion, NewSession,
    Outcome, Outcomes, Page, Presented, ReadFrom, SecretDigest, Session, SessionId, SessionStore,
    StoreError, Swept, TouchContext, ValueChange, ValueWrite, Values,
};
use tokio::sync::watch;
use uuid::Uuid;

use crate::metrics::AuthMetrics;

/// The store behind, and a histogram for each of its operations.
pub(crate) struct MeteredStore {
    store: Arc<dyn SessionStore>,
    clock: Arc<dyn Clock>,
    insert: Histogram,
    touch: Histogram,
    rotate: Histogram,
    end_reused: Histogram,
    remove: Histogram,
    remove_subject: Histogram,
    remove_many: Histogram,
    remove_subjects: Histogram,
    scan: Histogram,
    list: Histogram,
    values: Histogram,
    write_value: Histogram,
    append_event: Histogram,
    read_events: Histogram,
}

impl MeteredStore {
    /// Measures `store` with `clock`.
    pub(crate) fn new(
        store: Arc<dyn SessionStore>,
        clock: Arc<dyn Clock>,
        metrics: &AuthMetrics,
    ) -> Self {
        let backend = store.backend();
        let of = |op| metrics.store_seconds(op, backend);
        Self {
            insert: of("insert"),
            touch: of("touch"),
            rotate: of("rotate"),
            end_reused: of("end_reused"),
            remove: of("remove"),
            remove_subject: of("remove_subject"),
            remove_many: of("remove_each"),
            remove_subjects: of("remove_subjects"),
            scan: of("scan"),
            list: of("list"),
            values: of("values"),
            write_value: of("write_value"),
            append_event: of("append_event"),
            read_events: of("read_events"),
            store,
            clock,
        }
    }

    fn observe(&self, histogram: &Histogram, since: Moment) {
        histogram.observe(self.clock.now().saturating_sub(since).as_secs_f64());
    }
}

#[async_trait]
impl SessionStore for MeteredStore {
    async fn insert(
        &self,
        new: &NewSession,
        cap: usize,
        context: &EventContext,
    ) -> Result<Insertion, StoreError> {
        let since = self.clock.now();
        let answer = self.store.insert(new, cap, context).await;
        self.observe(&self.insert, since);
        answer
    }

    fn touch<'a>(&'a self, batch: &'a [Presented], context: TouchContext<'a>) -> Outcomes<'a> {
        let since = self.clock.now();
        match self.store.touch(batch, context) {
            Either::Left(answered) => {
                self.observe(&self.touch, since);
                Either::Left(answered)
            }
            Either::Right(waiting) => Either::Right(Box::pin(async move {
                let answer = waiting.await;
                self.observe(&self.touch, since);
                answer
            })),
        }
    }

    async fn rotate(
        &self,
        presented: &Presented,
        digest: SecretDigest,
        role: Option<usize>,
        client: ClientDigest,
        context: &EventContext,
    ) -> Outcome {
        let since = self.clock.now();
        let answer = self.store.rotate(presented, digest, role, client, context).await;
        self.observe(&self.rotate, since);
        answer
    }

    async fn end_reused(
        &self,
        presented: &Presented,
        client: ClientDigest,
        grace: Duration,
        context: &EventContext,
    ) -> Result<Option<Session>, StoreError> {
        let since = self.clock.now();
        let answer = self.store.end_reused(presented, client, grace, context).await;
        self.observe(&self.end_reused, since);
        answer
    }

    async fn remove(&self, id: SessionId, context: &EventContext) -> Result<bool, StoreError> {
        let since = self.clock.now();
        let answer = self.store.remove(id, context).await;
        self.observe(&self.remove, since);
        answer
    }

    async fn remove_subject(
        &self,
        subject: Uuid,
        ending: Ending,
        context: &EventContext,
    ) -> Result<Vec<SessionId>, StoreError> {
        let since = self.clock.now();
        let answer = self.store.remove_subject(subject, ending, context).await;
        self.observe(&self.remove_subject, since);
        answer
    }

    async fn remove_many(
        &self,
        ids: &[SessionId],
        context: &EventContext,
    ) -> Vec<Result<bool, StoreError>> {
        let since = self.clock.now();
        let answer = self.store.remove_many(ids, context).await;
        self.observe(&self.remove_many, since);
        answer
    }

    async fn remove_subjects(
        &self,
        endings: &[(Uuid, Ending)],
        context: &EventContext,
    ) -> Result<Vec<(Uuid, SessionId)>, StoreError> {
        let since = self.clock.now();
        let answer = self.store.remove_subjects(endings, context).await;
        self.observe(&self.remove_subjects, since);
        answer
    }

    async fn scan(&self, cursor: Cursor) -> Result<Page, StoreError> {
        let since = self.clock.now();
        let answer = self.store.scan(cursor).await;
        self.observe(&self.scan, since);
        answer
    }

    async fn list(&self, subject: Uuid) -> Result<Vec<Session>, StoreError> {
        let since = self.clock.now();
        let answer = self.store.list(subject).await;
        self.observe(&self.list, since);
        answer
    }

    async fn values(&self, id: SessionId) -> Result<Option<Values>, StoreError> {
        let since = self.clock.now();
        let answer = self.store.values(id).await;
        self.observe(&self.values, since);
        answer
    }

    async fn write_value(
        &self,
        id: SessionId,
        key: &str,
        change: ValueChange,
        condition: Condition,
    ) -> Result<ValueWrite, StoreError> {
        let since = self.clock.now();
        let answer = self.store.write_value(id, key, change, condition).await;
        self.observe(&self.write_value, since);
        answer
    }

    async fn count(&self) -> Result<u64, StoreError> {
        self.store.count().await
    }

    async fn sweep(&self) -> Result<Swept, StoreError> {
        self.store.sweep().await
    }

    async fn append_event(&self, event: Event) -> Result<(), StoreError> {
        let since = self.clock.now();
        let answer = self.store.append_event(event).await;
        self.observe(&self.append_event, since);
        answer
    }

    async fn read_events(&self, from: ReadFrom<'_>, limit: usize) -> Result<EventRead, StoreError> {
        let since = self.clock.now();
        let answer = self.store.read_events(from, limit).await;
        self.observe(&self.read_events, since);
        answer
    }

    fn event_signal(&self) -> watch::Receiver<u64> {
        self.store.event_signal()
    }

    async fn look_for_events(&self) -> Result<(), StoreError> {
        self.store.look_for_events().await
    }

    fn read_own_events(&self, from: ReadFrom<'_>, limit: usize) -> EventRead {
        self.store.read_own_events(from, limit)
    }

    fn outlives_process(&self) -> bool {
        self.store.outlives_process()
    }

    fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    async fn identity(&self) -> Result<Option<Uuid>, StoreError> {
        self.store.identity().await
    }

    async fn adopt(&self, id: Uuid) -> Result<Uuid, StoreError> {
        self.store.adopt(id).await
    }

    async fn reassign(&self, id: Uuid) -> Result<(), StoreError> {
        self.store.reassign(id).await
    }

    async fn history(&self) -> Option<String> {
        self.store.history().await
    }

    async fn bookmark(&self) -> Result<Option<String>, StoreError> {
        self.store.bookmark().await
    }

    async fn set_bookmark(&self, text: &str) -> Result<(), StoreError> {
        self.store.set_bookmark(text).await
    }

    async fn checkpoint(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.store.checkpoint(name).await
    }

    async fn swap_checkpoint(
        &self,
        name: &str,
        before: Option<&str>,
        text: &str,
    ) -> Result<bool, StoreError> {
        self.store.swap_checkpoint(name, before, text).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.store.ping().await
    }

    fn backend(&self) -> &'static str {
        self.store.backend()
    }
}

//! The log's copy of the events: one line of the target `audit` for each that this process stored.

use std::sync::Arc;

use auth_api_types::Timestamp;
use server_runtime::telemetry;
use session::{Cause, Event, EventRead, EventUser, ReadFrom, SessionStore};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How many events are read at a time: whatever else the thread does waits for their lines.
const READ_AT_ONCE: usize = 64;

/// Whether an event is in the stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    Yes,
    No,
}

/// What writes the lines. One process has one.
pub(crate) struct AuditLog {
    store: Arc<dyn SessionStore>,
    signal: watch::Receiver<u64>,
    read: EventRead,
}

impl AuditLog {
    /// One that writes what this process stores from now on.
    pub(crate) fn new(store: Arc<dyn SessionStore>) -> Self {
        let signal = store.event_signal();
        let read = store.read_own_events(ReadFrom::Now, 0);
        Self { store, signal, read }
    }

    /// Writes them until cancelled, and what is stored by then.
    pub(crate) async fn run(self, cancel: CancellationToken) {
        let Self { store, mut signal, mut read } = self;
        loop {
            let next = match read {
                EventRead::Page(page) => {
                    if page.events.is_empty() {
                        let more = cancel.run_until_cancelled(signal.changed()).await;
                        if !matches!(more, Some(Ok(()))) {
                            break;
                        }
                    } else {
                        telemetry::wait_for_audit_room().await;
                        page.events.iter().for_each(|stored| write(&stored.event, Stored::Yes));
                        // Where many ended at once there is always a next page.
                        tokio::task::yield_now().await;
                    }
                    page.next
                }
                EventRead::Gone { oldest } => {
                    tracing::warn!(
                        "more events came at once than the audit log could take: it has a gap, \
                         `GET /events` has none"
                    );
                    oldest
                }
            };
            read = store.read_own_events(ReadFrom::After(&next), READ_AT_ONCE);
        }
    }
}

/// Writes the line. What there is nothing to say of does not stand in it.
pub(super) fn write(event: &Event, stored: Stored) {
    let (session, user, by) = (event.session.as_ref(), event.user.as_ref(), event.by.as_ref());
    let client = &event.client;
    let own = |user: &&EventUser| user.external.is_none();
    tracing::info!(
        target: "audit",
        event = event.kind.as_str(),
        cause = event.cause.map(Cause::as_str),
        // The store dates what it stores.
        at = (event.at_ms != 0).then(|| display(Timestamp::from_unix_ms(event.at_ms))),
        user_id = user.filter(own).and_then(|user| user.id).map(display),
        external_user_id = user.and_then(|user| user.external.as_ref()).map(display),
        username = user.map(|user| &*user.username),
        session_id = session.map(|session| display(session.id)),
        kind = session.map(|session| session.kind.as_str()),
        transport = session.map(|session| session.transport.as_str()),
        name = session.and_then(|session| session.name.as_deref()),
        by_user = by.filter(|by| by.external.is_none()).map(|by| display(by.user_id)),
        by_external_user = by.and_then(|by| by.external.as_ref()).map(display),
        by_session = by.map(|by| display(by.session_id)),
        ip = client.ip.map(display),
        user_agent = client.user_agent.as_deref().filter(|agent| !agent.is_empty()),
        request_id = client.request_id.as_deref(),
        stored = (stored == Stored::No).then_some(false),
    );
}

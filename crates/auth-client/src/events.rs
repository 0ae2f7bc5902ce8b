//! What happened to sessions and accounts, as a stream that goes on where it was.
//!
//! It is read page by page: a request waits at the auth service until there is something, and the next
//! one goes on behind what came. No more than one page is in memory.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use auth_api_types::{ErrorCode, EventList, EventView};
use http::{Method, StatusCode};
use serde::Deserialize;
use tokio::time::Instant;

use crate::transport::{Reply, Transport};
use crate::upstream::Upstream;
use crate::{AuthClient, AuthUnavailable, url_part};

/// How many events a page has at most: that many of the longest are well below the longest reply.
const PAGE: usize = 50;
/// How long a request waits at the auth service.
const WAIT: Duration = Duration::from_secs(25);
/// How long such a request may take in all: a service that is slower hangs.
const TIMEOUT: Duration = Duration::from_secs(35);
/// The first pause after a failure; each further one is twice as long.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A page without an event that comes sooner was not waited for: the service is about to stop.
const WAITED: Duration = Duration::from_secs(1);

/// Where a stream begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventsFrom {
    /// With what happens from now on.
    Now,
    /// With the oldest event that is stored.
    Oldest,
    /// Behind this position: that of the last event that was dealt with.
    After(String),
}

/// What a stream gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventItem {
    /// Something happened. Its `position` is where a later stream goes on.
    Event(Box<EventView<'static>>),
    /// Events were missed: they were dropped before they were read, or another history has begun.
    /// Whatever was kept of earlier events must be built anew now; then the stream goes on with the
    /// oldest event that is stored.
    Reset,
}

/// The auth service refused the stream, and would again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the auth service refused to show events: {detail}")]
pub struct EventsRefused {
    /// What it is for a program: `forbidden` where no key is set there, `invalid_request` for a type
    /// that it does not know.
    pub code: ErrorCode,
    /// Why, in a sentence.
    pub detail: String,
}

/// What happens, in its order. It ends by being dropped.
#[derive(Debug)]
pub struct EventStream {
    client: AuthClient,
    types: Option<String>,
    from: EventsFrom,
    /// What was read and not given yet.
    read: VecDeque<EventView<'static>>,
    /// Where to go on once all of that was given.
    next: Option<String>,
    failures: u32,
}

impl AuthClient {
    /// The events of the auth service from there on. Nothing is sent before
    /// [`EventStream::next`]. Needs the key of the internal listener.
    pub fn events(&self, from: EventsFrom) -> EventStream {
        let (client, read) = (self.clone(), VecDeque::new());
        EventStream { client, types: None, from, read, next: None, failures: 0 }
    }
}

impl EventStream {
    /// The same, of these types only, as `session.ended,login.*`.
    #[must_use]
    pub fn of_types(self, types: &str) -> Self {
        Self { types: Some(types.to_owned()), ..self }
    }

    /// Where a stream begins that gives what this one has not given yet.
    pub const fn position(&self) -> &EventsFrom {
        &self.from
    }

    /// The next event, once there is one. A service that is out of reach, or does not accept the key, is
    /// asked again and again, after pauses of 0.1 to 10 seconds; the log says so once.
    ///
    /// With [`EventsFrom::Now`], "now" is when the first request is answered.
    ///
    /// # Errors
    ///
    /// [`EventsRefused`], also when called again.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has given nothing and lost nothing: the next one goes on there.
    pub async fn next(&mut self) -> Result<EventItem, EventsRefused> {
        loop {
            if let Some(event) = self.read.pop_front() {
                self.from = EventsFrom::After(event.position.clone().into_owned());
                return Ok(EventItem::Event(Box::new(event)));
            }
            if let Some(next) = self.next.take() {
                self.from = EventsFrom::After(next);
            }
            let requested = Instant::now();
            match self.read_page().await {
                Ok(Page::Events(list)) => {
                    self.note_success();
                    let is_cut_short = list.events.is_empty()
                        && self.from != EventsFrom::Now
                        && requested.elapsed() < WAITED;
                    self.next = Some(list.next.into_owned());
                    self.read = list.events.into();
                    if is_cut_short {
                        tokio::time::sleep(SHORTEST_PAUSE).await;
                    }
                }
                Ok(Page::Gone) => {
                    self.note_success();
                    self.from = EventsFrom::Oldest;
                    return Ok(EventItem::Reset);
                }
                Ok(Page::Refused { code, detail }) => return Err(EventsRefused { code, detail }),
                Err(why) => self.pause(why).await,
            }
        }
    }

    async fn read_page(&self) -> Result<Page, AuthUnavailable> {
        let mut target = format!("/events?limit={PAGE}");
        match &self.from {
            // Not waited for, so that it is known at once what "now" is.
            EventsFrom::Now => {}
            EventsFrom::Oldest => target.push_str("&after=0"),
            EventsFrom::After(position) => {
                // Writing to a String does not fail.
                let (position, wait) = (url_part::encoded(position), WAIT.as_secs());
                let _ = write!(target, "&after={position}&wait={wait}s");
            }
        }
        if let Some(types) = &self.types {
            let _ = write!(target, "&types={}", url_part::encoded(types));
        }
        let request = |transport: &Transport, upstream: &Upstream| {
            transport.own(Method::GET, upstream.at(&target))
        };
        self.client.exchange_patiently(TIMEOUT, request, Page::read).await
    }

    fn note_success(&mut self) {
        if self.failures > 0 {
            tracing::info!("events are read again");
        }
        self.failures = 0;
    }

    async fn pause(&mut self, why: AuthUnavailable) {
        if self.failures == 0 {
            tracing::warn!(why = why.as_str(), "events cannot be read; trying again");
        }
        let pause = SHORTEST_PAUSE.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
    }
}

/// A clear reply.
enum Page {
    Events(EventList<'static>),
    /// The position is of another history, or followed by what is no longer stored.
    Gone,
    Refused {
        code: ErrorCode,
        detail: String,
    },
}

impl Page {
    fn read(reply: &Reply) -> Option<Self> {
        #[derive(Deserialize)]
        struct RefusalBody {
            code: ErrorCode,
            detail: String,
        }
        match reply.status {
            StatusCode::OK => {
                let list = serde_json::from_slice(reply.json()?).ok()?;
                Some(Self::Events(list))
            }
            StatusCode::GONE => Some(Self::Gone),
            // A key that is wrong may be replaced.
            status if !status.is_client_error() || status == StatusCode::UNAUTHORIZED => None,
            status => {
                let problem = reply.body_of(status, "application/problem+json")?;
                let RefusalBody { code, detail } = serde_json::from_slice(problem).ok()?;
                Some(Self::Refused { code, detail })
            }
        }
    }
}

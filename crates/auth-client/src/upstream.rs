//! One auth service as the client sees it: where it is, how busy, and whether it answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};

use auth_api_types::paths::{SESSION_DATA, VALIDATE_TOKEN};
use clock::{Clock, Moment};
use parking_lot::Mutex;
use reqwest::Url;
use tokio::task::JoinHandle;

use crate::SetupError;
use crate::breaker::{Breaker, Epoch};
use crate::lane::{self, Lane};
use crate::options::is_base_url;
use crate::queue::turn_away;

/// One URL.
pub(crate) struct Upstream {
    /// Where questions go.
    pub(crate) validate: Url,
    /// How it is called in logs and metrics.
    pub(crate) name: String,
    clock: Arc<dyn Clock>,
    lanes: Box<[Arc<Lane>]>,
    in_flight: AtomicUsize,
    answered: AtomicU64,
    /// Whether its last answer said that it goes away. While it does, others are preferred.
    leaving: AtomicBool,
    /// Whether there are no others.
    alone: bool,
    /// The last status that the log told of; 0 for none.
    told: AtomicU16,
    breaker: Mutex<Breaker>,
    probe: Mutex<Option<JoinHandle<()>>>,
}

impl Upstream {
    pub(crate) fn new(
        base: &Url,
        alone: bool,
        lanes: usize,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        // Whatever else the URL holds stays out of the message: it may be a password.
        let name = format!(
            "{}://{}{}",
            base.scheme(),
            base.host_str().unwrap_or_default(),
            base.port().map(|port| format!(":{port}")).unwrap_or_default()
        );
        if !is_base_url(base) {
            return Err(SetupError::BadUrl(name));
        }
        let mut validate = base.clone();
        let prefix = base.path().trim_end_matches('/');
        validate.set_path(&format!("{prefix}{VALIDATE_TOKEN}"));
        Ok(Self {
            validate,
            name,
            clock,
            lanes: (0..lanes.max(1)).map(|_| Arc::new(Lane::new())).collect(),
            in_flight: AtomicUsize::new(0),
            answered: AtomicU64::new(0),
            leaving: AtomicBool::new(false),
            alone,
            told: AtomicU16::new(0),
            breaker: Mutex::default(),
            probe: Mutex::default(),
        })
    }

    /// Where the value under this key is kept, in the session of the token that goes with it.
    pub(crate) fn value(&self, key: &str) -> Url {
        let mut url = self.validate.clone();
        let path = url.path().strip_suffix(VALIDATE_TOKEN).unwrap_or_default();
        let path = format!("{path}{SESSION_DATA}/{key}");
        url.set_path(&path);
        url
    }

    /// How many questions wait or are under way.
    pub(crate) fn load(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.admit().is_some()
    }

    /// Lets a call leave, unless the URL is left out.
    pub(crate) fn admit(&self) -> Option<Epoch> {
        self.breaker.lock().admit()
    }

    /// Counts a question as under way until the lease is dropped; `None` while the URL is left
    /// out.
    pub(crate) fn lease(self: &Arc<Self>) -> Option<Lease> {
        let epoch = self.admit()?;
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Some(Lease {
            upstream: Arc::clone(self),
            epoch,
            answered: self.answered.load(Ordering::Relaxed),
        })
    }

    /// It answered.
    pub(crate) fn succeeded(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        let closed = self.breaker.lock().succeeded(self.now());
        if let Some(after) = closed {
            self.told.store(0, Ordering::Relaxed);
            tracing::info!(upstream = self.name, after_ms = as_ms(after), "auth service is back");
        }
    }

    /// Whether it has said that it goes away, and has not answered otherwise since.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// It answered, and said whether that was the last answer on the connection. Whether it says so
    /// for the first time.
    pub(crate) fn begins_to_leave(&self, last: bool) -> bool {
        // Most of the time nothing changes, and nothing is written.
        self.leaving.load(Ordering::Relaxed) != last
            && self.leaving.swap(last, Ordering::Relaxed) != last
            && last
    }

    /// It refused a call with this status. Whether the log has not told of it since it last came
    /// back: where only some calls are refused, each of them is no news.
    pub(crate) fn is_news(&self, status: u16) -> bool {
        self.told.swap(status, Ordering::Relaxed) != status
    }

    /// It did not answer. Says whether that was once too often.
    pub(crate) fn failed(&self, epoch: Epoch, why: &'static str) -> bool {
        let now = self.now();
        let opened = self.breaker.lock().failed(epoch, now);
        if opened {
            tracing::warn!(upstream = self.name, why, "auth service left out");
        }
        opened
    }

    /// The lane that this thread asks by.
    pub(crate) fn lane(&self) -> &Arc<Lane> {
        &self.lanes[lane::of_this_thread(self.lanes.len())]
    }

    /// Sends everybody who waits elsewhere: nothing of their questions has left.
    pub(crate) fn turn_all_away(&self) {
        for lane in &self.lanes {
            let waiting = lane.queue.lock().empty();
            turn_away(waiting);
        }
    }

    /// Whether callers may all go elsewhere, so that nobody hears when it answers as it should.
    pub(crate) fn is_avoided(&self) -> bool {
        !self.is_closed() || (self.is_leaving() && !self.alone)
    }

    /// Runs the probe that `start` spawns, unless one is running or the URL is not avoided.
    pub(crate) fn probe_with(&self, start: impl FnOnce() -> JoinHandle<()>) {
        let mut probe = self.probe.lock();
        let running = probe.as_ref().is_some_and(|task| !task.is_finished());
        if !running && self.is_avoided() {
            *probe = Some(start());
        }
    }

    /// Ends all tasks, for when nobody will ask again.
    pub(crate) fn stop(&self) {
        for lane in &self.lanes {
            lane.stop();
        }
        if let Some(task) = self.probe.lock().take() {
            task.abort();
        }
    }

    fn now(&self) -> Moment {
        self.clock.now()
    }
}

/// A question under way. A caller that goes away drops it, which counts neither way.
pub(crate) struct Lease {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) epoch: Epoch,
    answered: u64,
}

impl Lease {
    /// Whether the service has answered anybody since the question was under way.
    pub(crate) fn others_were_answered(&self) -> bool {
        self.upstream.answered.load(Ordering::Relaxed) != self.answered
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.upstream.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

fn as_ms(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(url: &str) -> Result<Upstream, SetupError> {
        Upstream::new(&url.parse().unwrap(), true, 1, Arc::new(clock::ManualClock::new()))
    }

    #[test]
    fn a_base_url_may_have_a_path() {
        for (base, asks) in [
            ("http://10.0.0.1:8081", "http://10.0.0.1:8081/validateToken"),
            ("https://gate/auth/", "https://gate/auth/validateToken"),
        ] {
            assert_eq!(upstream(base).ok().map(|u| u.validate.to_string()).unwrap(), asks);
        }
    }

    #[test]
    fn values_stand_beside_the_validation() {
        let value = |base| upstream(base).ok().unwrap().value("notes").to_string();
        assert_eq!(value("http://h:1"), "http://h:1/session/data/notes");
        assert_eq!(value("http://h/auth/"), "http://h/auth/session/data/notes");
    }

    #[test]
    fn a_url_with_more_than_a_place_is_refused_without_showing_it() {
        for bad in ["http://u:secret@h/", "http://h/?secret", "http://h/#secret", "ftp://h/secret"]
        {
            let error = upstream(bad).err().unwrap().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_refusal_is_news_once_until_it_comes_after_a_recovery() {
        let upstream = upstream("http://h:1").ok().unwrap();
        assert!(upstream.is_news(401) && !upstream.is_news(401));
        upstream.succeeded();
        assert!(!upstream.is_news(401), "some calls are refused, and others not");
        let epoch = upstream.admit().unwrap();
        while !upstream.failed(epoch, "unclear") {}
        assert!(!upstream.is_news(401));
        upstream.succeeded();
        assert!(upstream.is_news(401));
    }

    #[test]
    fn one_that_goes_away_is_avoided_where_there_are_others_and_asked_where_there_are_none() {
        for alone in [false, true] {
            let clock = Arc::new(clock::ManualClock::new());
            let upstream = Upstream::new(&"http://h:1".parse().unwrap(), alone, 1, clock).unwrap();
            assert!(!upstream.is_avoided());
            upstream.begins_to_leave(true);
            assert_eq!(upstream.is_avoided(), !alone);
        }
    }
}

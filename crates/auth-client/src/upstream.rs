//! One auth service as the client sees it: where it is, how busy, and whether it answers.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use auth_api_types::paths::{SESSION_DATA, VALIDATE_TOKEN};
use batching::Batcher;
use clock::{Clock, Moment};
use parking_lot::Mutex;
use reqwest::Url;
use tokio::task::JoinHandle;

use crate::breaker::{Breaker, Epoch};
use crate::dispatch::{Dispatch, Outcome};
use crate::key_ring::AcceptedKey;
use crate::message::Message;
use crate::options::is_base_url;
use crate::{AuthUnavailable, SetupError, shard};

/// What is known of the packed form at a URL.
const UNKNOWN: u8 = 0;
const KNOWN: u8 = 1;
/// Something on the way refuses it.
const STOPPED: u8 = 2;

/// One URL.
pub(crate) struct Upstream {
    /// Where questions are sent.
    pub(crate) validate: Url,
    /// Its name in logs and metrics.
    pub(crate) name: String,
    clock: Arc<dyn Clock>,
    /// One a shard; none where each question is sent alone.
    batchers: Box<[Batcher<Message, Outcome>]>,
    in_flight: AtomicUsize,
    answered: AtomicU64,
    /// Whether its last reply carried `Connection: close`. While it does, others are preferred.
    draining: AtomicBool,
    /// Whether there are no others.
    alone: bool,
    /// The last status that was logged; 0 for none.
    logged_status: AtomicU16,
    /// Whether validations are packed: one of the above.
    packed: AtomicU8,
    breaker: Breaker,
    accepted_key: AcceptedKey,
    probing: AtomicBool,
    probe: Mutex<Option<JoinHandle<()>>>,
}

impl Upstream {
    pub(crate) fn new(
        base: &Url,
        alone: bool,
        clock: Arc<dyn Clock>,
        dispatch: &Arc<Dispatch>,
    ) -> Result<Arc<Self>, SetupError> {
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
        Ok(Arc::new_cyclic(|upstream: &Weak<Self>| Self {
            validate,
            name,
            clock,
            batchers: dispatch.batchers(upstream),
            in_flight: AtomicUsize::new(0),
            answered: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            alone,
            logged_status: AtomicU16::new(0),
            packed: AtomicU8::new(UNKNOWN),
            breaker: Breaker::default(),
            accepted_key: AcceptedKey::default(),
            probing: AtomicBool::new(false),
            probe: Mutex::default(),
        }))
    }

    /// The URL of the value under this key, in the session of the token that is sent with it.
    pub(crate) fn value(&self, key: &str) -> Url {
        let mut url = self.validate.clone();
        let path = url.path().strip_suffix(VALIDATE_TOKEN).unwrap_or_default();
        let path = format!("{path}{SESSION_DATA}/{key}");
        url.set_path(&path);
        url
    }

    /// What is at this path and query of it.
    pub(crate) fn at(&self, target: &str) -> Url {
        let mut url = self.validate.clone();
        let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
        let prefix = url.path().strip_suffix(VALIDATE_TOKEN).unwrap_or_default().to_owned();
        url.set_path(&format!("{prefix}{path}"));
        url.set_query(query);
        url
    }

    /// How many questions wait or are in flight.
    pub(crate) fn load(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Admits a question, unless the breaker is open.
    pub(crate) fn admit(&self) -> Option<Epoch> {
        self.breaker.admit()
    }

    /// Counts a question that was admitted in `epoch` as in flight until the lease is dropped.
    pub(crate) fn lease(self: &Arc<Self>, epoch: Epoch) -> Lease {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let answered = self.answered.load(Ordering::Relaxed);
        Lease { upstream: Arc::clone(self), epoch, answered }
    }

    /// The batcher of this thread's shard; none where each question is sent alone.
    pub(crate) fn batcher(&self) -> Option<&Batcher<Message, Outcome>> {
        match self.batchers.len() {
            0 => None,
            shards => self.batchers.get(shard::of_this_thread(shards)),
        }
    }

    /// Records a reply.
    pub(crate) fn record_success(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        if let Some(after) = self.breaker.record_success(self.now()) {
            self.logged_status.store(0, Ordering::Relaxed);
            let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(upstream = self.name, after_ms, "circuit breaker closed");
        }
    }

    /// Records a failure. Returns whether that opened the breaker.
    pub(crate) fn record_failure(&self, epoch: Epoch, why: &'static str) -> bool {
        let opened = self.breaker.record_failure(epoch, self.now());
        if opened {
            tracing::warn!(upstream = self.name, why, "circuit breaker opened");
        }
        opened
    }

    /// Whether it knows the packed form of validations, as far as this thread knows.
    pub(crate) fn speaks_packed(&self) -> bool {
        self.packed.load(Ordering::Relaxed) == KNOWN
    }

    /// Records that it has answered in the packed form.
    pub(crate) fn record_packed_known(&self) {
        self.replace_packed(UNKNOWN, KNOWN);
    }

    /// Records that it does not know the packed form, or no longer: it gets JSON until it answers packed.
    pub(crate) fn record_packed_refused(&self) {
        self.replace_packed(KNOWN, UNKNOWN);
    }

    /// Records that something on the way to it refuses the packed form: it gets JSON from now on.
    pub(crate) fn record_packed_stopped(&self, status: u16) {
        if self.replace_packed(KNOWN, STOPPED) {
            tracing::warn!(
                upstream = self.name,
                "a packed validation was answered {status} on its way to the auth service; they are sent \
                 as JSON until the next start: let application/vnd.reinflate.validation through"
            );
        }
    }

    fn replace_packed(&self, from: u8, to: u8) -> bool {
        self.packed.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Whether its last reply said that it is draining.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Records whether a reply carried `Connection: close`. Returns whether it is the first such
    /// reply in a row.
    pub(crate) fn set_draining(&self, is_draining: bool) -> bool {
        // Most of the time nothing changes, and nothing is written.
        self.draining.load(Ordering::Relaxed) != is_draining
            && self.draining.swap(is_draining, Ordering::Relaxed) != is_draining
            && is_draining
    }

    /// Whether no refusal with this status was logged since the breaker last closed. Records it as
    /// logged: where only some requests are refused, one line says it.
    pub(crate) fn is_unlogged(&self, status: u16) -> bool {
        self.logged_status.swap(status, Ordering::Relaxed) != status
    }

    /// The order in which so many keys are shown, by their indices.
    pub(crate) fn key_order(&self, count: usize) -> impl Iterator<Item = usize> + use<> {
        self.accepted_key.order(count, self.now())
    }

    /// Records that it did not refuse the key of this index.
    pub(crate) fn record_accepted_key(&self, index: usize) {
        if self.accepted_key.record(index, self.now()) {
            tracing::info!(upstream = self.name, key = index + 1, "another key is accepted");
        }
    }

    /// Fails all waiting questions with `BreakerOpen`, so that their callers try other URLs: none of
    /// them was sent.
    pub(crate) fn fail_waiting(&self) {
        for batcher in &self.batchers {
            batcher.respond_to_waiting(|| Err(AuthUnavailable::BreakerOpen));
        }
    }

    /// Whether callers may all use other URLs, so that none of them notices when it recovers.
    pub(crate) fn needs_probe(&self) -> bool {
        self.admit().is_none() || (self.is_draining() && !self.alone)
    }

    /// Whether a probe is running, as far as this thread knows.
    pub(crate) fn is_probed(&self) -> bool {
        self.probing.load(Ordering::Relaxed)
    }

    /// The right to probe, where a probe is needed and none is running.
    pub(crate) fn claim_probe(self: &Arc<Self>) -> Option<ProbeRunning> {
        // The claim and its release are atomic swaps: either the caller finds no probe running and
        // starts one, or the ending probe sees that another is needed.
        let claimed = self.needs_probe() && !self.probing.swap(true, Ordering::AcqRel);
        claimed.then(|| ProbeRunning(Arc::clone(self)))
    }

    /// Runs the probe that `start` spawns, unless one is running or none is needed.
    pub(crate) fn probe_with(self: &Arc<Self>, start: impl FnOnce(ProbeRunning) -> JoinHandle<()>) {
        if let Some(running) = self.claim_probe() {
            *self.probe.lock() = Some(start(running));
        }
    }

    /// Aborts all tasks, for when the client is dropped.
    pub(crate) fn stop(&self) {
        self.batchers.iter().for_each(Batcher::stop);
        if let Some(task) = self.probe.lock().take() {
            task.abort();
        }
    }

    fn now(&self) -> Moment {
        self.clock.now()
    }
}

/// A question in flight. A caller that is cancelled drops it, which counts neither as a success nor
/// as a failure.
pub(crate) struct Lease {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) epoch: Epoch,
    answered: u64,
}

impl Lease {
    /// Whether the service has answered any question since this one was admitted.
    pub(crate) fn has_answered_others(&self) -> bool {
        self.upstream.answered.load(Ordering::Relaxed) != self.answered
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.upstream.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right to probe one URL, until this is dropped: with its probe, however that ends.
pub(crate) struct ProbeRunning(Arc<Upstream>);

impl Drop for ProbeRunning {
    fn drop(&mut self) {
        self.0.probing.swap(false, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AuthClientOptions;

    fn upstream_among(alone: bool, url: &str) -> Result<Arc<Upstream>, SetupError> {
        let dispatch = Arc::new(Dispatch::new(&AuthClientOptions::new(Vec::new()))?);
        let clock = Arc::new(clock::ManualClock::new());
        Upstream::new(&url.parse().unwrap(), alone, clock, &dispatch)
    }

    fn upstream(url: &str) -> Result<Arc<Upstream>, SetupError> {
        upstream_among(true, url)
    }

    #[test]
    fn a_base_url_may_have_a_path() {
        for (base, validate) in [
            ("http://10.0.0.1:8081", "http://10.0.0.1:8081/validateToken"),
            ("https://gate/auth/", "https://gate/auth/validateToken"),
        ] {
            assert_eq!(upstream(base).ok().map(|u| u.validate.to_string()).unwrap(), validate);
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
        assert!(upstream.is_unlogged(401) && !upstream.is_unlogged(401));
        upstream.record_success();
        assert!(!upstream.is_unlogged(401), "some requests are refused, and others not");
        let epoch = upstream.admit().unwrap();
        while !upstream.record_failure(epoch, "unclear") {}
        assert!(!upstream.is_unlogged(401));
        upstream.record_success();
        assert!(upstream.is_unlogged(401));
    }

    #[test]
    fn the_packed_form_is_spoken_once_it_is_known_and_never_again_once_it_is_stopped() {
        let upstream = upstream("http://h:1").ok().unwrap();
        assert!(!upstream.speaks_packed());
        for _ in 0..2 {
            upstream.record_packed_known();
            assert!(upstream.speaks_packed());
            upstream.record_packed_refused();
            assert!(!upstream.speaks_packed());
        }
        upstream.record_packed_known();
        upstream.record_packed_stopped(403);
        upstream.record_packed_known();
        assert!(!upstream.speaks_packed());
    }

    #[test]
    fn one_that_is_draining_is_avoided_where_there_are_others_and_asked_where_there_are_none() {
        for alone in [false, true] {
            let upstream = upstream_among(alone, "http://h:1").ok().unwrap();
            assert!(!upstream.needs_probe());
            upstream.set_draining(true);
            assert_eq!(upstream.needs_probe(), !alone);
        }
    }

    #[test]
    fn one_probe_runs_at_a_time_and_none_where_the_url_is_not_avoided() {
        let upstream = upstream_among(false, "http://h:1").ok().unwrap();
        assert!(upstream.claim_probe().is_none());
        upstream.set_draining(true);
        let running = upstream.claim_probe().unwrap();
        assert!(upstream.claim_probe().is_none() && upstream.is_probed());
        drop(running);
        assert!(!upstream.is_probed() && upstream.claim_probe().is_some());
    }
}

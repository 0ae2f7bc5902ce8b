//! One auth service as the client sees it: where it is, how busy, and whether it answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clock::{Clock, Moment};
use parking_lot::Mutex;
use reqwest::Url;
use tokio::task::JoinHandle;

use crate::SetupError;
use crate::breaker::{Breaker, Epoch};
use crate::options::is_base_url;

/// One URL.
pub(crate) struct Upstream {
    /// Where questions go.
    pub(crate) validate: Url,
    /// How it is called in logs and metrics.
    pub(crate) name: String,
    clock: Arc<dyn Clock>,
    in_flight: AtomicUsize,
    breaker: Mutex<Breaker>,
    probe: Mutex<Option<JoinHandle<()>>>,
}

impl Upstream {
    pub(crate) fn new(base: &Url, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        // Whatever else the URL holds stays out of the message: it may be a password.
        let name = format!(
            "{}://{}{}",
            base.scheme(),
            base.host_str().unwrap_or_default(),
            base.port()
                .map(|port| format!(":{port}"))
                .unwrap_or_default()
        );
        if !is_base_url(base) {
            return Err(SetupError::BadUrl(name));
        }
        let mut validate = base.clone();
        let prefix = base.path().trim_end_matches('/');
        validate.set_path(&format!(
            "{prefix}{}",
            auth_api_types::paths::VALIDATE_TOKEN
        ));
        Ok(Self {
            validate,
            name,
            clock,
            in_flight: AtomicUsize::new(0),
            breaker: Mutex::default(),
            probe: Mutex::default(),
        })
    }

    /// How many calls are under way.
    pub(crate) fn load(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.breaker.lock().admit().is_some()
    }

    /// Counts a call as under way until the lease is dropped; `None` while the URL is left out.
    pub(crate) fn lease(self: &Arc<Self>) -> Option<Lease> {
        let epoch = self.breaker.lock().admit()?;
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Some(Lease {
            upstream: Arc::clone(self),
            epoch,
        })
    }

    /// It answered.
    pub(crate) fn succeeded(&self) {
        let closed = self.breaker.lock().succeeded(self.now());
        if let Some(after) = closed {
            tracing::info!(
                upstream = self.name,
                after_ms = as_ms(after),
                "auth service is back"
            );
        }
    }

    /// Runs the probe that `start` spawns, unless one is running or the URL is not left out.
    pub(crate) fn probe_with(&self, start: impl FnOnce() -> JoinHandle<()>) {
        let mut probe = self.probe.lock();
        let running = probe.as_ref().is_some_and(|task| !task.is_finished());
        if !running && !self.is_closed() {
            *probe = Some(start());
        }
    }

    /// Ends the probe, for when nobody will ask again.
    pub(crate) fn stop_probing(&self) {
        if let Some(task) = self.probe.lock().take() {
            task.abort();
        }
    }

    fn now(&self) -> Moment {
        self.clock.now()
    }
}

/// A call under way. A caller that goes away drops it, which counts neither way.
pub(crate) struct Lease {
    pub(crate) upstream: Arc<Upstream>,
    epoch: Epoch,
}

impl Lease {
    /// The call failed. Says whether that was one too many.
    pub(crate) fn failed(&self, why: &'static str) -> bool {
        let now = self.upstream.now();
        let opened = self.upstream.breaker.lock().failed(self.epoch, now);
        if opened {
            tracing::warn!(upstream = self.upstream.name, why, "auth service left out");
        }
        opened
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
        Upstream::new(&url.parse().unwrap(), Arc::new(clock::ManualClock::new()))
    }

    #[test]
    fn a_base_url_may_have_a_path() {
        for (base, asks) in [
            ("http://10.0.0.1:8081", "http://10.0.0.1:8081/validateToken"),
            ("https://gate/auth/", "https://gate/auth/validateToken"),
        ] {
            assert_eq!(
                upstream(base).ok().map(|u| u.validate.to_string()).unwrap(),
                asks
            );
        }
    }

    #[test]
    fn a_url_with_more_than_a_place_is_refused_without_showing_it() {
        for bad in [
            "http://u:secret@h/",
            "http://h/?secret",
            "http://h/#secret",
            "ftp://h/secret",
        ] {
            let error = upstream(bad).err().unwrap().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}

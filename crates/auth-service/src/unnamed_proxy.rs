//! Signs of a proxy that the settings do not name. All who come through it are one client then, and
//! share that one's limits: the operator is warned once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::HeaderName;
use parking_lot::Mutex;

/// So many failed logins are looked at; fewer than one address may have in a row.
const WINDOW: u32 = 50;
/// So many of them are nearly all.
const NEARLY_ALL: u32 = 45;

/// What was seen so far, and whether it was logged.
#[derive(Debug, Default)]
pub(crate) struct UnnamedProxy {
    header_logged: AtomicBool,
    failures_logged: AtomicBool,
    failures: Mutex<HashMap<IpAddr, u32>>,
}

impl UnnamedProxy {
    /// A client's address came in a header from somebody who is not believed.
    pub(crate) fn note_header(&self, peer: IpAddr, header: &HeaderName) {
        if !self.header_logged.load(Ordering::Relaxed)
            && !self.header_logged.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(%peer, %header,
                "a client's address came from a peer that AUTH_TRUSTED_PROXIES does not name: it is \
                 not believed, and all who come through that peer share one client's limits");
        }
    }

    /// A login failed, and no proxy is believed.
    pub(crate) fn note_failure(&self, ip: IpAddr) {
        if self.failures_logged.load(Ordering::Relaxed) {
            return;
        }
        if let Some((peer, count)) = self.one_peer(ip)
            && !self.failures_logged.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(%peer, count, of = WINDOW,
                "nearly all failed logins come from one peer: if it is a proxy, its clients share one \
                 address's limits until AUTH_TRUSTED_PROXIES names it");
        }
    }

    /// Counts one more, and says at the end of each window who had nearly all of them.
    fn one_peer(&self, ip: IpAddr) -> Option<(IpAddr, u32)> {
        let mut failures = self.failures.lock();
        *failures.entry(ip).or_default() += 1;
        if failures.values().sum::<u32>() < WINDOW {
            return None;
        }
        let most = failures.drain().max_by_key(|(_, count)| *count);
        most.filter(|(_, count)| *count >= NEARLY_ALL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(ips: impl Iterator<Item = u8>) -> Option<(IpAddr, u32)> {
        let seen = UnnamedProxy::default();
        ips.map(|last| seen.one_peer(IpAddr::from([192, 0, 2, last]))).fold(None, Option::or)
    }

    #[test]
    fn nearly_all_failures_from_one_peer_are_noticed_and_a_crowd_is_not() {
        let peer = IpAddr::from([192, 0, 2, 7]);
        assert_eq!(after((0..50).map(|_| 7)), Some((peer, 50)));
        assert_eq!(after((0..50).map(|n| if n % 10 == 0 { n } else { 7 })), Some((peer, 45)));
        assert_eq!(after((0..50).map(|n| if n % 8 == 0 { 100 + n } else { 7 })), None);
        assert_eq!(after((0..49).map(|_| 7)), None);
        assert_eq!(after(0..=255), None);
    }

    #[test]
    fn what_is_counted_is_forgotten_with_each_window() {
        let seen = UnnamedProxy::default();
        for n in 0..49_u8 {
            seen.one_peer(IpAddr::from([192, 0, 2, n]));
        }
        assert_eq!(seen.failures.lock().len(), 49);
        seen.one_peer(IpAddr::from([192, 0, 2, 200]));
        assert!(seen.failures.lock().is_empty());
    }
}

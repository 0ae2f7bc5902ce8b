//! The keys of the internal listener. Any of several is accepted, so that one takes the place of
//! another while some still show the old one.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use clock::Clock;
use parking_lot::RwLock;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use server_runtime::settings::list;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use zeroize::Zeroizing;

/// A key that is shorter, in characters, can be guessed.
const SHORT: usize = 16;

/// Keys as they were configured, at least one; never shown.
#[derive(Clone)]
pub struct InternalKeys(Vec<Zeroizing<String>>);

impl InternalKeys {
    /// Reads keys separated by commas, of which blanks around them are no part. Each is printable
    /// ASCII without spaces, and none is empty.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let key = |key: &str| {
            let fits = key.bytes().all(|byte| byte.is_ascii_graphic());
            fits.then(|| Zeroizing::new(key.to_owned()))
        };
        list(text, key).map(Self)
    }

    /// The keys themselves, for whoever must show one: the first before the others.
    pub(crate) fn expose(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.as_str())
    }

    /// As a setting has them, for whoever reads them as one.
    pub fn as_setting(&self) -> Zeroizing<String> {
        Zeroizing::new(self.expose().collect::<Vec<_>>().join(","))
    }

    /// What the operator should hear of keys that can be guessed, a line each.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let short = self.expose().enumerate().filter(|(_, key)| key.len() < SHORT);
        let line = |number: usize| match self.0.len() {
            1 => format!("AUTH_INTERNAL_KEY has fewer than {SHORT} characters: it can be guessed"),
            _ => format!(
                "key {number} of AUTH_INTERNAL_KEY has fewer than {SHORT} characters: it can be \
                 guessed; a comma separates keys, and cannot be a part of one"
            ),
        };
        short.map(|(index, _)| line(index + 1)).collect()
    }
}

impl fmt::Debug for InternalKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InternalKeys(hidden)")
    }
}

/// The keys in force, which can be replaced, and when each was last used.
pub(crate) struct KeyRing {
    keys: RwLock<Vec<RingKey>>,
    clock: Arc<dyn Clock>,
}

struct RingKey {
    digest: [u8; 32],
    /// Seconds since 1970-01-01T00:00:00Z; 0 for never.
    last_used_s: AtomicI64,
}

impl KeyRing {
    /// A ring of these keys, none of them used yet.
    pub(crate) fn new(keys: &InternalKeys, clock: Arc<dyn Clock>) -> Self {
        let ring = Self { keys: RwLock::default(), clock };
        ring.replace(keys);
        ring
    }

    /// Accepts these from now on, and no others. A key that was in the ring before is still the one
    /// that was last used then.
    pub(crate) fn replace(&self, keys: &InternalKeys) {
        let mut ring = self.keys.write();
        let renewed = keys.expose().map(|key| {
            let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
            let before = ring.iter().find(|old| old.digest == digest);
            let last_used_s = before.map_or(0, |old| old.last_used_s.load(Ordering::Relaxed));
            RingKey { digest, last_used_s: AtomicI64::new(last_used_s) }
        });
        *ring = renewed.collect();
    }

    /// Whether `presented` is one of the keys, in a time that depends neither on which one nor on
    /// where they differ.
    pub(crate) fn accepts(&self, presented: &[u8]) -> bool {
        let presented: [u8; 32] = Sha256::digest(presented).into();
        let keys = self.keys.read();
        let (mut is_known, mut index) = (Choice::from(0), 0_u32);
        for (at, key) in (0_u32..).zip(keys.iter()) {
            let is_this = key.digest.ct_eq(&presented);
            index.conditional_assign(&at, is_this);
            is_known |= is_this;
        }
        if !bool::from(is_known) {
            return false;
        }
        let used = usize::try_from(index).ok().and_then(|index| keys.get(index));
        if let Some(key) = used {
            key.record_use(self.clock.unix_ms() / 1000);
        }
        true
    }

    fn last_used_s(&self) -> Vec<i64> {
        self.keys.read().iter().map(|key| key.last_used_s.load(Ordering::Relaxed)).collect()
    }
}

impl RingKey {
    fn record_use(&self, now_s: i64) {
        // Most of the time nothing changes, and nothing is written.
        if self.last_used_s.load(Ordering::Relaxed) != now_s {
            self.last_used_s.store(now_s, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing(hidden)")
    }
}

/// When each key was last used, as a metric: read from the ring when it is asked for.
#[derive(Debug)]
pub(crate) struct KeyUses(pub(crate) Arc<KeyRing>);

impl Collector for KeyUses {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (name, kind) = ("internal_key_last_used_timestamp_seconds", MetricType::Gauge);
        let help = "When each internal key was last used, by its number in the list; 0 for never";
        let mut family = encoder.encode_descriptor(name, help, None, kind)?;
        for (number, last_used_s) in (1_u32..).zip(self.0.last_used_s()) {
            let labels = [("key", number)];
            ConstGauge::new(last_used_s).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clock::ManualClock;

    use super::*;

    fn keys(text: &str) -> InternalKeys {
        InternalKeys::read(text).unwrap()
    }

    #[test]
    fn keys_are_separated_by_commas_and_trimmed_and_none_is_empty() {
        let read = keys(" one , two,\tthree ");
        assert_eq!(read.expose().collect::<Vec<_>>(), ["one", "two", "three"]);
        assert_eq!(read.as_setting().as_str(), "one,two,three");
        for text in ["", " ", ",", "one,", ",one", "one,,two", "one, ,two", "o ne", "öne", "o\0e"]
        {
            assert!(InternalKeys::read(text).is_none(), "{text:?}");
        }
        assert!(!format!("{read:?}").contains("one"));
    }

    #[test]
    fn short_keys_are_warned_of_by_number() {
        let long = "sixteen-letters-";
        assert_eq!(keys(long).warnings(), Vec::<String>::new());
        assert!(keys("short").warnings()[0].starts_with("AUTH_INTERNAL_KEY has fewer than 16"));
        let warnings = keys(&format!("{long},short,{long},x")).warnings();
        assert_eq!(warnings.len(), 2);
        assert!(warnings[0].starts_with("key 2 of AUTH_INTERNAL_KEY"), "{warnings:?}");
        assert!(warnings[1].starts_with("key 4 of AUTH_INTERNAL_KEY"), "{warnings:?}");
        assert!(!warnings.concat().contains("short,"), "{warnings:?}");
    }

    #[test]
    fn any_key_of_the_ring_is_accepted_until_it_is_replaced() {
        let ring = KeyRing::new(&keys("old,new"), Arc::new(ManualClock::new()));
        assert!(ring.accepts(b"old") && ring.accepts(b"new"));
        for wrong in [&b""[..], b"ol", b"oldd", b"old,new", b"OLD"] {
            assert!(!ring.accepts(wrong), "{wrong:?}");
        }
        ring.replace(&keys("new"));
        assert!(!ring.accepts(b"old") && ring.accepts(b"new"));
    }

    #[test]
    fn the_last_use_follows_its_key_to_another_number() {
        let clock = Arc::new(ManualClock::new());
        let ring = KeyRing::new(&keys("old"), Arc::clone(&clock) as _);
        assert_eq!(ring.last_used_s(), [0]);
        clock.advance(Duration::from_secs(100));
        assert!(ring.accepts(b"old") && !ring.accepts(b"new"));
        let first = clock.unix_ms() / 1000;
        assert!(first >= 100);
        ring.replace(&keys("new,old"));
        assert_eq!(ring.last_used_s(), [0, first]);
        clock.advance(Duration::from_secs(5));
        assert!(ring.accepts(b"new"));
        assert_eq!(ring.last_used_s(), [first + 5, first]);
    }
}

//! The values that backends store in a session, written by compare-and-swap.

use crate::{Condition, VALUES_LIMIT, ValueChange, ValueWrite, Values};

/// A session's values, and the version that the last write gave.
#[derive(Default)]
pub(super) struct StoredValues {
    values: Values,
    version: u64,
    bytes: usize,
}

impl StoredValues {
    /// What was stored: the values, and the version of the last write.
    pub(super) fn stored(values: Values, version: u64) -> Self {
        let bytes = values.iter().map(|(key, (_, text))| key.len() + text.len()).sum();
        Self { values, version, bytes }
    }

    /// The version that the last write gave.
    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    /// Puts back what stood under a key before a write that was not stored. The version stays.
    pub(super) fn put_back(&mut self, key: &str, value: Option<(u64, Box<str>)>) {
        let removed = self.values.remove(key);
        self.bytes -= removed.map_or(0, |(_, text)| key.len() + text.len());
        if let Some(value) = value {
            self.bytes += key.len() + value.1.len();
            self.values.insert(key.to_owned(), value);
        }
    }

    pub(super) const fn values(&self) -> &Values {
        &self.values
    }

    /// Writes one value if the condition holds and the whole stays within its limit.
    pub(super) fn write(
        &mut self,
        key: &str,
        change: ValueChange,
        condition: &Condition,
    ) -> ValueWrite {
        let present = self.values.get(key);
        if !holds(condition, present.map(|(version, _)| *version)) {
            return ValueWrite::ConditionFailed;
        }
        let freed = present.map_or(0, |(_, text)| key.len() + text.len());
        match change {
            ValueChange::Delete => {
                self.values.remove(key);
                self.bytes -= freed;
                ValueWrite::Deleted
            }
            ValueChange::Put(text) => self.put(key, text, freed),
        }
    }

    fn put(&mut self, key: &str, text: Box<str>, freed: usize) -> ValueWrite {
        let bytes = self.bytes - freed + key.len() + text.len();
        if bytes > VALUES_LIMIT {
            return ValueWrite::TooLarge;
        }
        self.bytes = bytes;
        // INVARIANT: the counter outlives the values, so that no version comes twice.
        self.version += 1;
        match self.values.get_mut(key) {
            Some(value) => *value = (self.version, text),
            None => drop(self.values.insert(key.to_owned(), (self.version, text))),
        }
        ValueWrite::Put(self.version)
    }
}

fn holds(condition: &Condition, present: Option<u64>) -> bool {
    match condition {
        Condition::None => true,
        Condition::Present => present.is_some(),
        Condition::Absent => present.is_none(),
        Condition::Version(versions) => present.is_some_and(|version| versions.contains(&version)),
    }
}

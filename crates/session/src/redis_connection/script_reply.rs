//! One script on each of many keys, and what it tells of each.
//!
//! Such a script works on any number of keys, on each for itself. Its one argument says in turn what
//! to do with each, and its answer is one text, since that costs least on both sides: the time of
//! the server in milliseconds (6), and for each key a length (2) and what there is to tell.

use std::ops::Range;
use std::sync::Arc;

use redis::Value;

use super::Answer;
use super::script::{Call, Script};
use crate::StoreError;

/// What is to be done with some keys, which are all of one length, as their arguments are.
pub(crate) struct Parcel {
    script: &'static Script,
    keys: Vec<u8>,
    arguments: Vec<u8>,
    count: usize,
}

/// What was told of one key.
#[derive(Clone)]
pub(crate) struct Told {
    /// The whole answer, which others share.
    text: Arc<Vec<u8>>,
    own: Range<usize>,
}

/// What was told of one key, or why nothing was.
pub(crate) type Telling = Result<Told, StoreError>;

/// How many bytes the time takes in an answer.
const TIME: usize = 6;

impl Parcel {
    /// Room for so many keys.
    pub(crate) fn new(script: &'static Script, count: usize) -> Self {
        // Enough for what is put in, as it is today; more would only be moved.
        let (keys, arguments) = (Vec::with_capacity(count * 32), Vec::with_capacity(count * 32));
        Self { script, keys, arguments, count: 0 }
    }

    /// Puts a key in.
    pub(crate) fn push(&mut self, key: &[u8], argument: &[u8]) {
        self.keys.extend(key);
        self.arguments.extend(argument);
        self.count += 1;
        debug_assert_eq!(self.keys.len(), self.count * key.len());
        debug_assert_eq!(self.arguments.len(), self.count * argument.len());
    }

    /// How many keys it has.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    fn items(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let length = |bytes: &[u8]| (bytes.len() / self.count.max(1)).max(1);
        let keys = self.keys.chunks_exact(length(&self.keys));
        keys.zip(self.arguments.chunks_exact(length(&self.arguments)))
    }
}

/// A call that is being put together.
struct Draft<'a> {
    script: &'static Script,
    keys: Vec<&'a [u8]>,
    arguments: Vec<u8>,
}

/// The calls for parcels, in their order, each of so many keys at most; and how many it has.
pub(super) fn calls_for<'a>(
    parcels: impl Iterator<Item = &'a Parcel>,
    together: usize,
) -> Vec<(Call, usize)> {
    let mut drafts: Vec<Draft<'a>> = Vec::new();
    for parcel in parcels {
        let script = parcel.script;
        for (key, argument) in parcel.items() {
            match drafts.last_mut() {
                Some(last) if last.keys.len() < together && std::ptr::eq(last.script, script) => {
                    last.keys.push(key);
                    last.arguments.extend(argument);
                }
                _ => drafts.push(Draft { script, keys: vec![key], arguments: argument.to_vec() }),
            }
        }
    }
    let call = |draft: Draft<'_>| {
        let call = Call::on_all(draft.script, &draft.keys).arg(draft.arguments);
        (call, draft.keys.len())
    };
    drafts.into_iter().map(call).collect()
}

impl Told {
    /// What the answer to a call tells of each of its keys.
    pub(super) fn split(answer: Answer, count: usize) -> Vec<Telling> {
        match answer.and_then(|value| Self::read(value, count)) {
            Ok(told) => told.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error); count],
        }
    }

    /// The server's time, in milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        self.text[..TIME].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// What there is to tell of this key.
    pub(crate) fn own(&self) -> &[u8] {
        &self.text[self.own.clone()]
    }

    fn read(value: Value, count: usize) -> Result<Vec<Self>, StoreError> {
        let odd = || StoreError("what a script answers makes no sense".to_owned());
        let Value::BulkString(text) = value else {
            return Err(odd());
        };
        let mut ranges = Vec::with_capacity(count);
        let mut at = TIME;
        for _ in 0..count {
            let length = text.get(at..at + 2).ok_or_else(odd)?;
            let start = at + 2;
            at = start + usize::from(u16::from_be_bytes([length[0], length[1]]));
            ranges.push(start..at);
        }
        if at != text.len() {
            return Err(odd());
        }
        let text = Arc::new(text);
        Ok(ranges.into_iter().map(|own| Self { text: Arc::clone(&text), own }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &[u8], count: usize) -> Vec<Telling> {
        Told::split(Ok(Value::BulkString(text.to_vec())), count)
    }

    #[test]
    fn an_answer_is_split_among_the_keys_or_is_none_for_all() {
        let whole = b"\0\0\0\0\x01\x02\0\x01a\0\0\0\x02bc";
        let each = told(whole, 3);
        let own: Vec<&[u8]> = each.iter().map(|told| told.as_ref().unwrap().own()).collect();
        assert_eq!(own, [&b"a"[..], b"", b"bc"]);
        assert_eq!(each[2].as_ref().unwrap().now_ms(), 258);
        for count in [0, 2, 4] {
            assert!(told(whole, count).iter().all(Result::is_err), "{count}");
        }
        for end in 0..whole.len() {
            let told = told(&whole[..end], 3);
            assert!(told.len() == 3 && told.iter().all(Result::is_err), "{end}");
        }
        assert!(Told::split(Ok(Value::Int(1)), 1)[0].is_err());
    }
}

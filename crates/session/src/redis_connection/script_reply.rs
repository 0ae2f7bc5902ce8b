//! What a script that works on each of many keys replies about each.
//!
//! Its reply is one text, since that costs least on both sides: the time of the server in
//! milliseconds (6), and for each key a length (2) and what there is to say.

use std::ops::Range;
use std::sync::Arc;

use redis::Value;

use super::Reply;
use crate::StoreError;

/// The reply about one key.
#[derive(Clone)]
pub(crate) struct ScriptReply {
    /// The whole reply, which the replies about other keys share.
    text: Arc<Vec<u8>>,
    own: Range<usize>,
}

/// How many bytes the time takes in a reply.
const TIME: usize = 6;

impl ScriptReply {
    /// The reply about each of a request's keys, or for each why there is none.
    pub(super) fn split(reply: Reply, count: usize) -> Vec<Result<Self, StoreError>> {
        match reply.and_then(|value| Self::read(value, count)) {
            Ok(replies) => replies.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error); count],
        }
    }

    /// The server's time, in milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        self.text[..TIME].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// What was replied about this key.
    pub(crate) fn content(&self) -> &[u8] {
        &self.text[self.own.clone()]
    }

    fn read(value: Value, count: usize) -> Result<Vec<Self>, StoreError> {
        let unreadable = || StoreError("the reply of a script is unreadable".to_owned());
        let Value::BulkString(text) = value else {
            return Err(unreadable());
        };
        let mut ranges = Vec::with_capacity(count);
        let mut at = TIME;
        for _ in 0..count {
            let length = text.get(at..at + 2).ok_or_else(unreadable)?;
            let start = at + 2;
            at = start + usize::from(u16::from_be_bytes([length[0], length[1]]));
            ranges.push(start..at);
        }
        if at != text.len() {
            return Err(unreadable());
        }
        let text = Arc::new(text);
        Ok(ranges.into_iter().map(|own| Self { text: Arc::clone(&text), own }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &[u8], count: usize) -> Vec<Result<ScriptReply, StoreError>> {
        ScriptReply::split(Ok(Value::BulkString(text.to_vec())), count)
    }

    #[test]
    fn a_reply_is_split_among_the_keys_or_is_an_error_for_all() {
        let whole = b"\0\0\0\0\x01\x02\0\x01a\0\0\0\x02bc";
        let replies = split(whole, 3);
        let contents: Vec<&[u8]> =
            replies.iter().map(|reply| reply.as_ref().unwrap().content()).collect();
        assert_eq!(contents, [&b"a"[..], b"", b"bc"]);
        assert_eq!(replies[2].as_ref().unwrap().now_ms(), 258);
        for count in [0, 2, 4] {
            assert!(split(whole, count).iter().all(Result::is_err), "{count}");
        }
        for end in 0..whole.len() {
            let replies = split(&whole[..end], 3);
            assert!(replies.len() == 3 && replies.iter().all(Result::is_err), "{end}");
        }
        assert!(ScriptReply::split(Ok(Value::Int(1)), 1)[0].is_err());
    }
}

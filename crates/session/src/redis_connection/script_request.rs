//! Requests to run scripts, and the server's own commands: what one command on the connection is made from.
//!
//! A request is encoded when its command is written, so that it can be redirected or sent again after
//! its script was loaded, and so that requests for one script can be merged.

use std::sync::Arc;

use redis::{Cmd, ToRedisArgs};

use super::script::Script;
use super::slots::{hashed_part, slot_of};

/// A request to run a script on its keys, or a command on one.
#[derive(Clone)]
pub(crate) struct ScriptRequest {
    callee: Callee,
    /// One after the other; all are of one length.
    keys: Vec<u8>,
    key_count: usize,
    arguments: Vec<Vec<u8>>,
    common: Option<Arc<Common>>,
}

/// Keys and arguments that many requests have behind their own, and share when they are merged.
pub(crate) struct Common {
    pub(crate) keys: Vec<Vec<u8>>,
    pub(crate) arguments: Vec<Vec<u8>>,
}

#[derive(Clone, Copy)]
enum Callee {
    Script(&'static Script),
    Command(&'static str),
}

/// A script that works on each of many keys for itself, in requests of a bounded number of keys.
///
/// Such a script has one argument of its own, which says in turn what to do with each key.
pub(crate) struct ScriptBatch {
    script: &'static Script,
    keys_per_request: usize,
    requests: Vec<ScriptRequest>,
}

/// A write after which replicas that have it have all that was written earlier.
const FENCE: &str = "#!lua flags=allow-oom\nreturn redis.call('SET', KEYS[1], '', 'PX', 1000)";

impl ScriptRequest {
    /// A request to run a script on one key.
    pub(crate) fn on(script: &'static Script, key: &[u8]) -> Self {
        Self::on_all(script, &[key])
    }

    /// A request to run a script on keys of one length which one request may name; see
    /// [`super::RedisConnection::groups`].
    pub(crate) fn on_all(script: &'static Script, keys: &[&[u8]]) -> Self {
        debug_assert!(keys.windows(2).all(|pair| pair[0].len() == pair[1].len()));
        let (key_count, keys) = (keys.len(), keys.concat());
        let callee = Callee::Script(script);
        Self { callee, keys, key_count, arguments: Vec::new(), common: None }
    }

    /// The server's own command with a key, or whatever its first word is.
    pub(crate) fn command(name: &'static str, key: &[u8]) -> Self {
        let callee = Callee::Command(name);
        Self { callee, keys: key.to_vec(), key_count: 1, arguments: Vec::new(), common: None }
    }

    /// The same with more keys and arguments behind its own.
    pub(crate) fn with_common(self, common: &Arc<Common>) -> Self {
        Self { common: Some(Arc::clone(common)), ..self }
    }

    /// The same about another key alone.
    pub(crate) fn about(&self, key: &[u8]) -> Self {
        Self { keys: key.to_vec(), key_count: 1, common: None, ..self.clone() }
    }

    /// The last of its own arguments, where it has keys and arguments in common with others.
    pub(crate) fn last_argument(&self) -> Option<&[u8]> {
        self.common.as_ref().and(self.arguments.last()).map(Vec::as_slice)
    }

    /// The same with an argument more.
    pub(crate) fn arg(mut self, argument: impl ToRedisArgs) -> Self {
        argument.write_redis_args(&mut self.arguments);
        self
    }

    /// The script that the server must know, if any.
    pub(super) const fn script(&self) -> Option<&'static Script> {
        match self.callee {
            Callee::Script(script) => Some(script),
            Callee::Command(_) => None,
        }
    }

    /// How many keys it has.
    pub(super) const fn key_count(&self) -> usize {
        self.key_count
    }

    /// The slot of its first key in a cluster, in which its other keys must be as well.
    pub(super) fn slot(&self) -> u16 {
        slot_of(self.first_key())
    }

    /// What is written to the server.
    pub(super) fn to_command(&self) -> Cmd {
        let size = self.arguments.iter().map(Vec::len).sum::<usize>();
        let (more_keys, more_arguments) =
            self.common.as_ref().map_or((&[][..], &[][..]), |more| (&more.keys, &more.arguments));
        let key_count = self.key_count + more_keys.len();
        let words = 3 + key_count + self.arguments.len() + more_arguments.len();
        let mut command = Cmd::with_capacity(words, 64 + self.keys.len() + size);
        match self.callee {
            Callee::Script(script) => command.arg("EVALSHA").arg(script.digest()).arg(key_count),
            Callee::Command(name) => command.arg(name),
        };
        for key in self.keys().chain(more_keys.iter().map(Vec::as_slice)) {
            command.arg(key);
        }
        for argument in self.arguments.iter().chain(more_arguments) {
            command.arg(argument);
        }
        command
    }

    /// A write after which a server knows how far its replicas must be for all that was done
    /// there: it does not count what changed nothing, or what others changed.
    pub(super) fn fence(&self) -> Cmd {
        // A key in the same slot, which holds nothing else.
        let key = [b"fence:{", hashed_part(self.first_key()), b"}"].concat();
        let mut command = redis::cmd("EVAL");
        command.arg(FENCE).arg(1).arg(key);
        command
    }

    fn keys(&self) -> impl Iterator<Item = &[u8]> {
        let length = self.keys.len() / self.key_count.max(1);
        self.keys.chunks_exact(length.max(1))
    }

    fn first_key(&self) -> &[u8] {
        self.keys().next().unwrap_or_default()
    }

    fn push(&mut self, key: &[u8], argument: &[u8]) {
        self.keys.extend(key);
        self.key_count += 1;
        match self.arguments.first_mut() {
            Some(all) => all.extend(argument),
            None => self.arguments.push(argument.to_vec()),
        }
        debug_assert_eq!(self.keys.len(), self.key_count * key.len());
    }

    fn append(&mut self, other: &Self) {
        self.keys.extend(&other.keys);
        self.key_count += other.key_count;
        for (argument, more) in self.arguments.iter_mut().zip(&other.arguments) {
            argument.extend(more);
        }
    }
}

impl ScriptBatch {
    /// An empty batch, in which a request has so many keys at most.
    pub(super) const fn new(script: &'static Script, keys_per_request: usize) -> Self {
        Self { script, keys_per_request, requests: Vec::new() }
    }

    /// Adds a key, and what the script is to do with it. Keys of one request have these keys and
    /// arguments in common.
    pub(crate) fn push(&mut self, key: &[u8], argument: &[u8], common: Option<&Arc<Common>>) {
        match self.requests.last_mut() {
            Some(last) if last.key_count < self.keys_per_request => last.push(key, argument),
            _ => {
                let request = ScriptRequest::on(self.script, key).arg(argument);
                self.requests.push(ScriptRequest { common: common.cloned(), ..request });
            }
        }
    }

    /// How many keys it has.
    pub(super) fn key_count(&self) -> usize {
        self.requests.iter().map(ScriptRequest::key_count).sum()
    }

    /// Its requests.
    pub(super) fn into_requests(self) -> Vec<ScriptRequest> {
        self.requests
    }

    /// The requests of many batches: neighbours for one script become one where it has room.
    ///
    /// INVARIANT: the keys stay in their order, so that of two operations on one key the one that
    /// came first is done first.
    pub(super) fn merge(batches: Vec<Self>) -> Vec<ScriptRequest> {
        let mut merged: Vec<ScriptRequest> = Vec::with_capacity(batches.len());
        for batch in batches {
            for request in batch.requests {
                match merged.last_mut() {
                    Some(last)
                        if last.is_of(batch.script)
                            && last.has_in_common_with(&request)
                            && last.key_count + request.key_count <= batch.keys_per_request =>
                    {
                        last.append(&request);
                    }
                    _ => merged.push(request),
                }
            }
        }
        merged
    }
}

impl ScriptRequest {
    fn is_of(&self, script: &'static Script) -> bool {
        self.script().is_some_and(|own| std::ptr::eq(own, script))
    }

    /// Whether what both have behind their own is the same.
    fn has_in_common_with(&self, other: &Self) -> bool {
        match (&self.common, &other.common) {
            (Some(own), Some(others)) => Arc::ptr_eq(own, others),
            (None, None) => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static FIRST: Script = Script::new("1", || "sha-1".to_owned());
    static SECOND: Script = Script::new("2", || "sha-2".to_owned());

    fn words(request: &ScriptRequest) -> Vec<String> {
        let packed = request.to_command().get_packed_command();
        let text = String::from_utf8(packed).unwrap();
        text.split("\r\n")
            .skip(1)
            .filter(|word| !word.starts_with('$'))
            .map(str::to_owned)
            .collect()
    }

    fn batch(script: &'static Script, keys: &[&str]) -> ScriptBatch {
        let mut batch = ScriptBatch::new(script, 3);
        for key in keys {
            batch.push(key.as_bytes(), key.to_uppercase().as_bytes(), None);
        }
        batch
    }

    #[test]
    fn a_call_is_written_as_the_server_reads_it() {
        let request = ScriptRequest::on(&FIRST, b"key").arg(7).arg("").arg(b"ab");
        assert_eq!(words(&request), ["EVALSHA", "sha-1", "1", "key", "7", "", "ab", ""]);
        let request = ScriptRequest::command("SCAN", b"0").arg("COUNT").arg(9);
        assert_eq!(words(&request), ["SCAN", "0", "COUNT", "9", ""]);
        assert_eq!(words(&ScriptRequest::command("PING", b"")), ["PING", ""]);
        assert_eq!(words(&ScriptRequest::on_all(&FIRST, &[])), ["EVALSHA", "sha-1", "0", ""]);
    }

    #[test]
    fn what_requests_have_in_common_stands_once_behind_what_is_their_own() {
        let common = |word: &str| {
            let (key, argument) = (word.as_bytes().to_vec(), word.to_uppercase().into_bytes());
            Arc::new(Common { keys: vec![key], arguments: vec![argument] })
        };
        let (one, other) = (common("x"), common("y"));
        let request = ScriptRequest::on(&FIRST, b"key").arg("e").with_common(&one);
        assert_eq!(words(&request), ["EVALSHA", "sha-1", "2", "key", "x", "e", "X", ""]);
        assert_eq!(request.last_argument(), Some(&b"e"[..]));
        let alone = request.about(b"k");
        assert_eq!(words(&alone), ["EVALSHA", "sha-1", "1", "k", "e", ""]);
        assert_eq!(alone.last_argument(), None);
        let batch = |key: &str, common| {
            let mut batch = ScriptBatch::new(&FIRST, 3);
            batch.push(key.as_bytes(), key.as_bytes(), Some(common));
            batch
        };
        let merged =
            ScriptBatch::merge(vec![batch("a", &one), batch("b", &one), batch("c", &other)]);
        let expected = [
            &["EVALSHA", "sha-1", "3", "a", "b", "x", "ab", "X", ""][..],
            &["EVALSHA", "sha-1", "2", "c", "y", "c", "Y", ""],
        ];
        assert_eq!(merged.iter().map(words).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_fence_is_in_the_slot_of_what_it_fences() {
        for key in ["session:abc", "session:{07}:abc"] {
            let request = ScriptRequest::on(&FIRST, key.as_bytes());
            let packed = String::from_utf8(request.fence().get_packed_command()).unwrap();
            let fence = packed.split("\r\n").find(|word| word.starts_with("fence:")).unwrap();
            assert_eq!(slot_of(fence.as_bytes()), request.slot(), "{fence}");
        }
    }

    #[test]
    fn batches_of_one_script_share_calls_and_keep_their_order() {
        let batches = vec![
            batch(&FIRST, &["a", "b"]),
            batch(&FIRST, &["c"]),
            batch(&FIRST, &["d", "e", "f", "g"]),
            batch(&SECOND, &["h"]),
            batch(&FIRST, &["i"]),
        ];
        assert_eq!(batches.iter().map(ScriptBatch::key_count).collect::<Vec<_>>(), [2, 1, 4, 1, 1]);
        let merged: Vec<_> = ScriptBatch::merge(batches).iter().map(words).collect();
        let expected = [
            &["EVALSHA", "sha-1", "3", "a", "b", "c", "ABC", ""][..],
            &["EVALSHA", "sha-1", "3", "d", "e", "f", "DEF", ""],
            &["EVALSHA", "sha-1", "1", "g", "G", ""],
            &["EVALSHA", "sha-2", "1", "h", "H", ""],
            &["EVALSHA", "sha-1", "1", "i", "I", ""],
        ];
        assert_eq!(merged, expected);
    }
}

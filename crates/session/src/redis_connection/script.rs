//! Scripts, and the calls of them: what is done to one key in one atomic step.

use std::sync::LazyLock;

use redis::{Cmd, ToRedisArgs};

use super::slots::slot_of;

/// A script that servers know by its digest.
pub(crate) struct Script {
    text: &'static str,
    digest: LazyLock<String>,
}

/// One command, usually a script's call.
pub(crate) struct Call {
    pub(super) command: Cmd,
    /// The script that must be there, if any.
    pub(super) script: Option<&'static Script>,
    /// The slot of its key.
    pub(super) slot: u16,
    key: Vec<u8>,
}

/// Writes what replicas have to have before they have all that was written earlier.
const FENCE: &str = "#!lua flags=allow-oom\nreturn redis.call('SET', KEYS[1], '', 'PX', 1000)";

impl Script {
    /// The script of this text; the first line of which says what it may do.
    pub(crate) const fn new(text: &'static str, digest: fn() -> String) -> Self {
        Self { text, digest: LazyLock::new(digest) }
    }

    /// The command that makes a server know it.
    pub(super) fn load(&self) -> Cmd {
        let mut command = redis::cmd("SCRIPT");
        command.arg("LOAD").arg(self.text);
        command
    }
}

/// The SHA-1 of a script's text, by which servers know it.
pub(crate) fn digest_of(text: &str) -> String {
    redis::Script::new(text).get_hash().to_owned()
}

/// Defines a script that is put together from files; `flags` are what the server lets it do.
macro_rules! script {
    ($name:ident, $flags:literal, $($file:literal),+) => {
        pub(super) static $name: $crate::link::Script = $crate::link::Script::new(
            concat!("#!lua", $flags, "\n", $(include_str!($file)),+),
            || $crate::link::digest_of(concat!("#!lua", $flags, "\n", $(include_str!($file)),+)),
        );
    };
}
pub(crate) use script;

impl Call {
    /// A call of a script on one key.
    pub(crate) fn on(script: &'static Script, key: &[u8]) -> Self {
        Self::on_all(script, &[key])
    }

    /// A call of a script on keys that are in one place; see [`super::RedisLink::places`].
    pub(crate) fn on_all(script: &'static Script, keys: &[&[u8]]) -> Self {
        let mut command = redis::cmd("EVALSHA");
        command.arg(script.digest.as_str()).arg(keys.len());
        for key in keys {
            command.arg(*key);
        }
        Self::new(command, Some(script), keys.first().copied().unwrap_or_default())
    }

    /// A command on one key.
    pub(crate) fn plain(name: &str, key: &[u8]) -> Self {
        let mut command = redis::cmd(name);
        command.arg(key);
        Self::new(command, None, key)
    }

    fn new(command: Cmd, script: Option<&'static Script>, key: &[u8]) -> Self {
        Self { command, script, slot: slot_of(key), key: key.to_vec() }
    }

    /// A write after which a server knows how far its replicas must be for all that was done
    /// there: it does not count what changed nothing, or what others changed.
    pub(super) fn fence(&self) -> Cmd {
        // A key in the same slot, which is nobody's.
        let key = [b"fence:{", &self.key[..], b"}"].concat();
        let mut command = redis::cmd("EVAL");
        command.arg(FENCE).arg(1).arg(key);
        command
    }

    /// The same with an argument more.
    pub(crate) fn arg(mut self, argument: impl ToRedisArgs) -> Self {
        self.command.arg(argument);
        self
    }
}

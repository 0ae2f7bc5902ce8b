//! Scripts: what is done to one key in one atomic step, under the digest by which servers know it.

use std::sync::LazyLock;

use redis::Cmd;

/// A script that servers know by its digest.
pub(crate) struct Script {
    text: &'static str,
    digest: LazyLock<String>,
}

impl Script {
    /// The script of this text; the first line of which says what it may do.
    pub(crate) const fn new(text: &'static str, digest: fn() -> String) -> Self {
        Self { text, digest: LazyLock::new(digest) }
    }

    /// Its digest.
    pub(super) fn digest(&self) -> &str {
        &self.digest
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
        pub(super) static $name: $crate::redis_connection::Script =
            $crate::redis_connection::Script::new(
                concat!("#!lua", $flags, "\n", $(include_str!($file)),+),
                || $crate::redis_connection::digest_of(
                    concat!("#!lua", $flags, "\n", $(include_str!($file)),+)
                ),
            );
    };
}
pub(crate) use script;

//! Mails as files: for a demonstration, for tests, and for programs that send them on.

use std::io;
use std::path::{Path, PathBuf};

use tokio::io::AsyncWriteExt as _;

use super::{Failure, Message};

/// A directory of mails.
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// Makes it where it is not there, for its owner alone.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        use std::os::unix::fs::DirBuilderExt as _;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| failed(path, &error))?;
        Ok(Self(path.to_owned()))
    }

    /// Writes a mail under its id: whoever sees the file sees all of it, and a second time is the same
    /// file.
    pub(super) async fn write(&self, message: &Message) -> Result<(), Failure> {
        let file = self.0.join(format!("{}.eml", message.id));
        let unfinished = self.0.join(format!(".{}.new", message.id));
        let written = async {
            let mut options = tokio::fs::OpenOptions::new();
            let options = options.write(true).create(true).truncate(true).mode(0o600);
            let mut written = options.open(&unfinished).await?;
            written.write_all(&message.bytes).await?;
            written.sync_all().await?;
            tokio::fs::rename(&unfinished, &file).await
        };
        written.await.map_err(|error| failed(&self.0, &error))
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::Unreachable(format!("mails cannot be written to {}: {error}", path.display()))
}

//! The file that sessions are stored in: opened, checked, written in transactions, opened anew after
//! one that failed. What a row means is not known here.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use super::rows::Statements;
use super::schema::{self, SessionFileError, unusable};
use super::timeline::Anchor;

const BEGIN: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";
const ANCHOR: &str = "INSERT OR REPLACE INTO anchor (only_row, timeline_ms, unix_ms, boot_id, boot_ms) \
     VALUES (1, ?1, ?2, ?3, ?4)";
/// No other process opens the file, except to make a copy of it. Shorter than what a commit may
/// take, so that a lock is reported as one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);
/// The log beside the file is cut to this size when it was larger.
const LOG_LIMIT_BYTES: &str = "16777216";
/// Free pages beyond this share of the file are given back, so many at a time.
const FREE_SHARE: i64 = 8;
const FREE_AT_ONCE: i64 = 512;

/// What an answer outlives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The machine's power: each commit waits for the disk.
    #[default]
    Full,
    /// The process: the system writes soon after.
    Normal,
}

/// The file, locked and open.
pub(super) struct SessionFile {
    path: PathBuf,
    durability: Durability,
    /// The device and the number of the file that was opened.
    inode: (u64, u64),
    /// None between a failure and the next try.
    connection: Option<SqliteConnection>,
    /// Held for as long as the file is open.
    _lock: File,
}

impl SessionFile {
    /// Locks the file and opens it; makes it where there is none.
    pub(super) async fn open(
        path: &Path,
        durability: Durability,
    ) -> Result<Self, SessionFileError> {
        let path = resolved(path).map_err(|error| unusable(path, &error))?;
        let lock = locked(&path)?;
        make_private(&path).map_err(|error| unusable(&path, &error))?;
        let inode = inode(&path).map_err(|error| unusable(&path, &error))?;
        let connected = options(&path, durability).connect().await;
        let mut connection = connected.map_err(|error| schema::refusal(&path, &error))?;
        schema::bring_up_to_date(&path, &mut connection).await?;
        Ok(Self { path, durability, inode, connection: Some(connection), _lock: lock })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The connection, for reading what is there.
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, String> {
        self.connection.as_mut().ok_or_else(|| "it is not open".to_owned())
    }

    /// Runs the statements and writes the anchor, all or nothing.
    ///
    /// # Errors
    ///
    /// Why it was not; some of it may be in the file then.
    pub(super) async fn commit(
        &mut self,
        statements: Statements,
        anchor: &Anchor,
    ) -> Result<(), String> {
        is_the_opened_file(&self.path, self.inode)?;
        let connection = self.connection()?;
        transact(connection, statements, anchor).await.map_err(|error| reason(&error))
    }

    /// Opens it anew after a commit that failed.
    ///
    /// # Errors
    ///
    /// It cannot be opened.
    pub(super) async fn reopen(&mut self) -> Result<(), String> {
        if let Some(connection) = self.connection.take() {
            // It failed before: what matters is that it is closed.
            let _ = connection.close().await;
        }
        is_the_opened_file(&self.path, self.inode)?;
        let connected = options(&self.path, self.durability).connect().await;
        self.connection = Some(connected.map_err(|error| reason(&error))?);
        Ok(())
    }

    /// Has all that is committed in the file itself rather than in the log beside it.
    ///
    /// # Errors
    ///
    /// It is not.
    pub(super) async fn checkpoint(&mut self) -> Result<(), String> {
        let checkpoint = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)");
        match checkpoint.fetch_one(self.connection()?).await {
            Ok((0_i64,)) => Ok(()),
            Ok(_) => Err("the log beside it is in use".to_owned()),
            Err(error) => Err(reason(&error)),
        }
    }

    /// Gives a few free pages back to the system, where there are many.
    pub(super) async fn vacuum(&mut self) -> Result<(), String> {
        let connection = self.connection()?;
        let vacuumed = async {
            let (free,): (i64,) =
                sqlx::query_as("PRAGMA freelist_count").fetch_one(&mut *connection).await?;
            let (pages,): (i64,) =
                sqlx::query_as("PRAGMA page_count").fetch_one(&mut *connection).await?;
            if free > FREE_AT_ONCE && free > pages / FREE_SHARE {
                connection.execute("PRAGMA incremental_vacuum(512)").await?;
            }
            Ok::<(), sqlx::Error>(())
        };
        vacuumed.await.map_err(|error| reason(&error))
    }

    /// Says whether the file is the one that was opened.
    pub(super) fn whereabouts(&self) -> Whereabouts {
        Whereabouts { path: self.path.clone(), inode: self.inode }
    }

    /// Closes it, with all of it in the file itself.
    pub(super) async fn close(mut self) -> Result<(), String> {
        match self.connection.take() {
            Some(connection) => connection.close().await.map_err(|error| reason(&error)),
            None => Ok(()),
        }
    }
}

/// Where the file must be.
#[derive(Clone, Debug)]
pub(super) struct Whereabouts {
    path: PathBuf,
    inode: (u64, u64),
}

impl Whereabouts {
    /// The bytes of the file and of the log beside it.
    pub(super) fn bytes(&self) -> u64 {
        let log = suffixed(&self.path, "-wal");
        [&self.path, &log].map(|path| path.metadata().map_or(0, |file| file.len())).iter().sum()
    }

    /// # Errors
    ///
    /// It was removed or replaced.
    pub(super) fn check(&self) -> Result<(), String> {
        is_the_opened_file(&self.path, self.inode)
    }

    /// Whether SQLite finds the file whole: by a connection of its own, beside whoever reads it.
    ///
    /// # Errors
    ///
    /// It does not.
    pub(super) async fn look_over(&self) -> Result<(), SessionFileError> {
        let connected = self.reading().connect().await;
        let mut connection = connected.map_err(|error| schema::refusal(&self.path, &error))?;
        let looked = schema::look_over(&self.path, &mut connection).await;
        let closed = connection.close().await;
        looked.and(closed.map_err(|error| schema::refusal(&self.path, &error)))
    }

    fn reading(&self) -> SqliteConnectOptions {
        let options = SqliteConnectOptions::new().filename(&self.path).read_only(true);
        options.busy_timeout(BUSY_TIMEOUT)
    }

    /// Writes a copy of the file to `target`, which must not exist yet.
    ///
    /// # Errors
    ///
    /// Why it was not written; no partial copy remains then.
    pub(super) async fn copy_to(&self, target: &Path) -> Result<(), String> {
        let Some(text) = target.to_str() else {
            return Err("the path of a copy is UTF-8".to_owned());
        };
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(target);
        made.map_err(|error| error.to_string())?;
        let copied = async {
            let mut connection = self.reading().connect().await?;
            sqlx::query("VACUUM INTO ?1").bind(text).execute(&mut connection).await?;
            connection.close().await
        };
        copied.await.map_err(|error| {
            // It is ours: it was not there a moment ago.
            let _ = std::fs::remove_file(target);
            reason(&error)
        })
    }
}

async fn transact(
    connection: &mut SqliteConnection,
    statements: Statements,
    anchor: &Anchor,
) -> sqlx::Result<()> {
    connection.execute(BEGIN).await?;
    let written = async {
        statements.run(connection).await?;
        let boot = anchor.boot.as_ref();
        sqlx::query(ANCHOR)
            .bind(millis(anchor.timeline))
            .bind(anchor.unix_ms)
            .bind(boot.map(|boot| boot.id.as_str()))
            .bind(boot.map(|boot| millis(boot.since)))
            .execute(&mut *connection)
            .await?;
        connection.execute(COMMIT).await
    };
    written.await.map(|_| ())
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn options(path: &Path, durability: Durability) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(match durability {
            Durability::Full => SqliteSynchronous::Full,
            Durability::Normal => SqliteSynchronous::Normal,
        })
        .pragma("journal_size_limit", LOG_LIMIT_BYTES)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
}

/// The path without links on the way, so that one file has one lock.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    if path.try_exists()? {
        return path.canonicalize();
    }
    let path = std::path::absolute(path)?;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    Ok(parent.canonicalize()?.join(name))
}

/// INVARIANT: the file itself is never locked, and opened by SQLite alone once it is there: closing
/// any other descriptor of it would drop SQLite's own locks.
fn locked(path: &Path) -> Result<File, SessionFileError> {
    let beside = suffixed(path, ".lock");
    let made =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&beside);
    let lock = made.map_err(|error| unusable(&beside, &error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(SessionFileError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(unusable(&beside, &error)),
    }
}

/// Creates the file for its owner alone; SQLite gives its companions the same mode.
fn make_private(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(|_| ()),
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    path.metadata().map(|file| (file.dev(), file.ino()))
}

fn is_the_opened_file(path: &Path, expected: (u64, u64)) -> Result<(), String> {
    match inode(path) {
        Ok(found) if found == expected => Ok(()),
        Ok(_) => Err("the file was replaced".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err("the file was removed".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// What happened, in SQLite's words.
fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        other => other.to_string(),
    }
}

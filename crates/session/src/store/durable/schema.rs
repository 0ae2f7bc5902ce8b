//! Which files are ours, and how the tables of an older one become today's.

use std::io;
use std::path::{Path, PathBuf};

use sqlx::Executor as _;
use sqlx::sqlite::SqliteConnection;

/// Marks a file as ours: "RFLS".
const APPLICATION: i64 = 0x5246_4c53;
/// Each step makes the tables of its number into those of the next. The first begins with none.
const STEPS: &[&str] = &[
    "
    CREATE TABLE sessions (
        id BLOB NOT NULL PRIMARY KEY,
        record BLOB NOT NULL,
        used_ms INTEGER NOT NULL,
        uses INTEGER NOT NULL,
        stored_values BLOB
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE known_addresses (
        key BLOB NOT NULL PRIMARY KEY,
        until_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE about (
        name TEXT NOT NULL PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE anchor (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
        timeline_ms INTEGER NOT NULL,
        unix_ms INTEGER NOT NULL,
        boot_id TEXT,
        boot_ms INTEGER
    ) STRICT;
    PRAGMA application_id = 1380338771;
",
    "
    CREATE TABLE IF NOT EXISTS events (
        first_number INTEGER NOT NULL PRIMARY KEY,
        events BLOB NOT NULL
    ) STRICT;
",
    "
    CREATE TABLE uses_at_stop (
        number INTEGER PRIMARY KEY,
        uses BLOB NOT NULL
    ) STRICT;
",
];

/// Why a file of sessions is not opened. Nothing of it was changed.
#[derive(Debug, thiserror::Error)]
pub enum SessionFileError {
    /// Another process holds it.
    #[error("the session file {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// It is something else.
    #[error("{} is no SQLite file", .0.display())]
    NotSqlite(PathBuf),
    /// It has tables, and they are not ours.
    #[error("{} has tables that are not those of sessions", .0.display())]
    Foreign(PathBuf),
    /// A later version wrote it.
    #[error("the session file {} was written by a newer version: run that one", .0.display())]
    Newer(PathBuf),
    /// What it says cannot be.
    #[error("the session file {} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It cannot be read or written.
    #[error("the session file {} cannot be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system, or SQLite, says.
        reason: String,
    },
}

/// Takes the file if it is ours or empty.
pub(super) async fn bring_up_to_date(
    path: &Path,
    connection: &mut SqliteConnection,
) -> Result<(), SessionFileError> {
    let refused = |error: sqlx::Error| refusal(path, &error);
    let number = async |connection: &mut SqliteConnection, query: &'static str| {
        sqlx::query_as::<_, (i64,)>(query).fetch_one(connection).await.map(|(number,)| number)
    };
    let tables = number(connection, "SELECT count(*) FROM sqlite_schema").await;
    let is_empty = tables.map_err(refused)? == 0;
    let application = number(connection, "PRAGMA application_id").await.map_err(refused)?;
    if !is_empty && application != APPLICATION {
        return Err(SessionFileError::Foreign(path.to_owned()));
    }
    let version = number(connection, "PRAGMA user_version").await.map_err(refused)?;
    let version = if is_empty { 0 } else { usize::try_from(version).unwrap_or(usize::MAX) };
    let Some(steps) = STEPS.get(version..) else {
        return Err(SessionFileError::Newer(path.to_owned()));
    };
    // A migration must not change a damaged file. One that is only read is looked over meanwhile.
    if !is_empty && !steps.is_empty() {
        look_over(path, connection).await?;
    }
    for (step, number) in steps.iter().zip(version + 1..) {
        let text = format!("BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;");
        connection.execute(sqlx::AssertSqlSafe(text)).await.map_err(refused)?;
    }
    Ok(())
}

/// Whether SQLite finds the file whole.
pub(super) async fn look_over(
    path: &Path,
    connection: &mut SqliteConnection,
) -> Result<(), SessionFileError> {
    let looked = sqlx::query_as::<_, (String,)>("PRAGMA quick_check(1)").fetch_one(connection);
    let (found,) = looked.await.map_err(|error| refusal(path, &error))?;
    if found == "ok" {
        return Ok(());
    }
    // A heading may be before it.
    let reason = found.lines().last().unwrap_or_default().to_owned();
    Err(SessionFileError::Damaged { path: path.to_owned(), reason })
}

/// What SQLite says of the file, as a reason not to start.
pub(super) fn refusal(path: &Path, error: &sqlx::Error) -> SessionFileError {
    let path = path.to_owned();
    let sqlx::Error::Database(error) = error else {
        return SessionFileError::Unusable { path, reason: error.to_string() };
    };
    let code = error.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or_default();
    // The lower byte is the kind of failure, as https://www.sqlite.org/rescode.html has it.
    match code & 0xff {
        11 => SessionFileError::Damaged { path, reason: error.message().to_owned() },
        26 => SessionFileError::NotSqlite(path),
        _ => SessionFileError::Unusable { path, reason: error.message().to_owned() },
    }
}

/// What the system says of the file.
pub(super) fn unusable(path: &Path, error: &io::Error) -> SessionFileError {
    SessionFileError::Unusable { path: path.to_owned(), reason: error.to_string() }
}

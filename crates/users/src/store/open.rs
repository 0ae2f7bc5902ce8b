//! Opens the pool of a database, makes the file where there is none and one is wanted, and brings its
//! tables up to date.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Any, AnyPool, ConnectOptions, Executor, Transaction};

use super::fault::reason;
use super::rekey::{RekeyError, rekey};
use super::sql::{Dialect, SqlStore};
use crate::url::DatabaseLocation;
use crate::{DatabaseUrl, OpenError};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// What a caller waits for a connection before the database counts as unavailable.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);
/// How often that is waited at the start, when no request waits for an answer yet and the database, or
/// the whole machine, may be starting too.
const OPENING_TRIES: u32 = 5;
const CONNECTIONS: u32 = 8;

/// A table that hardly anybody else has.
const OURS: &str = "SELECT 1 FROM session_endings LIMIT 1";
/// SQLite's word for a statement that does not fit the tables that there are.
const SQLITE_ERROR: &str = "1";
/// The error for tables of a later version.
const NEWER: &str = "it was made by a newer version: run that one";
const SQLITE_WAL: &str = "PRAGMA journal_mode = WAL";
/// What is deleted is overwritten: a ticket of a mail, a hash that was replaced.
const SQLITE_WIPES: &str = "PRAGMA secure_delete = ON";
/// A statement that no caller waits for any more ends by itself.
const POSTGRES_LIMITS: &str = "SET statement_timeout = '5s'; SET lock_timeout = '5s'; \
     SET idle_in_transaction_session_timeout = '10s'";

/// Opens the database, whatever is missing of it is made.
pub(crate) async fn open(url: &DatabaseUrl) -> Result<SqlStore, OpenError> {
    if let DatabaseLocation::File(path) = url.location() {
        make_private(path).map_err(|error| OpenError::Unreachable(error.to_string()))?;
    }
    let (dialect, pool) = connected(url).await?;
    brought_up_to_date(dialect, pool).await
}

/// Opens the database if our tables are in it. Any other is left as it is.
pub(crate) async fn open_existing(url: &DatabaseUrl) -> Result<SqlStore, OpenError> {
    let SqlStore { dialect, pool } = open_unmigrated(url).await?;
    brought_up_to_date(dialect, pool).await
}

/// Opens the database if our tables are in it, brings them up to date, and leaves the keys of names
/// as they are.
pub(crate) async fn open_with_old_keys(url: &DatabaseUrl) -> Result<SqlStore, OpenError> {
    let store = open_unmigrated(url).await?;
    let mut transaction = store.begin().await.map_err(unfinished)?;
    migrate_tables(&store, &mut transaction).await?;
    transaction.commit().await.map_err(unfinished)?;
    Ok(store)
}

/// Opens the database if our tables are in it, and leaves them as they are.
async fn open_unmigrated(url: &DatabaseUrl) -> Result<SqlStore, OpenError> {
    let missing = || OpenError::Missing(url.to_string());
    if let DatabaseLocation::File(path) = url.location()
        && matches!(path.try_exists(), Ok(false))
    {
        return Err(missing());
    }
    let (dialect, pool) = connected(url).await?;
    match pool.execute(OURS).await {
        Err(error) if is_without_tables(&error) => Err(missing()),
        Err(error) => Err(unreachable(&error)),
        Ok(_) => Ok(SqlStore::new(dialect, pool)),
    }
}

async fn connected(url: &DatabaseUrl) -> Result<(Dialect, AnyPool), OpenError> {
    sqlx::any::install_default_drivers();
    Ok(match url.location() {
        DatabaseLocation::Memory => (Dialect::Sqlite, memory().await?),
        DatabaseLocation::File(path) => (Dialect::Sqlite, file(path).await?),
        DatabaseLocation::Postgres(url) => (Dialect::Postgres, postgres(&url.target()).await?),
    })
}

async fn brought_up_to_date(dialect: Dialect, pool: AnyPool) -> Result<SqlStore, OpenError> {
    if dialect == Dialect::Sqlite {
        pool.execute(SQLITE_WAL).await.map_err(|error| unreachable(&error))?;
    }
    let store = SqlStore::new(dialect, pool);
    migrate(&store).await?;
    Ok(store)
}

/// Two processes may open a new database at once: the transaction around all of it holds the one
/// right to write. (`run` asks for more than a future that may be sent can give; `run_direct` is the
/// same.)
async fn migrate(store: &SqlStore) -> Result<(), OpenError> {
    let mut transaction = store.begin().await.map_err(unfinished)?;
    migrate_tables(store, &mut transaction).await?;
    rekey(&mut transaction).await.map_err(|error| match error {
        RekeyError::Newer => OpenError::Migration(NEWER.to_owned()),
        RekeyError::SameName(names) => OpenError::SameName(names),
        RekeyError::Database(error) => unfinished(error),
    })?;
    transaction.commit().await.map_err(unfinished)
}

async fn migrate_tables(
    store: &SqlStore,
    transaction: &mut Transaction<'static, Any>,
) -> Result<(), OpenError> {
    let migrator = if store.dialect == Dialect::Postgres { &POSTGRES } else { &SQLITE };
    migrator.run_direct(None, &mut **transaction, false).await.map_err(|error| failed(&error))
}

fn unfinished(error: sqlx::Error) -> OpenError {
    failed(&MigrateError::Execute(error))
}

fn failed(error: &MigrateError) -> OpenError {
    OpenError::Migration(reason_of(error))
}

/// One connection, never closed: to each connection of its own, a database of its own.
async fn memory() -> Result<AnyPool, OpenError> {
    let options = AnyPoolOptions::new()
        .min_connections(1)
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .acquire_timeout(ACQUIRE_TIMEOUT);
    connect(options, "sqlite::memory:").await
}

async fn file(path: &Path) -> Result<AnyPool, OpenError> {
    let path =
        std::path::absolute(path).map_err(|error| OpenError::Unreachable(error.to_string()))?;
    let options = AnyPoolOptions::new()
        .max_connections(CONNECTIONS)
        .test_before_acquire(false)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(SQLITE_WIPES).await.map(|_| ()) })
        });
    connect(options, &format!("sqlite://{}?mode=rw", encoded(&path)?)).await
}

async fn postgres(url: &str) -> Result<AnyPool, OpenError> {
    let options = AnyPoolOptions::new()
        .max_connections(2 * CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(POSTGRES_LIMITS).await.map(|_| ()) })
        });
    connect(options, url).await
}

async fn connect(options: AnyPoolOptions, url: &str) -> Result<AnyPool, OpenError> {
    let target = AnyConnectOptions::from_str(url)
        .map_err(|_| OpenError::Setting("this is no database URL".to_owned()))?
        .disable_statement_logging();
    for _ in 1..OPENING_TRIES {
        match options.clone().connect_with(target.clone()).await {
            Err(sqlx::Error::PoolTimedOut) => {}
            outcome => return outcome.map_err(|error| unreachable(&error)),
        }
    }
    match options.connect_with(target).await {
        Err(sqlx::Error::PoolTimedOut) if !url.starts_with("sqlite:") => {
            let reason = "no connection in time: is it running there?";
            Err(OpenError::Unreachable(reason.to_owned()))
        }
        outcome => outcome.map_err(|error| unreachable(&error)),
    }
}

/// Creates the file for its owner alone; SQLite gives its companions the same mode. One that is
/// there already keeps the mode its operator gave it.
fn make_private(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map(|_| ())
}

/// The path as a URL holds it, byte by byte.
fn encoded(path: &Path) -> Result<String, OpenError> {
    let path = path
        .to_str()
        .ok_or_else(|| OpenError::Setting("the path of a database is UTF-8".to_owned()))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    let encode = |byte: u8| {
        if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    Ok(path.bytes().map(encode).collect())
}

fn unreachable(error: &sqlx::Error) -> OpenError {
    OpenError::Unreachable(reason(error))
}

fn is_without_tables(error: &sqlx::Error) -> bool {
    matches!(code(error).as_deref(), Some(SQLITE_ERROR | "42P01"))
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

fn reason_of(error: &MigrateError) -> String {
    let error = match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error,
        MigrateError::VersionMissing(_) => {
            return NEWER.to_owned();
        }
        other => return other.to_string(),
    };
    match code(error).as_deref() {
        Some(SQLITE_ERROR | "42P07") => {
            "it has tables of that name (users, session_endings, database_identity, username_keys, \
             mail_…) that are not ours"
                .to_owned()
        }
        Some("42501") => "its user may not create tables".to_owned(),
        _ => reason(error),
    }
}

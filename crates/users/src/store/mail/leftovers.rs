//! What removed mails leave in the files of the database. Their tickets are good for as long as 24 hours, and
//! whoever reads a copy of the files must not find one.
//!
//! PostgreSQL is not reached here: who copies its files has its rows as well, dead ones included.

use sqlx::{AnyPool, Executor};

const JOURNAL_MODE: &str = "PRAGMA journal_mode";
const IN_WAL: &str = "wal";
/// A checkpoint that waits for readers has writers wait behind it.
const WITHOUT_WAITING: &str = "PRAGMA busy_timeout = 0";
/// Moves what is in the log into the file, where `secure_delete` writes zeros over what was removed, and
/// empties the log. Its answer begins with 1 where somebody still reads what is in the log.
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// Has nothing of removed rows left in the files of a SQLite database; `false` where somebody reads them
/// now: again later.
pub(super) async fn wipe(pool: &AnyPool) -> sqlx::Result<bool> {
    let mut connection = pool.acquire().await?;
    let mode: String = sqlx::query_scalar(JOURNAL_MODE).fetch_one(&mut *connection).await?;
    if mode != IN_WAL {
        // In memory. There is one connection, and the database ends with it.
        return Ok(true);
    }
    // Whoever came next would not wait for other writers.
    connection.close_on_drop();
    connection.execute(WITHOUT_WAITING).await?;
    let in_use: i64 = sqlx::query_scalar(CHECKPOINT).fetch_one(&mut *connection).await?;
    Ok(in_use == 0)
}

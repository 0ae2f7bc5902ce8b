//! What becomes of a database that fails, or does not answer.

use std::future::Future;
use std::time::Duration;

use crate::UsersError;

/// Runs `work` for so long at most. What has not been committed by then will not be.
pub(super) async fn limited<T>(
    limit: Duration,
    work: impl Future<Output = sqlx::Result<T>> + Send,
) -> Result<T, UsersError> {
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(UsersError::Unavailable(reason(&error))),
        Err(_) => Err(UsersError::Unavailable("no answer in time".to_owned())),
    }
}

/// What went wrong, without the statement and without any value in it: a database's own words may
/// repeat a row.
pub(super) fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::PoolTimedOut => "no connection in time".to_owned(),
        sqlx::Error::Io(error) => format!("no connection: {error}"),
        sqlx::Error::Tls(_) => {
            "no TLS connection: it offers none, or a certificate cannot be read; \
             sslmode says whether one is wanted"
                .to_owned()
        }
        sqlx::Error::Database(error) => database_reason(error.as_ref()),
        sqlx::Error::Configuration(_) => "its URL is not understood".to_owned(),
        sqlx::Error::ColumnDecode { index, .. } => format!("column {index} holds something else"),
        sqlx::Error::WorkerCrashed | sqlx::Error::PoolClosed => "it was closed".to_owned(),
        _ => "it was not understood".to_owned(),
    }
}

fn database_reason(error: &(dyn sqlx::error::DatabaseError + 'static)) -> String {
    let code = error.code().unwrap_or_default().into_owned();
    let meaning = match error.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
        // The low byte of an extended code is its class.
        Some(_) => match code.parse::<i32>().unwrap_or(0) & 0xff {
            5 | 6 => "it is locked",
            8 => "it is read-only",
            10 => "its file cannot be read or written",
            11 | 26 => "its file is damaged, or no database",
            13 => "its disk is full",
            14 => "its file cannot be opened",
            _ => "error",
        },
        None => match code.get(..2).unwrap_or_default() {
            "08" | "57" => "it is shutting down or starting",
            "28" => "it does not let us in",
            "3D" => "there is no such database",
            "40" | "55" => "it is locked",
            "42" if code == "42501" => "its user lacks a right",
            "53" => "it is out of room",
            _ => "error",
        },
    };
    format!("{meaning} (code {code})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_of_a_connection_is_told() {
        let unknown = std::io::Error::other("failed to lookup address information: no such host");
        assert!(reason(&sqlx::Error::Io(unknown)).ends_with("information: no such host"));
    }
}

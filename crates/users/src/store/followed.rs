//! What a service with sessions reads: what ended them, what users' generations are now, and
//! which database this is.

use std::collections::HashMap;

use sqlx::{AnyPool, AssertSqlSafe, Row as _};
use uuid::Uuid;

use super::row::{ending, id, parse_id};
use crate::{Generation, SessionEnding};

const ENDINGS: &str = "SELECT seq, user_id, generation, kept_session, cause FROM session_endings \
     WHERE seq >= $1 AND seq < $2 ORDER BY seq DESC LIMIT $3";
/// To be followed by a placeholder for each of them.
const GENERATIONS: &str = "SELECT id, generation FROM users WHERE id IN";
const IDENTITY: &str = "SELECT id FROM database_identity";

pub(super) async fn endings(
    pool: &AnyPool,
    since: i64,
    before: i64,
    limit: u32,
) -> sqlx::Result<Vec<SessionEnding>> {
    let query = sqlx::query(ENDINGS).bind(since).bind(before).bind(i64::from(limit));
    query.fetch_all(pool).await?.iter().map(ending).collect()
}

pub(super) async fn generations(
    pool: &AnyPool,
    ids: &[Uuid],
) -> sqlx::Result<HashMap<Uuid, Generation>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let placeholders: Vec<String> = (1..=ids.len()).map(|number| format!("${number}")).collect();
    // Nothing in it but numbers of our own.
    let statement = AssertSqlSafe(format!("{GENERATIONS} ({})", placeholders.join(", ")));
    let query = ids.iter().fold(sqlx::query(statement), |query, id| query.bind(id.to_string()));
    let rows = query.fetch_all(pool).await?;
    rows.iter().map(|row| Ok((id(row, "id")?, row.try_get("generation")?))).collect()
}

pub(super) async fn identity(pool: &AnyPool) -> sqlx::Result<Uuid> {
    parse_id(&sqlx::query_scalar::<_, String>(IDENTITY).fetch_one(pool).await?)
}

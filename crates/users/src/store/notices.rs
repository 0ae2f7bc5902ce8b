//! Which notices of tokens that end soon were given, as rows. Each call is one transaction, or one
//! statement.

use async_trait::async_trait;
use uuid::Uuid;

use super::fault::limited;
use super::mail::{NewMail, queue_mail};
use super::sql::{SqlStore, WRITE_TIMEOUT};
use crate::{TakenNotice, UsersError};

/// A date that went back makes the next walk no later than one interval from now.
const WALK: &str = "UPDATE token_notice_walk SET next_at_ms = $2 \
     WHERE next_at_ms <= $1 OR next_at_ms > $2";
const POSTPONE_WALK: &str = "UPDATE token_notice_walk SET next_at_ms = $1";
const TAKE: &str = "INSERT INTO token_notices (session_id, mark, taken_until_ms, forget_at_ms) \
     VALUES ($1, $2, $3, $4) ON CONFLICT (session_id, mark) DO NOTHING";
const TAKE_AGAIN: &str = "UPDATE token_notices SET taken_until_ms = $4 \
     WHERE session_id = $1 AND mark = $2 AND taken_until_ms <= $3";
const IS_GIVEN: &str = "SELECT COUNT(*) FROM token_notices \
     WHERE session_id = $1 AND mark = $2 AND taken_until_ms IS NULL";
const GIVEN: &str =
    "UPDATE token_notices SET taken_until_ms = NULL WHERE session_id = $1 AND mark = $2";
const FORGET: &str = "DELETE FROM token_notices WHERE forget_at_ms <= $1";

/// A notice that somebody wants to give.
pub(crate) struct NewNotice {
    pub(crate) session_id: Uuid,
    pub(crate) mark: &'static str,
    pub(crate) now_ms: i64,
    /// Until when it counts as being given.
    pub(crate) taken_until_ms: i64,
    /// When nobody can give it any more.
    pub(crate) forget_at_ms: i64,
    /// What its owner is sent.
    pub(crate) mail: Option<NewMail>,
}

/// Where the notices that were given are stored.
#[async_trait]
pub(crate) trait NoticeStore {
    /// Whether it is time to look for tokens that end soon, for one who asks; the next time is then.
    /// Forgets the notices of tokens that are long over.
    async fn take_walk(&self, now_ms: i64, next_ms: i64) -> Result<bool, UsersError>;

    /// Says when to look for them next.
    async fn postpone_walk(&self, next_ms: i64) -> Result<(), UsersError>;

    /// Takes a notice, for one who asks, and puts its mail into the outbox where nobody had taken it.
    async fn take_notice(&self, notice: &NewNotice) -> Result<TakenNotice, UsersError>;

    /// Says that a notice was given.
    async fn notice_given(&self, session_id: Uuid, mark: &str) -> Result<(), UsersError>;
}

#[async_trait]
impl NoticeStore for SqlStore {
    async fn take_walk(&self, now_ms: i64, next_ms: i64) -> Result<bool, UsersError> {
        limited(WRITE_TIMEOUT, async {
            let query = sqlx::query(WALK).bind(now_ms).bind(next_ms);
            let is_taken = query.execute(&self.pool).await?.rows_affected() == 1;
            if is_taken {
                sqlx::query(FORGET).bind(now_ms).execute(&self.pool).await?;
            }
            Ok(is_taken)
        })
        .await
    }

    async fn postpone_walk(&self, next_ms: i64) -> Result<(), UsersError> {
        limited(WRITE_TIMEOUT, async {
            sqlx::query(POSTPONE_WALK).bind(next_ms).execute(&self.pool).await.map(|_| ())
        })
        .await
    }

    async fn take_notice(&self, notice: &NewNotice) -> Result<TakenNotice, UsersError> {
        limited(WRITE_TIMEOUT, async {
            let mut transaction = self.begin().await?;
            let id = notice.session_id.to_string();
            let query = sqlx::query(TAKE).bind(id.clone()).bind(notice.mark);
            let query = query.bind(notice.taken_until_ms).bind(notice.forget_at_ms);
            if query.execute(&mut *transaction).await?.rows_affected() == 1 {
                if let Some(mail) = &notice.mail {
                    queue_mail(&mut transaction, mail).await?;
                }
                transaction.commit().await?;
                return Ok(TakenNotice::First);
            }
            let query = sqlx::query(TAKE_AGAIN).bind(id.clone()).bind(notice.mark);
            let query = query.bind(notice.now_ms).bind(notice.taken_until_ms);
            if query.execute(&mut *transaction).await?.rows_affected() == 1 {
                transaction.commit().await?;
                return Ok(TakenNotice::Again);
            }
            let query = sqlx::query_scalar(IS_GIVEN).bind(id).bind(notice.mark);
            let given: i64 = query.fetch_one(&mut *transaction).await?;
            Ok(if given == 0 { TakenNotice::Taken } else { TakenNotice::Given })
        })
        .await
    }

    async fn notice_given(&self, session_id: Uuid, mark: &str) -> Result<(), UsersError> {
        limited(WRITE_TIMEOUT, async {
            let query = sqlx::query(GIVEN).bind(session_id.to_string()).bind(mark.to_owned());
            query.execute(&self.pool).await.map(|_| ())
        })
        .await
    }
}

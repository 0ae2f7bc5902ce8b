//! Notices of tokens that end soon: each is given once, by whichever of several processes takes it.

use std::time::Duration;

use uuid::Uuid;

use super::Directory;
use crate::store::mail::NewMail;
use crate::store::notices::NewNotice;
use crate::{MailKind, TakenNotice, TokenNotice, User, UsersError};

/// How long who has taken a notice may be giving it; after that another may have to finish it.
const GIVING: Duration = Duration::from_mins(1);
/// How long after the token's end its notices are stored: a date that jumps must not give them again.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(30 * 24);

impl Directory {
    /// Whether this process is to look for tokens that end soon, and no other for this long. Forgets
    /// the notices of tokens that are long over.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn take_token_walk(&self, interval: Duration) -> Result<bool, UsersError> {
        let now_ms = self.inner.clock.unix_ms();
        self.inner.store.take_walk(now_ms, after(now_ms, interval)).await
    }

    /// Has somebody look for them after this time: the walk that was taken is not done.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn postpone_token_walk(&self, pause: Duration) -> Result<(), UsersError> {
        self.inner.store.postpone_walk(after(self.inner.clock.unix_ms(), pause)).await
    }

    /// Takes a notice, so that nobody else gives it, and queues a mail to the owner with it, where there
    /// is one who reads mail: not to a service, the demo user or a user who is disabled.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn take_notice(&self, notice: TokenNotice<'_>) -> Result<TakenNotice, UsersError> {
        let now_ms = self.inner.clock.unix_ms();
        let owner = match notice.mail_to {
            Some(owner) => self.get(owner).await?.filter(reads_mail),
            None => None,
        };
        let token = Some((notice.name.map(str::to_owned), notice.ends_at_ms));
        let mail = owner
            .map(|owner| {
                let mail = self.mail_to(&owner, MailKind::TokenExpiring)?;
                Ok::<_, UsersError>(NewMail { token, ..mail })
            })
            .transpose()?;
        let notice = NewNotice {
            session_id: notice.session_id,
            mark: notice.mark,
            now_ms,
            taken_until_ms: after(now_ms, GIVING),
            forget_at_ms: after(notice.ends_at_ms, FORGOTTEN_AFTER),
            mail,
        };
        self.inner.store.take_notice(&notice).await
    }

    /// Says that a notice was given: nobody has to finish it.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn notice_given(&self, session_id: Uuid, mark: &str) -> Result<(), UsersError> {
        self.inner.store.notice_given(session_id, mark).await
    }
}

const fn reads_mail(user: &User) -> bool {
    !user.service && !user.demo && !user.disabled
}

fn after(ms: i64, period: Duration) -> i64 {
    ms.saturating_add(i64::try_from(period.as_millis()).unwrap_or(i64::MAX))
}

//! How many users and sessions there are.

use super::{Domain, Error};

/// The numbers of users and of sessions; that of sessions may be an estimate.
pub(crate) async fn count(domain: &Domain) -> Result<(u64, u64), Error> {
    let users = domain.users.count().await?;
    let sessions = domain.sessions.store().count().await?;
    Ok((users, sessions))
}

/// Brings the gauge of sessions up to date. A store that does not answer leaves the last
/// number standing.
pub(crate) async fn refresh_sessions_active(domain: &Domain) {
    if let Ok(count) = domain.sessions.store().count().await {
        domain.figures.sessions_active.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

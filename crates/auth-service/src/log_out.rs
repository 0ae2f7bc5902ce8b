//! Ends the sessions of presented tokens, whatever the request was: a logout, a revocation, a login over
//! them. Who has a session's token may end it, so that none of several is passed over.

use std::net::IpAddr;

use session::Presented;

use crate::app::App;
use crate::error::ApiError;

/// What a session is ended for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Logout,
    Revoked,
    /// A form login that came with its cookie.
    Replaced,
}

impl Cause {
    /// The event in the audit log, and its reason where the event does not say.
    const fn event(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Logout => ("logout", None),
            Self::Revoked => ("token_revoked", None),
            Self::Replaced => ("session_ended", Some("replaced")),
        }
    }
}

/// Ends each session that one of these tokens opens, or opened before its latest rotation.
///
/// # Errors
///
/// [`ApiError::Unavailable`] where the store did not answer for one of them; the others have ended.
pub(crate) async fn log_out(
    app: &App,
    presented: &[Presented],
    cause: Cause,
    ip: Option<IpAddr>,
) -> Result<(), ApiError> {
    let (event, reason) = cause.event();
    let mut failed = None;
    for ended in app.sessions.log_out(presented).await {
        match ended {
            Ok(Some(session)) => tracing::info!(target: "audit", event, reason,
                user_id = %session.subject.id, session_id = %session.id,
                ip = ip.map(tracing::field::display)),
            Ok(None) => {}
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}

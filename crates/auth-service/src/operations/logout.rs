//! Ends the sessions of presented tokens, whatever the request was: a logout, a revocation, a login over
//! them. Who has a session's token may end it, so that none of several is passed over.

use session::{Cause, EventContext, Presented};

use super::client::Client;
use super::{Domain, Error};

/// Ends each session that one of these tokens opens, or opened before its latest rotation.
///
/// # Errors
///
/// [`Error::Unavailable`] where the store did not answer for one of them; the others have ended.
pub(crate) async fn log_out(
    domain: &Domain,
    presented: &[Presented],
    cause: Cause,
    client: &Client,
) -> Result<(), Error> {
    let context = EventContext::of_client(cause, client.seen_at());
    let ended = domain.sessions.log_out(presented, &context).await;
    ended.into_iter().filter_map(Result::err).next_back().map_or(Ok(()), |error| Err(error.into()))
}

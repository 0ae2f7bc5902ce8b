//! `POST /tokens`: mints a token for a program.

use std::sync::Arc;
use std::time::Duration;

use auth_api_types::{Kind, MintTokenRequest, TokenResponse};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use server_runtime::settings::duration;
use session::{Issued, Mint, SessionError};

use crate::audit;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body::Json;
use crate::http::extract::caller::Caller;
use crate::http::openapi::MintProblems;
use crate::http::reply;

/// The longest name of a token, in characters.
const NAME_CHARS: usize = 100;

/// Mint a token.
///
/// A session of its own with my role, for a program. It outlives my logout.
#[utoipa::path(
    post, path = "/tokens", tag = "Sessions",
    request_body = MintTokenRequest,
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses((status = 201, description = "The token, shown this once", body = TokenResponse), MintProblems)
)]
pub(crate) async fn mint_token(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(request): Json<MintTokenRequest>,
) -> Result<Response, ApiError> {
    let issued = mint(&app, &caller, request).await?;
    reply::token(&app, StatusCode::CREATED, &issued)
}

/// Mints what was asked for, if the caller may.
pub(crate) async fn mint(
    app: &App,
    caller: &Caller,
    request: MintTokenRequest,
) -> Result<Issued, ApiError> {
    let mint = Mint {
        kind: kind(request.kind.unwrap_or(Kind::Fixed)),
        ttl: request.ttl.as_deref().map(ttl).transpose()?,
        name: request.name.map(name).transpose()?,
        origin: caller.client.origin(),
    };
    let issued = issue(app, caller, mint).await?;
    audit::token_minted(&issued.session, caller);
    audit::sessions_ended_past_limit(&issued);
    Ok(issued)
}

/// Counts the token before it is made. One that may have been made stays counted.
async fn issue(app: &App, caller: &Caller, mint: Mint) -> Result<Issued, ApiError> {
    let ticket = app.throttle.admit_mint(caller.session.subject.id).await?;
    match app.sessions.mint(&caller.session, caller.presented, mint).await {
        Ok(issued) => Ok(issued),
        Err(error) => {
            if !matches!(error, SessionError::Store(_)) {
                app.throttle.mint_refused(ticket).await;
            }
            Err(error.into())
        }
    }
}

const fn kind(kind: Kind) -> session::Kind {
    match kind {
        Kind::Sliding => session::Kind::Sliding,
        Kind::Fixed => session::Kind::Fixed,
        Kind::SingleUse => session::Kind::SingleUse,
    }
}

/// A duration that is longer than can be counted is past any maximum.
fn ttl(text: &str) -> Result<Duration, ApiError> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let too_long = || unit.len() < text.len() && duration(&format!("1{unit}")).is_some();
    duration(text).or_else(|| too_long().then_some(Duration::MAX)).ok_or_else(|| {
        ApiError::Invalid("`ttl` must be a duration such as 300ms, 30s or 12h".to_owned())
    })
}

fn name(name: String) -> Result<Arc<str>, ApiError> {
    if name.chars().count() > NAME_CHARS || name.chars().any(char::is_control) {
        return Err(ApiError::Unprocessable(format!(
            "`name` may have {NAME_CHARS} characters, and no control characters"
        )));
    }
    Ok(name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_longer_than_can_be_counted_is_a_duration_all_the_same() {
        for text in ["99999999999999999999d", "18446744073709551615ms", "400000d"] {
            assert_eq!(ttl(text), Ok(Duration::MAX), "{text}");
        }
        assert_eq!(ttl("90d"), Ok(Duration::from_hours(24 * 90)));
        for text in ["", "d", "99999999999999999999", "99999999999999999999w", "-1d", "1.5h"] {
            assert!(ttl(text).is_err(), "{text}");
        }
    }
}

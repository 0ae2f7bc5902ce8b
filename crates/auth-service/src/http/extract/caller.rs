//! Who asks: the session that a request's token opens. Extracting it is a use of the token.

use std::sync::Arc;

use auth_api_types::Reason;
use auth_http::credential::Carried;
use auth_http::cross_site::FromNamedOrigin;
use auth_http::describe;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use session::{Intent, Presented, SeenAt, Token};

use super::client::client_of;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::operations::access::{Admission, is_admin, require_admin};
use crate::operations::caller::{self, Caller};
use crate::operations::client::Client;

/// A caller whose session acts as an admin.
pub(crate) struct Admin(pub(crate) Caller);

/// A caller who need not be one of our own users: for what concerns nothing but sessions.
pub(crate) struct AnyUser(pub(crate) Caller);

/// A caller whose session may also be narrowed to scopes: for what only looks at it.
pub(crate) struct AnySession(pub(crate) Caller);

/// The caller by the token that a request carries, if its session is admitted.
pub(crate) async fn present(
    app: &App,
    parts: &Parts,
    intent: Intent,
    admission: Admission,
) -> Result<Caller, ApiError> {
    let client = client_of(parts, &app.client_addresses);
    let seen = client.seen_at();
    present_from(app, parts, intent, (client, &seen), admission).await
}

/// The same by a backend, which says nothing of the client it acts for.
pub(crate) async fn present_by_backend(app: &App, parts: &Parts) -> Result<Caller, ApiError> {
    let client = (Client::unknown(), &SeenAt::default());
    present_from(app, parts, Intent::Use, client, Admission::AllSessions).await
}

/// The caller of a request that may come without one: a credential that opens nothing is none.
/// An ambiguous one, or one that the store does not answer for, is an error here too.
pub(crate) async fn present_if_any(app: &App, parts: &Parts) -> Result<Option<Caller>, ApiError> {
    match present(app, parts, Intent::Use, Admission::OwnUsers).await {
        Ok(caller) => Ok(Some(caller)),
        Err(ApiError::MissingToken | ApiError::InvalidToken(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The token as a store knows it.
pub(crate) fn read(carried: Carried<'_>, intent: Intent) -> Result<Presented, ApiError> {
    std::str::from_utf8(carried.as_bytes())
        .ok()
        .and_then(|text| Token::read(text).ok())
        .map(|(id, digest)| Presented { id, digest, intent })
        .ok_or(ApiError::InvalidToken(describe(Reason::Malformed)))
}

/// Those of the tokens that are well-formed, to end their sessions.
pub(crate) fn readable<'a>(carried: impl IntoIterator<Item = Carried<'a>>) -> Vec<Presented> {
    carried.into_iter().filter_map(|carried| read(carried, Intent::End).ok()).collect()
}

async fn present_from(
    app: &App,
    parts: &Parts,
    intent: Intent,
    (client, seen): (Client, &SeenAt),
    admission: Admission,
) -> Result<Caller, ApiError> {
    let carried = Carried::find(&parts.headers, &app.cookie.name)?.ok_or(ApiError::MissingToken)?;
    let presented = read(carried, intent)?;
    let session = caller::present(&app.domain, presented, seen).await?;
    admission.admit(&session)?;
    let from_named_origin = parts.extensions.get::<FromNamedOrigin>().is_some();
    // INVARIANT: what acts as an admin is changed from our own pages only, whatever other origins
    // are let in.
    if from_named_origin && is_admin(&session) {
        return Err(ApiError::CrossSite);
    }
    Ok(Caller { session, presented, by_cookie: carried.by_cookie, from_named_origin, client })
}

impl<S> FromRequestParts<S> for Caller
where
    Arc<App>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        present(&Arc::<App>::from_ref(state), parts, Intent::Use, Admission::OwnUsers).await
    }
}

impl<S> FromRequestParts<S> for AnyUser
where
    Arc<App>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let app = Arc::<App>::from_ref(state);
        present(&app, parts, Intent::Use, Admission::AllUsers).await.map(Self)
    }
}

impl<S> FromRequestParts<S> for AnySession
where
    Arc<App>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let app = Arc::<App>::from_ref(state);
        present(&app, parts, Intent::Use, Admission::AllSessions).await.map(Self)
    }
}

impl<S> FromRequestParts<S> for Admin
where
    Arc<App>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        require_admin(&caller.session)?;
        Ok(Self(caller))
    }
}

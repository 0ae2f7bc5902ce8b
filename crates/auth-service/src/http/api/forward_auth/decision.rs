//! The one decision that all forward-auth endpoints ask for.
//!
//! INVARIANT: it rests on the session, and on the role that the proxy's own configuration asks for.
//! No forwarded path, host or address has a part in it.

use std::borrow::Cow;

use auth_http::credential::Carried;
use axum::http::request::Parts;
use session::{Intent, Session};
use url::form_urlencoded;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::caller;
use crate::http::extract::client::seen_by_proxy;
use crate::operations::validation;

/// Whether a request may pass: its session, if that lives and acts in each of `roles`.
pub(super) async fn decide(
    app: &App,
    parts: &Parts,
    roles: &[Cow<'_, str>],
    intent: Intent,
) -> Result<Session, ApiError> {
    let carried = Carried::find(&parts.headers, &app.cookie.name)
        .map_err(|_| TWO_TOKENS)?
        .ok_or(ApiError::MissingToken)?;
    let presented =
        caller::read(carried, intent).inspect_err(|_| app.domain.figures.count_malformed())?;
    let seen = seen_by_proxy(parts, &app.client_addresses);
    let roles = roles.iter().map(AsRef::as_ref);
    Ok(validation::admit(&app.domain, presented, seen, roles).await?)
}

/// Proxies know a refusal by 401 or 403 and take anything else for a failure.
const TWO_TOKENS: ApiError = ApiError::InvalidToken("the request carries more than one token");

/// The roles that the proxy's configuration asks for. Other parameters are not a typing error in
/// it: Caddy adds the client's own query where its configuration has none.
pub(super) fn queried_roles(parts: &Parts) -> Vec<Cow<'_, str>> {
    let query = parts.uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
        .filter_map(|(name, value)| (name == "role").then_some(value))
        .collect()
}

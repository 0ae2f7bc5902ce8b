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

/// What a proxy's configuration demands of a session.
#[derive(Default)]
pub(super) struct Demand<'a> {
    roles: Vec<Cow<'a, str>>,
    /// Whether it demands something that is not known here.
    is_unknown: bool,
}

impl<'a> Demand<'a> {
    /// What the query demands. A parameter that is not known may be a misspelt `role`, and must not
    /// let every session pass. It is not the client's: the printed configurations keep that out.
    pub(super) fn queried(parts: &'a Parts) -> Self {
        let mut demand = Self::default();
        let query = parts.uri.query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if name == "role" {
                demand.roles.push(value);
            } else {
                demand.is_unknown = true;
            }
        }
        demand
    }

    /// That the session acts in this role.
    pub(super) fn of_role(role: Cow<'a, str>) -> Self {
        Self { roles: vec![role], is_unknown: false }
    }
}

/// Whether a request may pass: its session, if that lives and does all that is demanded.
pub(super) async fn decide(
    app: &App,
    parts: &Parts,
    demand: &Demand<'_>,
    intent: Intent,
) -> Result<Session, ApiError> {
    let carried = Carried::find(&parts.headers, &app.cookie.name)
        .map_err(|_| TWO_TOKENS)?
        .ok_or(ApiError::MissingToken)?;
    let presented =
        caller::read(carried, intent).inspect_err(|_| app.domain.figures.count_malformed())?;
    let seen = seen_by_proxy(parts, &app.client_addresses);
    let roles = demand.roles.iter().map(AsRef::as_ref);
    let session = validation::admit(&app.domain, presented, seen, roles).await?;
    if demand.is_unknown {
        return Err(ApiError::Forbidden(UNKNOWN_DEMAND));
    }
    Ok(session)
}

const UNKNOWN_DEMAND: &str = "the proxy may ask for `role` in its query, and nothing else";

/// Proxies know a refusal by 401 or 403 and take anything else for a failure.
const TWO_TOKENS: ApiError = ApiError::InvalidToken("the request carries more than one token");

//! The one decision that all forward-auth endpoints ask for.
//!
//! INVARIANT: it rests on the session, and on what the proxy's own configuration demands of one.
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
use crate::operations::access::Demand;
use crate::operations::validation;

/// What a proxy's configuration demands of a session, as it was read.
#[derive(Default)]
pub(super) struct ReadDemand<'a> {
    demand: Demand<'a>,
    /// Whether it demands something that is not known here.
    is_unknown: bool,
}

impl<'a> ReadDemand<'a> {
    /// What the query demands. A parameter that is not known may be a misspelt `role`, and must not
    /// let every session pass. It is not the client's: the printed configurations keep that out.
    pub(super) fn queried(parts: &'a Parts) -> Self {
        let mut read = Self::default();
        let query = parts.uri.query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "role" => read.demand.roles.push(value),
                "scope" => read.demand.scopes.push(value),
                "external" if value == "true" => read.demand.accepts_external = true,
                _ => read.is_unknown = true,
            }
        }
        read
    }

    /// That the session acts in this role.
    pub(super) fn of_role(role: Cow<'a, str>) -> Self {
        let demand = Demand { roles: vec![role], ..Demand::default() };
        Self { demand, is_unknown: false }
    }

    /// That the session has this scope, unless it is narrowed to none.
    pub(super) fn of_scope(scope: Cow<'a, str>) -> Self {
        let demand = Demand { scopes: vec![scope], ..Demand::default() };
        Self { demand, is_unknown: false }
    }

    /// That the session is one of our users or that of a user whom only a backend knows.
    pub(super) fn of_every_user() -> Self {
        let demand = Demand { accepts_external: true, ..Demand::default() };
        Self { demand, is_unknown: false }
    }
}

/// Whether a request may pass: its session, if that lives and does all that is demanded.
pub(super) async fn decide(
    app: &App,
    parts: &Parts,
    read: &ReadDemand<'_>,
    intent: Intent,
) -> Result<Session, ApiError> {
    let carried = Carried::find(&parts.headers, &app.cookie.name)
        .map_err(|_| TWO_TOKENS)?
        .ok_or(ApiError::MissingToken)?;
    let presented =
        caller::read(carried, intent).inspect_err(|_| app.domain.figures.count_malformed())?;
    let seen = seen_by_proxy(parts, &app.client_addresses);
    let session = validation::admit(&app.domain, presented, seen, &read.demand).await?;
    if read.is_unknown {
        return Err(ApiError::Forbidden(UNKNOWN_DEMAND));
    }
    Ok(session)
}

const UNKNOWN_DEMAND: &str =
    "the proxy may ask for `role`, `scope` and `external=true` in its query, and for nothing else";

/// Proxies know a refusal by 401 or 403 and take anything else for a failure.
const TWO_TOKENS: ApiError = ApiError::InvalidToken("the request carries more than one token");

//! `/authz/check`, in demo mode only: what a proxy sent, and what the endpoints make of it. For
//! finding out why a proxy's configuration does not do what it should.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use session::{Intent, Session};
use utoipa::ToSchema;

use super::decision::{ReadDemand, decide};
use super::identity_headers;
use super::original_request::OriginalRequest;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::client::peer_of;
use crate::http::openapi::CheckProblems;
use crate::http::reply;

/// Headers of which only the name is shown.
const SECRET: &[&str] =
    &["authorization", "proxy-authorization", "token", "x-internal-key", "set-cookie"];
/// What every token begins with.
const TOKEN_PREFIX: &str = "rfl_";
const MASK: &str = "…";

/// What a proxy sent, and what came of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Check {
    /// The method it asked with.
    method: String,
    /// The headers it sent, in order of their names, secrets masked.
    headers: Vec<Header>,
    /// Whose request it is taken for.
    client: DerivedClient,
    /// What was decided.
    decision: Decision,
    /// Whether it is a browser's navigation, which is sent to the login page.
    is_navigation: bool,
    /// The URL that the proxy says was asked for, where that can be told.
    #[serde(rename = "asked_for", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    requested_url: Option<String>,
}

/// One header.
#[derive(Serialize, ToSchema)]
pub(crate) struct Header {
    /// Its name.
    name: String,
    /// Its value; secrets masked, and what is no text replaced.
    value: String,
}

/// A client's address, and how it was found.
#[derive(Serialize, ToSchema)]
pub(crate) struct DerivedClient {
    /// The address.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    /// How it was found.
    why: String,
}

/// What the forward-auth endpoints would answer.
#[derive(Serialize, ToSchema)]
pub(crate) struct Decision {
    /// The status, before a navigation is redirected.
    status: u16,
    /// Why not, where it is not 200.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The identity headers of a 200.
    headers: Vec<Header>,
}

/// What a proxy sends.
///
/// In demo mode only. Point a proxy here instead of at its endpoint: any method. It only looks: a
/// session that is bound to another place is refused, and lives on.
#[utoipa::path(
    get, path = "/authz/check", tag = "Forward auth",
    params(("role" = Option<String>, Query, nullable = false, description = "The role that the session must act in")),
    security((), ("bearer" = []), ("token" = []), ("cookie" = [])),
    responses((status = 200, description = "What it sent, and what was decided", body = Check), CheckProblems)
)]
pub(crate) async fn check(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    let decision = decide(&app, &parts, &ReadDemand::queried(&parts), Intent::Look).await;
    let original = OriginalRequest::by_headers(&parts);
    let check = Check {
        method: parts.method.to_string(),
        headers: shown(&parts.headers),
        client: client(&app, &parts),
        decision: reported(decision),
        is_navigation: original.is_navigation,
        requested_url: original.url.map(|url| masked("", &url)),
    };
    reply::json(StatusCode::OK, &check)
}

fn reported(decision: Result<Session, ApiError>) -> Decision {
    match decision {
        Ok(session) => Decision {
            status: 200,
            detail: None,
            headers: shown(&identity_headers::headers(&session)),
        },
        Err(error) => Decision {
            status: error.status().as_u16(),
            detail: Some(error.detail()),
            headers: Vec::new(),
        },
    }
}

fn client(app: &App, parts: &Parts) -> DerivedClient {
    let addresses = &app.client_addresses;
    let header = &addresses.proxies.header;
    let Some(peer) = peer_of(parts) else {
        return DerivedClient { ip: None, why: "the connection has no address".to_owned() };
    };
    let peer = peer.to_canonical();
    let named = parts.headers.contains_key(header);
    let found = addresses.find(peer, &parts.headers);
    let why = match (addresses.proxies.trusts(peer), named) {
        (false, true) => format!(
            "{peer} connected and is not in AUTH_TRUSTED_PROXIES: what it says in {header} is not \
             believed, and sessions are not held to an address here"
        ),
        (false, false) => format!(
            "{peer} connected and is not in AUTH_TRUSTED_PROXIES: sessions are not held to an \
             address here"
        ),
        (true, false) => format!("{peer} is a trusted proxy, but sent no {header}"),
        (true, true) => format!(
            "{peer} is a trusted proxy: the first address in {header}, from the right, that is \
             not one too"
        ),
    };
    DerivedClient { ip: Some(found.to_string()), why }
}

fn shown(headers: &HeaderMap) -> Vec<Header> {
    let mut shown: Vec<Header> = headers
        .iter()
        .map(|(name, value)| Header {
            name: name.to_string(),
            value: masked(name.as_str(), &String::from_utf8_lossy(value.as_bytes())),
        })
        .collect();
    shown.sort_by(|a, b| a.name.cmp(&b.name));
    shown
}

/// The value of a header without what opens anything.
fn masked(name: &str, value: &str) -> String {
    if name == "cookie" {
        let names = value.split(';').map(|pair| {
            let name = pair.split('=').next().unwrap_or_default().trim();
            // What has no `=` may be all value.
            if pair.contains('=') { format!("{name}={MASK}") } else { MASK.to_owned() }
        });
        return names.collect::<Vec<_>>().join("; ");
    }
    if SECRET.contains(&name) {
        // The scheme of a credential is worth knowing, and no secret where one follows it.
        return match value.split_once(' ') {
            Some((scheme, _)) if name.ends_with("authorization") => format!("{scheme} {MASK}"),
            _ => MASK.to_owned(),
        };
    }
    let mut pieces = value.split(TOKEN_PREFIX);
    let mut masked = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        masked.push_str(TOKEN_PREFIX);
        masked.push_str(MASK);
        masked.push_str(piece.trim_start_matches(|c: char| c.is_ascii_alphanumeric()));
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_opens_something_is_masked() {
        for (name, value, shown) in [
            ("cookie", "a=b; reinflate=rfl_x", "a=…; reinflate=…"),
            ("cookie", "rfl_x", "…"),
            ("authorization", "Bearer rfl_x", "Bearer …"),
            ("authorization", "rfl_x", "…"),
            ("token", "rfl_x y", "…"),
            ("x-internal-key", "k", "…"),
            ("x-forwarded-uri", "/a?t=rfl_Ab9&u=rfl_", "/a?t=rfl_…&u=rfl_…"),
            ("accept", "text/html", "text/html"),
        ] {
            assert_eq!(masked(name, value), shown, "{name}: {value}");
        }
    }
}

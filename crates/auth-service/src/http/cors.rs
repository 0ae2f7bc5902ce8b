//! The headers by which browsers let scripts of the named origins read our answers: errors too,
//! and that there is nothing at a path.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;

use crate::http::error::ApiError;
use crate::http::reply;

/// What scripts may read beside what every answer shows them.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("etag, location, retry-after, www-authenticate, x-request-id");
/// What a preflight's answer depends on.
const PREFLIGHT: HeaderValue =
    HeaderValue::from_static("access-control-request-method, access-control-request-headers");

/// Where nothing ever answers another origin, not even that there is nothing.
const CLOSED: [&str; 2] = ["/api/v1/users", "/admin"];

/// Which scripts may ask, and where.
pub(crate) struct NamedOrigins {
    pub(crate) origins: Vec<HeaderValue>,
    /// The routes that they may ask, by their patterns.
    pub(crate) open: HashSet<String>,
}

/// Answers the scripts of named origins, preflights included. Inside of what gives each request its id,
/// and around everything else: whatever refuses a request, the script can read why.
pub(crate) async fn answer_named_origins(
    named: Arc<NamedOrigins>,
    request: Request,
    next: Next,
) -> Response {
    if !named.is_open(&request) {
        return next.run(request).await;
    }
    let origin = request.headers().get(header::ORIGIN);
    let origin = origin.and_then(|origin| named.origins.iter().find(|named| *named == origin));
    let mut response = match (origin, preflight(&request)) {
        (Some(_), Some(allowed)) => {
            let mut response = reply::no_content();
            response.headers_mut().extend(allowed);
            response
        }
        // A panic ends here, or its answer would be one that no script can read.
        _ => AssertUnwindSafe(next.run(request))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| ApiError::Internal.into_response()),
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let yes = HeaderValue::from_static("true");
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    response
}

impl NamedOrigins {
    /// Whether scripts of other origins may ask this: a route that is open, or no route at all.
    fn is_open(&self, request: &Request) -> bool {
        let path = request.uri().path();
        match request.extensions().get::<MatchedPath>() {
            Some(route) => self.open.contains(route.as_str()),
            None => !CLOSED.iter().any(|closed| path.starts_with(closed)),
        }
    }
}

/// What a preflight is answered with: what it asks for, since the request itself is judged.
fn preflight(request: &Request) -> Option<HeaderMap> {
    let request_headers = request.headers();
    let method = request_headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
    if request.method() != Method::OPTIONS {
        return None;
    }
    let mut allowed = HeaderMap::new();
    allowed.insert(header::ACCESS_CONTROL_ALLOW_METHODS, method.clone());
    if let Some(headers) = request_headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        allowed.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, headers.clone());
    }
    allowed.insert(header::VARY, PREFLIGHT);
    Some(allowed)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;
    use crate::http::router;

    async fn answer(path: &str, origin: &str) -> Response {
        let origins = vec![HeaderValue::from_static("app://shell")];
        let named = Arc::new(NamedOrigins { origins, open: router::open_paths() });
        let layer = middleware::from_fn(move |request, next| {
            answer_named_origins(Arc::clone(&named), request, next)
        });
        let panics = get(async || -> () { panic!("on purpose") });
        let router = Router::new()
            .route("/session", panics)
            .route("/tokens", get(async || "no script's business"))
            .fallback(async || ApiError::NotFound)
            .layer(layer);
        let request = Request::get(path).header(header::ORIGIN, origin);
        router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_defect_can_be_read_by_those_who_may_ask() {
        let response = answer("/session", "app://shell").await;
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()["access-control-allow-origin"], "app://shell");
        let other = answer("/session", "app://other").await;
        assert!(!other.headers().contains_key("access-control-allow-origin"));
    }

    #[tokio::test]
    async fn where_nothing_is_open_nothing_is_added() {
        for path in ["/tokens", "/admin", "/admin/nothing", "/api/v1/users/me/nothing"] {
            let response = answer(path, "app://shell").await;
            assert!(
                !response.headers().keys().any(|name| name.as_str().contains("allow-origin")),
                "{path}"
            );
        }
        let nowhere = answer("/nowhere", "app://shell").await;
        assert_eq!(nowhere.headers()["access-control-allow-origin"], "app://shell");
    }

    #[test]
    fn what_is_open_is_what_the_table_of_routes_says() {
        let routes = router::open_paths();
        for open in ["/login", "/session/rotate", "/sessions/{id}", "/livez", "/openapi.json"] {
            assert!(routes.contains(open), "{open}");
        }
        for closed in ["/tokens", "/api/v1/stats", "/api/v1/sessions", "/account", "/admin/users"] {
            assert!(!routes.contains(closed), "{closed}");
        }
        assert!(!routes.iter().any(|path| CLOSED.iter().any(|closed| path.starts_with(closed))));
    }
}

//! Routes whose layers stand directly around their handlers.
//!
//! `Router::layer` knows no handler, only routes, which are boxed: each layer then clones a box and
//! makes another one of the response's future, for each request. The layers here are of the
//! handler's own type, and so is the future. For routes that serve most requests.

use std::convert::Infallible;

use axum::extract::Request;
use axum::handler::{Handler, HandlerService};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter};
use tower::{Layer, Service};

/// `handler` for one method, within `layers`. A router has the same layers around the path's other
/// methods: there the path stands with `MethodRouter::new()`.
pub fn layered<H, T, S, L>(method: MethodFilter, handler: H, state: S, layers: &L) -> MethodRouter
where
    H: Handler<T, S>,
    L: Layer<HandlerService<H, T, S>>,
    L::Service: Service<Request, Response = Response, Error = Infallible>,
    L::Service: Clone + Send + Sync + 'static,
    <L::Service as Service<Request>>::Future: Send + 'static,
{
    MethodRouter::new().on_service(method, layers.layer(handler.with_state(state)))
}

//! The table of routes, and the layers around it.

use auth_http::cross_site::CrossSiteRule;
use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::{DefaultBodyLimit, Request};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter, get};
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use server_runtime::page::style_sheet;
use server_runtime::refuse::{Rule, cross_site, other_hosts};
use server_runtime::route::layered;
use server_runtime::{AllowedHosts, Refuse, RequestLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::{App, AppState};
use crate::error::Error;
use crate::handlers::{data, notes, pages, probes};
use crate::openapi::describe;
use crate::page::COUNTDOWN;

const DATA: &str = "/data";
const PROTECTED_RESOURCE: &str = "/protected-resource";

/// The most bytes of a body.
const BODY_LIMIT: usize = 64 * 1024;

/// Everything on the public listener.
pub(crate) fn public(app: &App) -> Router {
    let json = Bytes::from(openapi(app).to_json().unwrap_or_default());
    let openapi = async move || ([(CONTENT_TYPE, "application/json")], json);
    let router = Router::from(for_browsers(app).merge(probes(app)))
        .route(auth_api_types::paths::OPENAPI, get(openapi))
        .route("/", get(pages::go_to_dashboard))
        .route(DATA, MethodRouter::new())
        .route(PROTECTED_RESOURCE, MethodRouter::new());
    let layer = RequestLayer::new(app.metrics(), app.clock().clone());
    let layers = layers(app.allowed_hosts().cloned(), layer);
    let state = || app.state().clone();
    let protected_resource = data::show_protected_resource;
    with_layers(router, layers.clone())
        .route(DATA, layered(MethodFilter::GET, data::show_data, state(), &layers))
        .route(PROTECTED_RESOURCE, layered(MethodFilter::GET, protected_resource, state(), &layers))
}

/// Everything on the internal listener.
pub(crate) fn internal(app: &App) -> Router {
    let routes = app.metrics().routes().merge(app.readiness().routes());
    let layer = RequestLayer::internal(app.metrics(), app.clock().clone());
    with_layers(routes, layers(None, layer))
}

/// The description of the public listener.
pub(crate) fn openapi(app: &App) -> OpenApi {
    describe(own(app).merge(probes(app)).into_openapi())
}

/// The routes that are this service's own.
pub(crate) fn own(app: &App) -> OpenApiRouter {
    for_browsers(app).merge(for_programs().with_state(app.state().clone()))
}

/// Pages, and what they load.
fn for_browsers(app: &App) -> OpenApiRouter {
    let countdown = Router::new().route(COUNTDOWN, get(pages::show_countdown));
    // These pages post to their own origin: no other one may.
    let rule = CrossSiteRule::new(app.own_origin());
    for_people()
        .layer(cross_site(rule, || Error::CrossSite.into_response()))
        .merge(OpenApiRouter::from(countdown))
        .with_state(app.state().clone())
}

/// The routes for programs. They change nothing, take no body, and set `Cache-Control` themselves:
/// no layers of their own, since they serve most requests.
fn for_programs() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(data::show_data))
        .routes(routes!(data::show_protected_resource))
}

/// The routes for people. No cache may store any response of theirs, refusals included.
fn for_people() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(pages::show_dashboard))
        .routes(routes!(pages::show_protected))
        .routes(routes!(notes::show_notes, notes::add_note))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(no_store())
}

fn probes(app: &App) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(probes::show_liveness))
        .routes(routes!(probes::show_readiness))
        .with_state(app.readiness().clone())
}

/// What every request passes, also one that no route takes.
type Layers<F, H> = (RequestLayer, Refuse<F>, Refuse<H>);

fn layers(hosts: Option<AllowedHosts>, layer: RequestLayer) -> Layers<impl Rule, impl Rule> {
    let hosts = other_hosts(hosts, || Error::Misdirected.into_response());
    (layer, Refuse::by(refuse_too_long), hosts)
}

/// Adds them, and the replies where there is no route.
fn with_layers(router: Router, layers: Layers<impl Rule, impl Rule>) -> Router {
    router
        .merge(style_sheet())
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .fallback(async || Error::NotFound)
        .layer(layers)
}

/// Refuses a request that announces a body over the limit, before any of it is read.
fn refuse_too_long(request: &mut Request) -> Option<Response> {
    let too_long = request.body().size_hint().lower() > BODY_LIMIT as u64;
    too_long.then(|| Error::TooLarge.into_response())
}

fn no_store() -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

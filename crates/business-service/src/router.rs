//! The one table of routes, and the one stack of layers around it.

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use server_runtime::RequestLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::{App, AppState};
use crate::error::Error;
use crate::handlers::{data, pages, probes};
use crate::openapi::describe;

/// Everything on the public listener.
pub(crate) fn public(app: &App) -> Router {
    let (router, api) = documented(app).split_for_parts();
    let json = Bytes::from(describe(api).to_json().unwrap_or_default());
    let openapi = async move || ([(CONTENT_TYPE, "application/json")], json);
    let router = router
        .route(auth_api_types::paths::OPENAPI, get(openapi))
        .route("/", get(pages::go_to_dashboard));
    around(router, app)
}

/// Everything on the internal listener.
pub(crate) fn internal(app: &App) -> Router {
    around(app.metrics().routes().merge(app.readiness().routes()), app)
}

/// The description of the public listener.
pub(crate) fn openapi(app: &App) -> OpenApi {
    describe(documented(app).into_openapi())
}

/// The routes that are this service's own.
pub(crate) fn own(app: &App) -> OpenApiRouter {
    let sheet = Router::new().route(pages::SHEET, get(pages::show_sheet));
    guarded()
        .merge(OpenApiRouter::from(sheet))
        .with_state(app.state().clone())
}

/// What depends on a session. No cache may keep any of it, refusals included.
fn guarded() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(data::show_data))
        .routes(routes!(data::show_protected_resource))
        .routes(routes!(pages::show_dashboard))
        .routes(routes!(pages::show_protected))
        .layer(no_store())
}

fn documented(app: &App) -> OpenApiRouter {
    let probes = OpenApiRouter::new()
        .routes(routes!(probes::show_liveness))
        .routes(routes!(probes::show_readiness))
        .with_state(app.readiness().clone());
    own(app).merge(probes)
}

/// What every request gets, one that no route takes included.
fn around(router: Router, app: &App) -> Router {
    router
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .fallback(async || Error::NotFound)
        .layer(RequestLayer::new(app.metrics(), app.clock().clone()))
}

fn no_store() -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

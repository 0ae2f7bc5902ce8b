//! The one table of routes, and the one stack of middleware, of both listeners.

use std::sync::Arc;

use axum::Router;
use axum::extract::Extension;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use server_runtime::page::style_sheet;
use server_runtime::problem::Link;
use server_runtime::{Readiness, RequestLayer};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};
use tower_http::csrf::{CsrfLayer, ProtectionError};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::body;
use crate::error::ApiError;
use crate::handlers as h;
use crate::internal_key::RequireKey;
use crate::openapi;
use crate::pages as p;

/// What anybody may ask: where people and programs log in, and see to their sessions.
fn public_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(h::login::login, p::login::show_login))
        .routes(routes!(h::logout::logout))
        .routes(routes!(h::session::get_session))
        .routes(routes!(h::rotate::rotate_session))
        .routes(routes!(h::sessions::list_sessions, h::sessions::end_sessions))
        .routes(routes!(h::sessions::end_session))
        .routes(routes!(h::tokens::mint_token))
        .routes(routes!(h::revoke::revoke))
        .routes(routes!(h::status::get_status))
        .routes(routes!(h::status::get_stats))
        .routes(routes!(h::admin_sessions::end_everybodys_sessions))
}

/// The users API: no other origin is let in here, whatever was set.
fn users_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(h::users::list_users, h::users::create_user))
        .routes(routes!(h::users::get_user, h::users::update_user, h::users::delete_user))
        .routes(routes!(h::password::change_password))
        .routes(routes!(
            h::admin_sessions::list_user_sessions,
            h::admin_sessions::end_user_sessions
        ))
}

/// The pages behind a login: no other origin is let in here either. Only the pages themselves are
/// described; what their forms post to is their own business.
fn page_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(p::account::show_account))
        .routes(routes!(p::admin_users::show_users, p::admin_users::create_user))
        .route("/account/name", post(p::account::profile::change_name))
        .route("/account/password", post(p::account::profile::change_password))
        .route("/account/sessions/end-others", post(p::account::sessions::end_others))
        .route("/account/sessions/{id}/end", post(p::account::sessions::end_one))
        .route("/account/tokens", post(p::account::tokens::mint_token))
        .route("/.well-known/change-password", get(p::account::go_to_password))
        .route("/admin/users/new", get(p::admin_users::show_new_user))
        .route("/admin/users/{id}", get(p::admin_user::show_user))
        .route("/admin/users/{id}/{action}", get(p::admin_action::ask).post(p::admin_action::act))
}

/// What backends and proxies ask.
fn internal_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(h::validate_token::validate_token))
        .routes(routes!(h::introspect::introspect))
        .routes(routes!(h::metrics::get_metrics))
}

/// What proxies ask before they pass a request on: no key, and any method.
fn authz_routes(demo: bool) -> OpenApiRouter<Arc<App>> {
    let envoy = || any(h::authz::ext_authz);
    let envoy_role = || any(h::authz::ext_authz_role);
    let doors = OpenApiRouter::with_openapi(h::authz::document())
        .route("/authz/auth-request", any(h::authz::auth_request))
        .route("/authz/forward-auth", any(h::authz::forward_auth))
        .route("/authz/ext-authz", envoy())
        .route("/authz/ext-authz/", envoy())
        .route("/authz/ext-authz/{*path}", envoy())
        .route("/authz/ext-authz-role/{role}", envoy_role())
        .route("/authz/ext-authz-role/{role}/", envoy_role())
        .route("/authz/ext-authz-role/{role}/{*path}", envoy_role());
    if demo { doors.route("/authz/check", any(h::authz::check::check)) } else { doors }
}

/// What backends ask with a user's token, so that their key comes in a header of its own.
fn session_data_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(h::session_data::get_values)).routes(routes!(
        h::session_data::get_value,
        h::session_data::put_value,
        h::session_data::delete_value
    ))
}

/// What there is, for people and programs.
fn index_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(h::index::show_index))
        .routes(routes!(h::docs::show_docs))
        .routes(routes!(h::docs::show_docs_file))
}

/// The document, of this service alone.
fn document_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(h::docs::show_document))
}

/// What is asked by whoever runs the process.
fn probe_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(h::probes::livez)).routes(routes!(h::probes::readyz))
}

/// The document of both listeners.
pub(crate) fn document() -> OpenApi {
    let mut document = public_document();
    document.merge(openapi::elsewhere(openapi::with_any_method_at_doors(internal_document())));
    openapi::with_me(openapi::with_optional_bodies(document))
}

/// The document of the public listener.
pub(crate) fn public_document() -> OpenApi {
    public_routes()
        .merge(users_routes())
        .merge(page_routes())
        .merge(index_routes())
        .merge(document_routes())
        .merge(probe_routes())
        .into_openapi()
}

/// The document of the internal listener, without what both have.
pub(crate) fn internal_document() -> OpenApi {
    internal_routes().merge(session_data_routes()).merge(authz_routes(false)).into_openapi()
}

/// The public listener's routes with their own layers, but without the probes and without what
/// every request gets: for a process that joins two services on one listener.
pub(crate) fn public_part(app: &Arc<App>) -> Router {
    let open = open_to_named_origins(public_routes().into(), app);
    let strict = users_routes().merge(page_routes());
    let strict = Router::from(strict).layer(cross_site(&[]));
    let index = Router::from(index_routes());
    let routes = open.merge(strict).merge(index).with_state(Arc::clone(app));
    routes.layer(middleware::from_fn(body::take_first))
}

/// The public listener.
pub(crate) fn public(app: &Arc<App>, readiness: &Readiness) -> Router {
    let document = Router::from(document_routes()).with_state(Arc::clone(app));
    let probes = probes(&readiness.without_notes(), app);
    let read = open_to_named_origins(document.merge(probes), app);
    finished_public(public_part(app).merge(read), app)
}

/// The internal listener.
pub(crate) fn internal(app: &Arc<App>, readiness: &Readiness) -> Router {
    let guarded = Router::from(internal_routes()).route_layer(RequireKey::as_bearer(app));
    let with_token = Router::from(session_data_routes())
        .route_layer(middleware::from_fn(body::take_first))
        .route_layer(RequireKey::beside_token(app));
    let routes = guarded
        .merge(with_token)
        .merge(Router::from(authz_routes(app.demo)))
        .route("/", get(h::index::show_internal_index))
        .with_state(Arc::clone(app));
    let layer = RequestLayer::new(&app.metrics, Arc::clone(&app.clock));
    let layer = layer.screened(body::refuse_too_long);
    with_fallbacks(routes.merge(probes(readiness, app))).layer(layer)
}

fn probes(readiness: &Readiness, app: &Arc<App>) -> Router {
    let probes = Router::from(probe_routes()).with_state(Arc::clone(app));
    probes.layer(Extension(readiness.clone()))
}

/// What every request to the public listener gets, and what is said where there is no route.
pub(crate) fn finished_public(routes: Router, app: &App) -> Router {
    let layer = RequestLayer::leading_on(&app.metrics, Arc::clone(&app.clock), lead_on);
    let layer = layer.screened(body::refuse_too_long);
    let routes = with_fallbacks(routes).layer(layer);
    if app.https { routes.layer(hsts()) } else { routes }
}

fn with_fallbacks(routes: Router) -> Router {
    routes
        .merge(style_sheet())
        .fallback(async || ApiError::NotFound)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
}

/// An error that becomes a page leads on to one of ours. Not so on the internal listener, whose
/// errors proxies show on sites of others.
const fn lead_on(status: StatusCode) -> Link {
    match status {
        StatusCode::UNAUTHORIZED => (p::LOGIN, "Log in"),
        _ => (p::ACCOUNT, "Your account"),
    }
}

/// The rule of Go's `CrossOriginProtection`: an unsafe request that a browser sent from elsewhere
/// is refused, unless from one of these origins.
fn cross_site(trusted: &[String]) -> CsrfLayer<fn(ProtectionError) -> Response> {
    let refuse: fn(ProtectionError) -> Response = |_| ApiError::CrossSite.into_response();
    trusted
        .iter()
        .fold(CsrfLayer::new(), |layer, origin| {
            // The settings have taken only origins, so that none is refused here.
            layer.clone().add_trusted_origin(origin).unwrap_or(layer)
        })
        .with_rejection_response(refuse)
}

/// Lets the pages of the origins that are named in, with credentials.
pub(crate) fn open_to_named_origins<S>(routes: Router<S>, app: &App) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let origins = &app.allowed_origins;
    let trusting = [origins.as_slice(), app.redirect_origins.as_slice()].concat();
    // Set before the layers, so that a preflight, which no route knows, goes through them.
    let routes = routes
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(cross_site(&trusting));
    if origins.is_empty() {
        return routes;
    }
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request());
    routes.layer(cors)
}

fn hsts() -> SetResponseHeaderLayer<HeaderValue> {
    let year = HeaderValue::from_static("max-age=31536000");
    SetResponseHeaderLayer::overriding(header::STRICT_TRANSPORT_SECURITY, year)
}

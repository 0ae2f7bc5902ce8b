//! The one table of routes, and the one stack of middleware, of both listeners.

use std::collections::HashSet;
use std::sync::Arc;

use auth_api_types::paths::VALIDATE_TOKEN;
use auth_http::cross_site::CrossSiteRule;
use axum::Router;
use axum::extract::Extension;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::IntoResponse as _;
use axum::routing::{MethodFilter, MethodRouter, any, get, post};
use server_runtime::page::style_sheet;
use server_runtime::problem::Link;
use server_runtime::refuse::{cross_site, other_hosts};
use server_runtime::route::layered;
use server_runtime::{Readiness, Refuse, RequestLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::api as h;
use crate::http::api::docs::Documented;
use crate::http::app::App;
use crate::http::cors::{NamedOrigins, answer_named_origins};
use crate::http::error::ApiError;
use crate::http::extract::body;
use crate::http::index::{self, Described};
use crate::http::internal_key;
use crate::http::openapi;
use crate::http::pages as p;
use crate::http::{login, logout, recovery};

/// What anybody may ask, from the pages of named origins too: where people and programs log in, and
/// see to their sessions.
fn public_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(login::login, p::login::show_login))
        .routes(routes!(logout::logout))
        .routes(routes!(h::session::get_session))
        .routes(routes!(h::rotate::rotate_session))
        .routes(routes!(h::sessions::list_sessions, h::sessions::end_sessions))
        .routes(routes!(h::sessions::end_session))
        .routes(routes!(h::revoke::revoke))
        .routes(routes!(h::status::get_status))
}

/// Minting, and the API of users and admins: no other origin is let in here, whatever was set.
fn strict_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(h::tokens::mint_token))
        .routes(routes!(h::status::get_stats))
        .routes(routes!(h::selection::find_sessions, h::selection::end_selected_sessions))
        .routes(routes!(h::users::list_users, h::users::create_user))
        .routes(routes!(h::users::get_user, h::users::update_user, h::users::delete_user))
        .routes(routes!(h::password::change_password))
        .routes(routes!(h::service_tokens::mint_service_token))
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
        .routes(routes!(p::admin_sessions::show_sessions))
        .route(
            "/admin/sessions/end",
            get(p::admin_sessions::ask_to_end).post(p::admin_sessions::end_sessions),
        )
        .route("/admin/users/new", get(p::admin_users::show_new_user))
        .route(
            "/admin/users/new-service",
            get(p::admin_services::show_new_service).post(p::admin_services::create_service),
        )
        .route("/admin/users/{id}", get(p::admin_user::show_user))
        .route("/admin/users/{id}/tokens", post(p::admin_services::mint_token))
        .route("/admin/users/{id}/{action}", get(p::admin_action::ask).post(p::admin_action::act))
}

/// What is done by mail, where any is sent; from the pages of named origins too.
fn mail_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(recovery::forgot_password, p::recovery::show_forgot))
        .routes(routes!(recovery::reset_password, p::recovery::show_reset))
        .routes(routes!(recovery::verify_email, p::recovery::show_verify))
}

/// The same, and no other origin is let in.
fn strict_mail_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(h::email::change_email))
        .route("/account/email", post(p::account::email::change_email))
}

/// The page to sign up on.
fn signup_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(p::signup::sign_up, p::signup::show_sign_up))
}

/// What backends and proxies ask.
fn internal_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(h::metrics::get_metrics))
        .routes(routes!(h::backup::back_up_sessions))
        .routes(routes!(
            h::grants::issue_session,
            h::selection::find_sessions_by_backend,
            h::selection::end_sessions_by_backend
        ))
        .routes(routes!(h::grants::end_session))
        .routes(routes!(h::grants::list_subject_sessions, h::grants::end_subject_sessions))
        .routes(routes!(h::events::get_events))
}

/// What backends ask about each request of their own.
fn validation_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(h::validate_token::validate_token))
}

/// What OAuth clients ask, who show the key in their own ways.
fn introspection_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(h::introspect::introspect))
}

/// What proxies ask before they pass a request on: no key, and any method.
fn authz_routes(demo: bool) -> OpenApiRouter<Arc<App>> {
    let envoy = || any(h::forward_auth::ext_authz);
    let envoy_role = || any(h::forward_auth::ext_authz_role);
    let envoy_scope = || any(h::forward_auth::ext_authz_scope);
    let envoy_external = || any(h::forward_auth::ext_authz_external);
    let endpoints = OpenApiRouter::with_openapi(h::forward_auth::document())
        .route("/authz/auth-request", any(h::forward_auth::auth_request))
        .route("/authz/forward-auth", any(h::forward_auth::forward_auth))
        .route("/authz/ext-authz", envoy())
        .route("/authz/ext-authz/", envoy())
        .route("/authz/ext-authz/{*path}", envoy())
        .route("/authz/ext-authz-role/{role}", envoy_role())
        .route("/authz/ext-authz-role/{role}/", envoy_role())
        .route("/authz/ext-authz-role/{role}/{*path}", envoy_role())
        .route("/authz/ext-authz-scope/{scope}", envoy_scope())
        .route("/authz/ext-authz-scope/{scope}/", envoy_scope())
        .route("/authz/ext-authz-scope/{scope}/{*path}", envoy_scope())
        .route("/authz/ext-authz-external", envoy_external())
        .route("/authz/ext-authz-external/", envoy_external())
        .route("/authz/ext-authz-external/{*path}", envoy_external());
    if demo {
        endpoints.route("/authz/check", any(h::forward_auth::check::check))
    } else {
        endpoints
    }
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
        .routes(routes!(index::show_index))
        .routes(routes!(h::docs::show_docs))
        .routes(routes!(h::docs::show_docs_file))
}

/// The document, of this service alone.
fn document_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(h::docs::show_document))
}

/// The probes and the metrics.
fn probe_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(h::probes::livez)).routes(routes!(h::probes::readyz))
}

/// A document of the API.
type Document = fn() -> OpenApi;

/// The documents of both listeners and of the public one, of what this service has: nothing leads to
/// mail where none is sent.
pub(crate) fn documents(app: &App) -> (Document, Document) {
    if app.domain.mail.is_some() {
        (|| of_both(public_document()), public_document)
    } else {
        (|| of_both(public_document_without_mail()), public_document_without_mail)
    }
}

fn of_both(public: OpenApi) -> OpenApi {
    let internal = openapi::with_any_method_at_forward_auth(internal_document());
    let document = openapi::with_internal(public, internal);
    openapi::with_me(openapi::with_optional_bodies(document))
}

fn public_document() -> OpenApi {
    let mail = mail_routes().merge(strict_mail_routes()).merge(signup_routes());
    openapi::with_hosts(routes_without_mail().merge(mail).into_openapi())
}

fn public_document_without_mail() -> OpenApi {
    openapi::with_hosts(routes_without_mail().into_openapi())
}

fn routes_without_mail() -> OpenApiRouter<Arc<App>> {
    public_routes()
        .merge(strict_routes())
        .merge(page_routes())
        .merge(index_routes())
        .merge(document_routes())
        .merge(probe_routes())
}

/// The document of the internal listener, without what both have.
pub(crate) fn internal_document() -> OpenApi {
    validation_routes()
        .merge(internal_routes())
        .merge(introspection_routes())
        .merge(session_data_routes())
        .merge(authz_routes(false))
        .into_openapi()
}

/// The public listener's routes with their own layers, but without the probes and without what
/// every request gets: for a process that joins two services on one listener.
pub(crate) fn public_part(app: &Arc<App>) -> Router {
    let named = [app.allowed_origins.as_slice(), app.redirect_origins.as_slice()].concat();
    let (mut open, mut strict) = (public_routes(), strict_routes().merge(page_routes()));
    if app.domain.mail.is_some() {
        open = open.merge(mail_routes());
        strict = strict.merge(strict_mail_routes());
        if app.domain.open_signup {
            strict = strict.merge(signup_routes());
        }
    }
    let open = guarded(open, own_pages(app).with_named(named));
    let strict = guarded(strict, own_pages(app));
    let described = Extension(Described(documents(app).1));
    let index = Router::from(index_routes()).layer(described);
    let routes = open.merge(strict).merge(index).with_state(Arc::clone(app));
    routes.layer(middleware::from_fn(body::take_first))
}

/// The public listener.
pub(crate) fn public(app: &Arc<App>, readiness: &Readiness) -> Router {
    let document = Router::from(document_routes()).layer(Extension(Documented(documents(app).0)));
    let document = document.with_state(Arc::clone(app));
    let probes = probes(&readiness.without_notes(), app);
    finished_public(public_part(app).merge(document).merge(probes), app)
}

/// The internal listener.
pub(crate) fn internal(app: &Arc<App>, readiness: &Readiness) -> Router {
    let guarded = Router::from(internal_routes()).route_layer(internal_key::as_bearer(app));
    let validation = Router::new().route(VALIDATE_TOKEN, MethodRouter::new());
    let with_token = Router::from(session_data_routes())
        .route_layer(middleware::from_fn(body::take_first))
        .route_layer(internal_key::beside_token(app));
    let routes = guarded
        .merge(validation)
        .merge(Router::from(introspection_routes()))
        .merge(with_token)
        .merge(Router::from(authz_routes(app.demo)))
        .route("/", get(index::show_internal_index).layer(Extension(Described(internal_document))))
        .with_state(Arc::clone(app));
    let layer = RequestLayer::internal(&app.metrics, Arc::clone(&app.clock));
    let layers = (layer, Refuse::by(body::refuse_too_long));
    let routes = with_fallbacks(routes.merge(probes(readiness, app)));
    let guarded = (layers.clone(), internal_key::as_bearer(app));
    let validate = h::validate_token::validate_token;
    let validate = layered(MethodFilter::POST, validate, Arc::clone(app), &guarded);
    routes.layer(layers).route(VALIDATE_TOKEN, validate)
}

fn probes(readiness: &Readiness, app: &Arc<App>) -> Router {
    let probes = Router::from(probe_routes()).with_state(Arc::clone(app));
    probes.layer(Extension(readiness.clone()))
}

/// The layers around every request to the public listener, and the replies where there is no route.
pub(crate) fn finished_public(routes: Router, app: &App) -> Router {
    let layer = RequestLayer::leading_on(&app.metrics, Arc::clone(&app.clock), lead_on);
    let hosts = other_hosts(app.allowed_hosts.clone(), || ApiError::Misdirected.into_response());
    // Inside of what lets scripts of named origins read why they were refused.
    let routes = with_fallbacks(routes).layer(Refuse::by(body::refuse_too_long));
    let routes = open_to_named_origins(routes, app).layer((layer, hosts));
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
const fn lead_on(status: StatusCode) -> Option<Link> {
    match status {
        StatusCode::UNAUTHORIZED => Some((p::LOGIN, "Log in")),
        // None of our pages is at that host.
        StatusCode::MISDIRECTED_REQUEST => None,
        _ => Some((p::ACCOUNT, "Your account")),
    }
}

/// An unsafe request that a page of another origin sent is refused. Our own is that of
/// `AUTH_PUBLIC_URL`, too: a proxy may ask for us by another name.
fn own_pages(app: &App) -> CrossSiteRule {
    let own = app.public_url.origin().ascii_serialization();
    CrossSiteRule::new(&own)
}

/// The rule around the routes, and around the methods that they do not know.
fn guarded(routes: OpenApiRouter<Arc<App>>, rule: CrossSiteRule) -> Router<Arc<App>> {
    let rule = cross_site(rule, || ApiError::CrossSite.into_response());
    let routes = Router::from(routes);
    routes.method_not_allowed_fallback(async || ApiError::MethodNotAllowed).layer(rule)
}

/// The routes that scripts of the named origins may ask.
pub(crate) fn open_paths() -> HashSet<String> {
    let open = public_routes().merge(mail_routes()).merge(document_routes()).merge(probe_routes());
    open.into_openapi().paths.paths.into_keys().collect()
}

/// Lets the scripts of the origins that are named read the answers, with credentials.
fn open_to_named_origins(routes: Router, app: &App) -> Router {
    let origins = app.allowed_origins.iter();
    let origins = origins.filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    let named = Arc::new(NamedOrigins { origins, open: open_paths() });
    if named.origins.is_empty() {
        return routes;
    }
    routes.layer(middleware::from_fn(move |request, next| {
        answer_named_origins(Arc::clone(&named), request, next)
    }))
}

fn hsts() -> SetResponseHeaderLayer<HeaderValue> {
    let year = HeaderValue::from_static("max-age=31536000");
    SetResponseHeaderLayer::overriding(header::STRICT_TRANSPORT_SECURITY, year)
}

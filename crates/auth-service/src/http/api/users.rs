//! `/api/v1/users`: accounts, for oneself and for admins.

use std::sync::Arc;

use auth_api_types::{CreateUserRequest, UpdateUserRequest, UserList, UserView};
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use serde::Deserialize;
use session::{Ending, Intent};
use users::{ListQuery, NewUser, Password, USER, User, UserChanges};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::audit;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::admin::{Admin, is_admin, require_admin, visible};
use crate::http::extract::body;
use crate::http::extract::body::Json;
use crate::http::extract::caller::Caller;
use crate::http::extract::client::Client;
use crate::http::extract::path::Path;
use crate::http::openapi::{
    CreateUserProblems, DeleteUserProblems, ListUsersProblems, OneProblems, UpdateUserProblems,
};
use crate::http::reply;
use crate::view;

/// Which users to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsersQuery {
    /// Only those whose address or name contains this.
    q: Option<String>,
    /// How many, 1 to 500; by default 50.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500)]
    limit: Option<String>,
    /// Only those after this `next`.
    #[param(format = Uuid)]
    after: Option<String>,
}

/// List users.
#[utoipa::path(
    get, path = "/api/v1/users", tag = "Users", params(UsersQuery),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses((status = 200, description = "One page", body = UserList), ListUsersProblems)
)]
pub(crate) async fn list_users(
    State(app): State<Arc<App>>,
    _admin: Admin,
    uri: Uri,
) -> Result<Response, ApiError> {
    let UsersQuery { q, limit, after } = body::query(&uri)?;
    let limit = match limit.as_deref().map(str::parse) {
        None => 50,
        Some(Ok(limit @ 1..=500)) => limit,
        Some(_) => {
            return Err(ApiError::Invalid("`limit` is a number from 1 to 500".to_owned()));
        }
    };
    let after = after.map(|after| Uuid::try_parse(&after)).transpose();
    let after =
        after.map_err(|_| ApiError::Invalid("`after` is no `next` of a page".to_owned()))?;
    let page = app.users.list(&ListQuery { contains: q, limit, after }).await?;
    let users = page.users.iter().map(view::user).collect();
    let next = page.next.map(|next| next.to_string());
    reply::json(StatusCode::OK, &UserList { users, next })
}

/// Create a user.
///
/// Where sign-up is closed, only an admin may.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "Users", request_body = CreateUserRequest,
    security((), ("bearer" = []), ("token" = []), ("cookie" = [])),
    responses(
        (status = 201, description = "The user", body = UserView, headers(("Location" = String, description = "Its path"))),
        CreateUserProblems
    )
)]
pub(crate) async fn create_user(
    State(app): State<Arc<App>>,
    client: Client,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let caller = if app.open_signup {
        Caller::if_any(&app, &parts).await?
    } else {
        Some(Caller::present(&app, &parts, Intent::Use).await?)
    };
    let by_admin = caller.as_ref().is_some_and(|caller| is_admin(&caller.session));
    if !by_admin && !app.open_signup {
        return Err(ApiError::Forbidden("sign-up is closed: this needs the role admin"));
    }
    let Json(new): Json<CreateUserRequest> =
        Json::from_request(Request::from_parts(parts, body), &()).await?;
    if !by_admin {
        app.throttle.admit_signup(&client).await?;
    }
    let new = NewUser {
        email: new.email,
        password: Password::from(new.password),
        first_name: new.first_name,
        last_name: new.last_name,
        roles: vec![USER.to_owned()],
    };
    let created = create(&app, new, caller.as_ref(), &client).await?;
    let mut response = reply::json(StatusCode::CREATED, &view::user(&created))?;
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/users/{}", created.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Creates a user, for somebody who may.
pub(crate) async fn create(
    app: &App,
    new: NewUser,
    by: Option<&Caller>,
    client: &Client,
) -> Result<User, ApiError> {
    let prepared = app.users.for_network(client.hashing_share()).prepare(new).await?;
    if let Some(caller) = by {
        caller.still_may(app).await?;
    }
    let created = app.users.insert(prepared).await?;
    audit::user_created(&created, by, client);
    Ok(created)
}

/// See a user: oneself (also as `me`), or anybody as an admin.
#[utoipa::path(
    get, path = "/api/v1/users/{id}", tag = "Users",
    params(("id" = String, Path, description = "The user's id, or `me`")),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses((status = 200, description = "The user", body = UserView), OneProblems)
)]
pub(crate) async fn get_user(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = visible(&caller.session, &id)?;
    let user = app.users.get(id).await?.ok_or(ApiError::NotFound)?;
    reply::json(StatusCode::OK, &view::user(&user))
}

/// Change a user: one's own names, or anything as an admin.
///
/// Disabling, enabling and changing roles ends all of the user's sessions.
#[utoipa::path(
    put, path = "/api/v1/users/{id}", tag = "Users", request_body = UpdateUserRequest,
    params(("id" = String, Path, description = "The user's id, or `me`")),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses((status = 200, description = "The user, changed", body = UserView), UpdateUserProblems)
)]
pub(crate) async fn update_user(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Json(changes): Json<UpdateUserRequest>,
) -> Result<Response, ApiError> {
    let id = visible(&caller.session, &id)?;
    if changes.roles.is_some() || changes.disabled.is_some() {
        require_admin(&caller.session)?;
    }
    let UpdateUserRequest { first_name, last_name, roles, disabled } = changes;
    let changes = UserChanges { first_name, last_name, roles, disabled };
    let user = change(&app, &caller, id, changes).await?;
    reply::json(StatusCode::OK, &view::user(&user))
}

/// Changes a user, for a caller who may. Other roles, and disabling, end all of the user's
/// sessions.
pub(crate) async fn change(
    app: &App,
    caller: &Caller,
    id: Uuid,
    changes: UserChanges,
) -> Result<User, ApiError> {
    let updated = app.users.update(id, changes).await?;
    audit::user_changed(&updated.user, caller);
    if updated.ends_sessions {
        let below_generation = Some(updated.user.generation);
        app.sessions.end_all(id, Ending { below_generation, keep: None }).await?;
    }
    Ok(updated.user)
}

/// Delete a user: oneself, or anybody as an admin.
#[utoipa::path(
    delete, path = "/api/v1/users/{id}", tag = "Users",
    params(("id" = String, Path, description = "The user's id, or `me`")),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses((status = 204, description = "The user is gone, and all of its sessions"), DeleteUserProblems)
)]
pub(crate) async fn delete_user(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = visible(&caller.session, &id)?;
    delete(&app, &caller, id).await?;
    let mut response = reply::no_content();
    if caller.by_cookie && id == caller.session.subject.id {
        reply::set_cookie(&mut response, app.cookie.clear());
    }
    Ok(response)
}

/// Deletes a user and ends all of their sessions, for a caller who may.
pub(crate) async fn delete(app: &App, caller: &Caller, id: Uuid) -> Result<(), ApiError> {
    app.users.delete(id).await?;
    audit::user_deleted(id, caller);
    app.sessions.end_all(id, Ending::default()).await?;
    Ok(())
}

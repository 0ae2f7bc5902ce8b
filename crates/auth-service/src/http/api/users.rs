//! `/api/v1/users`: accounts, for oneself and for admins.

use std::sync::Arc;

use auth_api_types::{CreateUserRequest, MailRequested, UpdateUserRequest, UserList, UserView};
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body;
use crate::http::extract::body::Json;
use crate::http::extract::caller::Admin;
use crate::http::extract::caller::{present, present_if_any};
use crate::http::extract::page_limit::page_limit;
use crate::http::extract::path::Path;
use crate::http::openapi::{
    CreateUserProblems, DeleteUserProblems, ListUsersProblems, OneProblems, UpdateUserProblems,
};
use crate::http::reply;
use crate::operations::access::{Admission, visible};
use crate::operations::accounts::{self, Creator};
use crate::operations::caller::Caller;
use crate::operations::client::Client;
use crate::operations::mail::requests;
use crate::operations::{Fault, Field};
use crate::view;
use session::Intent;
use users::{ListQuery, NewServiceUser, NewUser, Password, USER, User, UserChanges};

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
    let limit = page_limit(limit.as_deref())?.into();
    let after = after.map(|after| Uuid::try_parse(&after)).transpose();
    let after = after.map_err(|_| unreadable("after", "is no `next` of a page"))?;
    let page = accounts::list(&app.domain, &ListQuery { contains: q, limit, after }).await?;
    let users = page.users.iter().map(view::user).collect();
    let next = page.next.map(|next| next.to_string());
    reply::json(StatusCode::OK, &UserList { users, next })
}

/// Create a user.
///
/// Where sign-up is closed, only an admin may. Where mail is set up, somebody who signs up confirms the
/// account with the ticket of a mail, whether or not the address is taken.
/// A service user, with `service` and `username` alone, is made by an admin in any case.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "Users", request_body = CreateUserRequest,
    security((), ("bearer" = []), ("token" = []), ("cookie" = [])),
    responses(
        (status = 201, description = "The user", body = UserView, headers(("Location" = String, description = "Its path"))),
        (status = 202, description = "A sign-up where mail is set up: see the mail", body = MailRequested),
        CreateUserProblems
    )
)]
pub(crate) async fn create_user(
    State(app): State<Arc<App>>,
    client: Client,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let caller = if app.domain.open_signup {
        present_if_any(&app, &parts).await?
    } else {
        Some(present(&app, &parts, Intent::Use, Admission::OwnUsers).await?)
    };
    let creator = Creator::of(&app.domain, caller.as_ref())?;
    let Json(new): Json<CreateUserRequest> =
        Json::from_request(Request::from_parts(parts, body), &()).await?;
    if new.service == Some(true) {
        let Creator::Admin(admin) = creator else {
            return Err(ApiError::Forbidden("a service user is made by an admin"));
        };
        let created = accounts::create_service(&app.domain, admin, service(new)?).await?;
        return answer_created(&created);
    }
    let new = person(new)?;
    if matches!(creator, Creator::SignUp(_)) && app.domain.mail.is_some() {
        requests::sign_up(&app.domain, new, &client).await?;
        return reply::mail_requested(reply::SIGNED_UP);
    }
    answer_created(&accounts::create(&app.domain, creator, new, &client).await?)
}

fn answer_created(created: &User) -> Result<Response, ApiError> {
    let mut response = reply::json(StatusCode::CREATED, &view::user(created))?;
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/users/{}", created.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
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
    let user = accounts::get(&app.domain, id).await?;
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
    let UpdateUserRequest { first_name, last_name, roles, disabled } = changes;
    let changes = UserChanges { first_name, last_name, roles, disabled };
    let user = accounts::change(&app.domain, &caller, id, changes).await?;
    reply::json(StatusCode::OK, &view::user(&user))
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
    accounts::delete(&app.domain, &caller, id).await?;
    let mut response = reply::no_content();
    if caller.by_cookie && id == caller.session.subject.id {
        reply::set_cookie(&mut response, app.cookie.clear());
    }
    Ok(response)
}

fn person(new: CreateUserRequest) -> Result<NewUser, Field> {
    let missing = |name| Field::new(name, Fault::Missing);
    Ok(NewUser {
        email: new.email.ok_or_else(|| missing("email"))?,
        password: Password::from(new.password.ok_or_else(|| missing("password"))?),
        first_name: new.first_name,
        last_name: new.last_name,
        roles: vec![USER.to_owned()],
        email_verified: true,
    })
}

fn service(new: CreateUserRequest) -> Result<NewServiceUser, ApiError> {
    if new.email.is_some() || new.password.is_some() {
        let rule = "a service user has a `username`, no `email` and no `password`";
        return Err(ApiError::Unprocessable(rule.to_owned()));
    }
    let name = new.username.ok_or_else(|| Field::new("username", Fault::Missing))?;
    Ok(NewServiceUser { name, roles: new.roles.unwrap_or_else(|| vec![USER.to_owned()]) })
}

fn unreadable(parameter: &'static str, rule: &'static str) -> ApiError {
    Field::new(parameter, Fault::Unreadable(rule)).into()
}

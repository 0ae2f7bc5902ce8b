//! `/admin/users`: find users, page by page, and create one.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use users::{ListQuery, User};
use utoipa::IntoParams;
use uuid::Uuid;

use super::signup::new_user;
use super::visitor::AdminVisitor;
use super::{ADMIN_USERS, Frame, Notice, page, see_other};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body::{self, Form};
use crate::http::openapi::{AccountProblems, CreateUserProblems};
use crate::operations::accounts::{self, Creator};
use crate::operations::client::Client;
use crate::operations::{Fault, Field};

/// How many users a page shows.
const PAGE: u32 = 25;

/// Which users to show.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Search {
    /// Only those whose address or name contains this.
    #[serde(default)]
    q: String,
    /// Only those after this one.
    #[param(format = Uuid)]
    after: Option<String>,
    /// What was done just before.
    done: Option<String>,
}

/// The form that creates a user.
#[derive(Default, Deserialize, utoipa::ToSchema)]
pub(crate) struct NewUserForm {
    email: String,
    password: String,
    first_name: String,
    last_name: String,
}

#[derive(Template)]
#[template(path = "admin_users.html")]
struct UsersPage {
    frame: Option<Frame>,
    notice: Option<Notice>,
    q: String,
    users: Vec<User>,
    /// The query of the next page.
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "admin_new_user.html")]
struct NewUserPage {
    frame: Option<Frame>,
    notice: Option<Notice>,
    form: NewUserForm,
    /// The fewest characters of a password.
    password_min: usize,
}

/// Find users.
#[utoipa::path(
    get, path = "/admin/users", tag = "Pages", params(Search),
    security(("cookie" = []), ("bearer" = []), ("token" = [])),
    responses(
        (status = 200, description = "The page", content_type = "text/html", body = String),
        (status = 303, description = "A browser without a live session is sent to the login"),
        AccountProblems
    )
)]
pub(crate) async fn show_users(
    State(app): State<Arc<App>>,
    AdminVisitor(caller): AdminVisitor,
    uri: Uri,
) -> Result<Response, ApiError> {
    let Search { q, after, done } = body::query(&uri)?;
    let after = after.map(|after| Uuid::try_parse(&after)).transpose();
    let query = ListQuery {
        contains: Some(q.trim().to_owned()),
        limit: PAGE,
        after: after.map_err(|_| {
            ApiError::from(Field::new("after", Fault::Unreadable("is no user's id")))
        })?,
    };
    let found = accounts::list(&app.domain, &query).await?;
    let next = found.next.map(|after| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("q", &q).append_pair("after", &after.to_string());
        query.finish()
    });
    let deleted = done.is_some_and(|done| done == "deleted");
    let template = UsersPage {
        frame: Some(Frame::new(&caller.session, ADMIN_USERS)),
        notice: deleted.then(|| Notice::done("The user is gone, and all of their sessions.")),
        q,
        users: found.users,
        next,
    };
    page(&app, StatusCode::OK, &template)
}

pub(crate) async fn show_new_user(
    State(app): State<Arc<App>>,
    AdminVisitor(caller): AdminVisitor,
) -> Result<Response, ApiError> {
    let template = NewUserPage {
        frame: Some(Frame::new(&caller.session, ADMIN_USERS)),
        notice: None,
        form: NewUserForm::default(),
        password_min: app.password_min,
    };
    page(&app, StatusCode::OK, &template)
}

/// Create a user by the form of the page.
#[utoipa::path(
    post, path = "/admin/users", tag = "Pages", operation_id = "create_user_by_form",
    request_body(content = NewUserForm, content_type = "application/x-www-form-urlencoded"),
    security(("cookie" = []), ("bearer" = []), ("token" = [])),
    responses((status = 303, description = "To the user's page, or to the login"), CreateUserProblems)
)]
pub(crate) async fn create_user(
    State(app): State<Arc<App>>,
    AdminVisitor(caller): AdminVisitor,
    client: Client,
    Form(form): Form<NewUserForm>,
) -> Response {
    let names = (form.first_name.as_str(), form.last_name.as_str());
    let new = new_user(&form.email, &form.password, names);
    match accounts::create(&app.domain, Creator::Admin(&caller), new, &client).await {
        Ok(user) => see_other(&format!("{ADMIN_USERS}/{}?done=created", user.id)),
        Err(error) => {
            let error = ApiError::from(error);
            let template = NewUserPage {
                frame: Some(Frame::new(&caller.session, ADMIN_USERS)),
                notice: Some(Notice::refused(&error)),
                form,
                password_min: app.password_min,
            };
            page(&app, error.status(), &template).unwrap_or_else(ApiError::into_response)
        }
    }
}

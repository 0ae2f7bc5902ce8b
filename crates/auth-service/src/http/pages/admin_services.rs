//! `/admin/users/new-service` and `POST /admin/users/{id}/tokens`: service users, and tokens for them.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use users::{NewServiceUser, USER};

use super::account::tokens::{TokenForm, show_token, wanted};
use super::admin_user::{self, user_id};
use super::visitor::AdminVisitor;
use super::{ADMIN_USERS, Frame, Notice, page, see_other};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body::Form;
use crate::http::extract::path::Path;
use crate::operations::{accounts, tokens};

/// The form that creates a service user.
#[derive(Deserialize)]
pub(crate) struct NewServiceForm {
    username: String,
    /// With commas or blanks between two.
    roles: String,
}

#[derive(Template)]
#[template(path = "admin_new_service.html")]
struct NewServicePage {
    frame: Option<Frame>,
    notice: Option<Notice>,
    form: NewServiceForm,
}

pub(crate) async fn show_new_service(
    State(app): State<Arc<App>>,
    AdminVisitor(caller): AdminVisitor,
) -> Result<Response, ApiError> {
    let form = NewServiceForm { username: String::new(), roles: USER.to_owned() };
    let frame = Some(Frame::new(&caller.session, ADMIN_USERS));
    page(&app, StatusCode::OK, &NewServicePage { frame, notice: None, form })
}

pub(crate) async fn create_service(
    State(app): State<Arc<App>>,
    AdminVisitor(caller): AdminVisitor,
    Form(form): Form<NewServiceForm>,
) -> Response {
    let roles = form.roles.split([',', ' ']).filter(|role| !role.is_empty());
    let new = NewServiceUser {
        name: form.username.trim().to_owned(),
        roles: roles.map(str::to_owned).collect(),
    };
    match accounts::create_service(&app.domain, &caller, new).await {
        Ok(user) => see_other(&format!("{ADMIN_USERS}/{}?done=created", user.id)),
        Err(error) => {
            let error = ApiError::from(error);
            let frame = Some(Frame::new(&caller.session, ADMIN_USERS));
            let notice = Some(Notice::refused(&error));
            let template = NewServicePage { frame, notice, form };
            page(&app, error.status(), &template).unwrap_or_else(ApiError::into_response)
        }
    }
}

/// A token for a service user, shown on the page that answers, and never again.
pub(crate) async fn mint_token(
    State(app): State<Arc<App>>,
    AdminVisitor(caller): AdminVisitor,
    Path(id): Path<String>,
    Form(form): Form<TokenForm>,
) -> Result<Response, ApiError> {
    let id = user_id(&id)?;
    match tokens::mint_for_service(&app.domain, &caller, id, wanted(&form)).await {
        Ok(issued) => {
            let back = format!("{ADMIN_USERS}/{id}");
            show_token(&app, Frame::new(&caller.session, ADMIN_USERS), &issued, &back)
        }
        Err(error) => {
            let error = ApiError::from(error);
            let notice = Some(Notice::refused(&error));
            let mut response = admin_user::show(&app, &caller, id, error.status(), notice).await?;
            response.headers_mut().extend(error.problem().headers);
            Ok(response)
        }
    }
}

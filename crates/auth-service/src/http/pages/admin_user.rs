//! `GET /admin/users/{id}`: one user, their sessions, and what an admin may do to them.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use users::User;
use uuid::Uuid;

use super::moment::Moment;
use super::session_row::SessionRow;
use super::visitor::AdminVisitor;
use super::{ADMIN_USERS, After, Frame, Notice, page};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body;
use crate::http::extract::path::Path;
use crate::operations::accounts;
use crate::operations::caller::Caller;

#[derive(Template)]
#[template(path = "admin_user.html")]
struct UserPage {
    frame: Option<Frame>,
    notice: Option<Notice>,
    user: User,
    created: Moment,
    updated: Moment,
    logins: Vec<SessionRow>,
    tokens: Vec<SessionRow>,
}

pub(crate) async fn show_user(
    State(app): State<Arc<App>>,
    AdminVisitor(caller): AdminVisitor,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let After { done } = body::query(&uri)?;
    let notice = match done.as_deref() {
        Some("created") => Some("The user was created."),
        Some("disable") => Some("The user is disabled, and all of their sessions have ended."),
        Some("enable") => Some("The user may log in again."),
        Some("roles") => Some("The roles are set."),
        Some("end-sessions") => Some("All of the user's sessions have ended."),
        _ => None,
    };
    show(&app, &caller, user_id(&id)?, StatusCode::OK, notice.map(Notice::done)).await
}

/// The page of a user, with what it says first.
pub(super) async fn show(
    app: &App,
    caller: &Caller,
    id: Uuid,
    status: StatusCode,
    notice: Option<Notice>,
) -> Result<Response, ApiError> {
    let (user, sessions) = accounts::get_with_sessions(&app.domain, id).await?;
    let (logins, tokens) = SessionRow::of_all(&sessions, caller.session.id, app.clock.unix_ms());
    let template = UserPage {
        frame: Some(Frame::new(&caller.session, ADMIN_USERS)),
        notice,
        created: Moment::date(user.created_at_ms),
        updated: Moment::date(user.updated_at_ms),
        user,
        logins,
        tokens,
    };
    page(app, status, &template)
}

/// The user's id that a path names.
pub(super) fn user_id(path: &str) -> Result<Uuid, ApiError> {
    Uuid::try_parse(path).map_err(|_| ApiError::NotFound)
}

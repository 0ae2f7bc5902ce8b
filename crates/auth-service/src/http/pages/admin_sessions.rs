//! `/admin/sessions`: find sessions of all users, and end those that were found. `GET` of
//! `/admin/sessions/end` says how many would end and asks whether it is meant, `POST` ends them.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use session::{ListCursor, Session, SessionId};

use super::session_row::SessionRow;
use super::visitor::AdminVisitor;
use super::{ADMIN_SESSIONS, Frame, Notice, page, see_other};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body;
use crate::http::extract::session_filter::{FilterParams, Parameters};
use crate::http::openapi::AccountProblems;
use crate::operations::caller::Caller;
use crate::operations::selection::{self, Requester};

/// How many sessions a page shows.
const PAGE: usize = 25;
/// What is said of a parameter that is none.
const UNKNOWN: &str = "is nothing that sessions are found by here";

#[derive(Template)]
#[template(path = "admin_sessions.html")]
struct SessionsPage {
    frame: Option<Frame>,
    notice: Option<Notice>,
    params: FilterParams,
    rows: Vec<FoundRow>,
    /// The query of the next page.
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "admin_end_sessions.html")]
struct EndPage {
    frame: Option<Frame>,
    notice: Option<Notice>,
    params: FilterParams,
    /// How many would end.
    count: u64,
}

/// A session, and whose it is.
struct FoundRow {
    row: SessionRow,
    username: String,
    role: String,
    /// The page of the user, where it is one of ours.
    user_page: Option<String>,
    /// What a backend calls the user, where it is one of its own.
    external: Option<String>,
}

impl FoundRow {
    fn new(session: &Session, own: SessionId, now_ms: i64) -> Self {
        let subject = &session.subject;
        Self {
            row: SessionRow::new(session, own, now_ms),
            username: subject.username.to_string(),
            role: session.role().to_owned(),
            user_page: (!subject.is_external())
                .then(|| format!("{}/{}", super::ADMIN_USERS, subject.id)),
            external: subject.external.as_ref().map(ToString::to_string),
        }
    }
}

/// Find sessions of all users.
#[utoipa::path(
    get, path = "/admin/sessions", tag = "Pages", params(FilterParams),
    security(("cookie" = []), ("bearer" = []), ("token" = [])),
    responses(
        (status = 200, description = "The page", content_type = "text/html", body = String),
        (status = 303, description = "A browser without a live session is sent to the login"),
        AccountProblems
    )
)]
pub(crate) async fn show_sessions(
    State(app): State<Arc<App>>,
    AdminVisitor(caller): AdminVisitor,
    uri: Uri,
) -> Result<Response, ApiError> {
    let mut parameters = Parameters::of_page(&uri, UNKNOWN)?;
    let after = parameters.take_after()?;
    let ended = parameters.take("ended")?;
    let params = parameters.take_filter()?;
    let notice = ended.and_then(|ended| ended.parse().ok()).map(ended_notice);
    match find(&app, &caller, &params, after).await {
        Ok((rows, next)) => {
            let frame = Some(Frame::new(&caller.session, ADMIN_SESSIONS));
            let next = next.map(|next| format!("{}&after={next}", params.query()));
            page(&app, StatusCode::OK, &SessionsPage { frame, notice, params, rows, next })
        }
        Err(error) => refused(&app, &caller, params, error),
    }
}

/// Asks whether it is meant, and says how many would end.
pub(crate) async fn ask_to_end(
    State(app): State<Arc<App>>,
    AdminVisitor(caller): AdminVisitor,
    uri: Uri,
) -> Result<Response, ApiError> {
    let params = Parameters::of_page(&uri, UNKNOWN)?.take_filter()?;
    let count = match params.read(app.clock.unix_ms()) {
        Ok(filter) => selection::count(&app.domain, &Requester::Admin(&caller), &filter).await?,
        Err(error) => return refused(&app, &caller, params, error),
    };
    let frame = Some(Frame::new(&caller.session, ADMIN_SESSIONS));
    page(&app, StatusCode::OK, &EndPage { frame, notice: None, params, count })
}

/// Ends them. A form without a condition must say that every session is meant.
pub(crate) async fn end_sessions(
    State(app): State<Arc<App>>,
    AdminVisitor(caller): AdminVisitor,
    request: Request,
) -> Result<Response, ApiError> {
    // What stands beside the form would otherwise be left out of what ends.
    Parameters::of_query(request.uri(), UNKNOWN)?.refuse_all()?;
    let form = body::form_bytes(request).await?;
    let mut parameters = Parameters::of_form(&form, UNKNOWN)?;
    let all = parameters.take_flag("all")?;
    let params = parameters.take_filter()?;
    if all != params.is_empty() {
        return Err(ApiError::Invalid("the form does not say which sessions end".to_owned()));
    }
    let filter = params.read(app.clock.unix_ms())?;
    let ended = selection::end(&app.domain, &Requester::Admin(&caller), &filter).await?;
    Ok(see_other(&format!("{ADMIN_SESSIONS}?{}&ended={ended}", params.query())))
}

async fn find(
    app: &App,
    caller: &Caller,
    params: &FilterParams,
    after: Option<ListCursor>,
) -> Result<(Vec<FoundRow>, Option<ListCursor>), ApiError> {
    let now_ms = app.clock.unix_ms();
    let filter = params.read(now_ms)?;
    let requester = Requester::Admin(caller);
    let found = selection::list(&app.domain, &requester, &filter, after, PAGE).await?;
    let row = |session| FoundRow::new(session, caller.session.id, now_ms);
    Ok((found.sessions.iter().map(row).collect(), found.next))
}

/// The form as it was sent, and what was wrong with it; a failure of ours is a page of its own.
fn refused(
    app: &App,
    caller: &Caller,
    params: FilterParams,
    error: ApiError,
) -> Result<Response, ApiError> {
    // A parameter is a field of the form to whoever reads the page.
    let error = match error {
        ApiError::Parameter(field) => ApiError::Field(field),
        error => return Err(error),
    };
    let frame = Some(Frame::new(&caller.session, ADMIN_SESSIONS));
    let notice = Some(Notice::refused(&error));
    let template = SessionsPage { frame, notice, params, rows: Vec::new(), next: None };
    page(app, error.status(), &template)
}

fn ended_notice(ended: u64) -> Notice {
    Notice::done(&match ended {
        0 => "No session was there to end.".to_owned(),
        1 => "1 session has ended.".to_owned(),
        ended => format!("{ended} sessions have ended."),
    })
}

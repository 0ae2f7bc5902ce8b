//! `PUT /api/v1/users/{id}/email`: another address to log in with, once a mail to it is answered.

use std::sync::Arc;

use auth_api_types::{ChangeEmailRequest, MailRequested, UserView};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body::Json;
use crate::http::extract::path::Path;
use crate::http::openapi::EmailProblems;
use crate::http::reply;
use crate::operations::access::visible;
use crate::operations::caller::Caller;
use crate::operations::mail::requests::{AddressChange, change_address};
use crate::view;

/// Change an address.
///
/// One's own needs the present password, and counts once the mail to it is answered: the answer is the
/// same whether or not the address is taken. An admin's word for another user counts at once.
#[utoipa::path(
    put, path = "/api/v1/users/{id}/email", tag = "Mail", request_body = ChangeEmailRequest,
    params(("id" = String, Path, description = "The user's id, or `me`")),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "By an admin for another user: the user, changed", body = UserView),
        (status = 202, description = "See the mail", body = MailRequested),
        EmailProblems
    )
)]
pub(crate) async fn change_email(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Json(change): Json<ChangeEmailRequest>,
) -> Result<Response, ApiError> {
    let id = visible(&caller.session, &id)?;
    let ChangeEmailRequest { email, current_password } = change;
    match change_address(&app.domain, &caller, id, &email, current_password).await? {
        AddressChange::Requested => reply::mail_requested(reply::ADDRESS_REQUESTED),
        AddressChange::Done(user) => reply::json(StatusCode::OK, &view::user(&user)),
    }
}

//! `/admin/users/{id}/{action}`: what an admin does to a user. `GET` asks whether it is meant,
//! `POST` does it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use users::{User, UserChanges};

use super::admin_user::user_id;
use super::visitor::AdminVisitor;
use super::{ADMIN_USERS, Frame, Notice, page, see_other};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body::Form;
use crate::http::extract::path::Path;
use crate::operations::caller::Caller;
use crate::operations::{Error, accounts, sessions};

/// What an admin may do to a user.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Action {
    Disable,
    Enable,
    Delete,
    Roles,
    EndSessions,
}

/// The form that says that it is meant; only the change of roles has a field.
#[derive(Default, Deserialize)]
pub(crate) struct ActionForm {
    #[serde(default)]
    roles: String,
}

#[derive(Template)]
#[template(path = "admin_action.html")]
struct ActionPage<'a> {
    frame: Option<Frame>,
    notice: Option<Notice>,
    user: &'a User,
    action: Action,
    roles: String,
}

impl Action {
    /// As it is written in the path; any other name is not found.
    fn parse(path: &str) -> Result<Self, ApiError> {
        let path = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(path);
        Self::deserialize(path).map_err(|_| ApiError::NotFound)
    }

    /// The heading of the page that asks.
    fn question(self) -> &'static str {
        match self {
            Self::Disable => "Disable this user?",
            Self::Enable => "Enable this user?",
            Self::Delete => "Delete this user?",
            Self::Roles => "Change the roles of this user",
            Self::EndSessions => "End all sessions of this user?",
        }
    }

    /// What comes of it.
    fn consequence(self) -> &'static str {
        match self {
            Self::Disable => {
                "They cannot log in any more, and all of their sessions and tokens end at once."
            }
            Self::Enable => "They may log in again, with the password they had.",
            Self::Delete => {
                "The account is gone for good, and all of its sessions and tokens end at once."
            }
            Self::Roles => {
                "A login acts in the first role unless it asks for another. All sessions and \
                 tokens of the user end at once."
            }
            Self::EndSessions => {
                "All of their sessions and tokens end at once. They may log in again."
            }
        }
    }

    /// The words on the button.
    fn button(self) -> &'static str {
        match self {
            Self::Disable => "Disable",
            Self::Enable => "Enable",
            Self::Delete => "Delete for good",
            Self::Roles => "Change the roles",
            Self::EndSessions => "End all sessions",
        }
    }
}

pub(crate) async fn ask(
    State(app): State<Arc<App>>,
    AdminVisitor(caller): AdminVisitor,
    Path((id, action)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let action = Action::parse(&action)?;
    let user = accounts::get(&app.domain, user_id(&id)?).await?;
    let roles = user.roles.join(", ");
    show(&app, &caller, StatusCode::OK, &user, action, roles, None)
}

pub(crate) async fn act(
    State(app): State<Arc<App>>,
    AdminVisitor(caller): AdminVisitor,
    Path((id, action)): Path<(String, String)>,
    Form(form): Form<ActionForm>,
) -> Result<Response, ApiError> {
    let chosen = Action::parse(&action)?;
    let user = accounts::get(&app.domain, user_id(&id)?).await?;
    match carry_out(&app, &caller, &user, chosen, &form.roles).await {
        Ok(()) if chosen == Action::Delete => Ok(see_other(&format!("{ADMIN_USERS}?done=deleted"))),
        Ok(()) => Ok(see_other(&format!("{ADMIN_USERS}/{}?done={action}", user.id))),
        Err(error) => {
            let error = ApiError::from(error);
            let notice = Some(Notice::refused(&error));
            show(&app, &caller, error.status(), &user, chosen, form.roles, notice)
        }
    }
}

async fn carry_out(
    app: &App,
    caller: &Caller,
    user: &User,
    action: Action,
    roles: &str,
) -> Result<(), Error> {
    let changes = match action {
        Action::Delete => return accounts::delete(&app.domain, caller, user.id).await,
        Action::EndSessions => return sessions::end_all_of(&app.domain, caller, user.id).await,
        Action::Disable | Action::Enable => {
            UserChanges { disabled: Some(action == Action::Disable), ..UserChanges::default() }
        }
        Action::Roles => UserChanges { roles: Some(listed(roles)), ..UserChanges::default() },
    };
    accounts::change(&app.domain, caller, user.id, changes).await.map(drop)
}

/// Roles as people list them: with commas, blanks, or both between.
fn listed(roles: &str) -> Vec<String> {
    let names = roles.split([',', ' ']).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

fn show(
    app: &App,
    caller: &Caller,
    status: StatusCode,
    user: &User,
    action: Action,
    roles: String,
    notice: Option<Notice>,
) -> Result<Response, ApiError> {
    let template = ActionPage {
        frame: Some(Frame::new(&caller.session, ADMIN_USERS)),
        notice,
        user,
        action,
        roles,
    };
    page(app, status, &template)
}

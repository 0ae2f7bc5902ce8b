//! The JSON on the wire between Reinflate's services and their callers: bodies, paths and error
//! codes, and nothing that acts on them; and the [packed form](packed) of validations, which our own
//! services speak with each other.
//!
//! Unknown fields are ignored when read, so that two versions may run side by side, but where a session
//! is asked for: passed over, what was to narrow it would be missing. A field that is named twice is an
//! error. With the feature `openapi` every type describes itself to utoipa.

mod event;
mod external;
pub mod json;
mod login;
mod mail;
pub mod packed;
pub mod paths;
mod problem;
mod session;
mod session_user;
#[cfg(test)]
mod strategies;
mod timestamp;
mod user;
mod validate;

pub use event::{EventBy, EventClient, EventList, EventSession, EventUser, EventView};
pub use external::{Ended, ExternalUser, IssueSessionRequest};
pub use login::{LoginRequest, MintTokenRequest, RotateRequest, TokenResponse};
pub use mail::{
    ChangeEmailRequest, ForgotPasswordRequest, MailRequested, ResetPasswordRequest,
    VerifyEmailRequest,
};
pub use problem::{ErrorCode, Problem};
pub use session::{
    Kind, SelectionEnd, SessionList, SessionPage, SessionValues, SessionView, Transport, WouldEnd,
};
pub use session_user::{SessionUser, UserId};
pub use timestamp::Timestamp;
pub use user::{
    ChangePasswordRequest, CreateUserRequest, Stats, Status, UpdateUserRequest, UserList, UserView,
};
pub use validate::{
    Client, ItemOrToken, MAX_TOKENS, Reason, Results, ValidateItem, ValidateItems, ValidateRequest,
    ValidateRequestError, Verdict,
};

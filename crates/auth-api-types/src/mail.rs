//! What is asked for by mail, and done with the tickets that mails carry.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose password is forgotten.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ForgotPasswordRequest {
    /// The address of the account.
    #[cfg_attr(feature = "openapi", schema(format = Email, example = "ann@example.com"))]
    pub email: String,
}

/// Another password, for whoever has the mail.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResetPasswordRequest {
    /// The ticket of the mail.
    #[cfg_attr(
        feature = "openapi",
        schema(example = "rft_ZtXqQq3m0m4Yk1x2i8wq2d5b7R9v1n3p5s7u9w1y3A0")
    )]
    pub ticket: String,
    /// The new password, by the rules of a new account's.
    #[cfg_attr(feature = "openapi", schema(format = Password, min_length = 15, max_length = 128))]
    pub new_password: String,
}

/// That an address is one's own, by the mail to it.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VerifyEmailRequest {
    /// The ticket of the mail.
    #[cfg_attr(
        feature = "openapi",
        schema(example = "rft_ZtXqQq3m0m4Yk1x2i8wq2d5b7R9v1n3p5s7u9w1y3A0")
    )]
    pub ticket: String,
    /// After a sign-up: the password that was chosen with it.
    #[cfg_attr(feature = "openapi", schema(format = Password))]
    pub password: Option<String>,
}

/// Another address for an account.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangeEmailRequest {
    /// The address to log in with from then on.
    #[cfg_attr(feature = "openapi", schema(format = Email, example = "ann@example.org"))]
    pub email: String,
    /// The present password; an admin needs none for another user.
    #[cfg_attr(feature = "openapi", schema(format = Password))]
    pub current_password: Option<String>,
}

/// That a mail was asked for. Whether one is sent is not told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MailRequested {
    /// What to do next, for people.
    #[cfg_attr(
        feature = "openapi",
        schema(example = "If there is such an account, a mail is on its way to it.")
    )]
    pub message: String,
}

macro_rules! hide {
    ($($name:ident),+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )+};
}

hide!(ResetPasswordRequest, VerifyEmailRequest, ChangeEmailRequest);

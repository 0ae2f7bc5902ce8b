//! Accounts, as the users API shows and takes them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// An account. Never a password or its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserView {
    /// A UUIDv7.
    #[cfg_attr(feature = "openapi", schema(format = Uuid))]
    pub id: String,
    /// The user name, as it was given, without white space around it; `null` for a service.
    #[cfg_attr(feature = "openapi", schema(required, example = "ann@example.com"))]
    pub email: Option<String>,
    /// The name of a service, which need be no address; absent for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub username: Option<String>,
    /// `true` for a service, which has no password and is never logged in; absent for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub service: Option<bool>,
    /// Whether the address is known to be the user's: by a mail that reached them, or because an
    /// admin or a command made the account.
    pub email_verified: bool,
    /// May be empty.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub first_name: Option<String>,
    /// May be empty.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub last_name: Option<String>,
    /// Ordered; a login acts in the first unless it asks for another.
    pub roles: Vec<String>,
    /// Whether the account is barred from logging in.
    pub disabled: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// One page of accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserList {
    /// The accounts.
    pub users: Vec<UserView>,
    /// What to pass as `after` for the next page; `null` on the last one.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub next: Option<String>,
}

/// A new account: that of a person, with `email` and `password`, or (an admin only) that of a service,
/// with `service` and `username`.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateUserRequest {
    /// The e-mail address to log in with: one account for all spellings that Unicode's
    /// `NFKC_Casefold` and the ASCII form of the domain (UTS 46) make the same.
    #[cfg_attr(feature = "openapi", schema(format = Email, example = "ann@example.com"))]
    pub email: Option<String>,
    /// The password: 15 to 128 characters, unless another least length is set, and neither one of
    /// the most common ones nor the user's own address or name.
    #[cfg_attr(feature = "openapi", schema(format = Password, min_length = 15, max_length = 128, example = "seven green kettles whistle"))]
    pub password: Option<String>,
    /// Whether it is a service, which has no password and is never logged in.
    pub service: Option<bool>,
    /// The name of a service, which need be no address.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 254))]
    pub username: Option<String>,
    /// The roles of a service, the default one first; by default `user`.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 32))]
    pub roles: Option<Vec<String>>,
    /// First name.
    #[cfg_attr(
        feature = "openapi",
        schema(max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")
    )]
    pub first_name: Option<String>,
    /// Last name.
    #[cfg_attr(
        feature = "openapi",
        schema(max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")
    )]
    pub last_name: Option<String>,
}

/// What to change of an account; what is absent stays.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UpdateUserRequest {
    /// First name.
    #[cfg_attr(
        feature = "openapi",
        schema(max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")
    )]
    pub first_name: Option<String>,
    /// Last name.
    #[cfg_attr(
        feature = "openapi",
        schema(max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")
    )]
    pub last_name: Option<String>,
    /// All roles, in order (an admin only).
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 32))]
    pub roles: Option<Vec<String>>,
    /// Whether the account is barred (an admin only).
    pub disabled: Option<bool>,
}

/// A change of password.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangePasswordRequest {
    /// The present password; an admin needs none for another user.
    #[cfg_attr(feature = "openapi", schema(format = Password))]
    pub current_password: Option<String>,
    /// The new one, by the rules of a new account's.
    #[cfg_attr(feature = "openapi", schema(format = Password, min_length = 15, max_length = 128))]
    pub new_password: String,
}

/// That the API answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Status {
    /// Always `OK`.
    #[cfg_attr(feature = "openapi", schema(example = "OK"))]
    pub status: String,
}

/// How much there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Stats {
    /// Accounts.
    pub users: u64,
    /// Live sessions, approximately where the store counts so.
    pub sessions: u64,
}

impl fmt::Debug for CreateUserRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateUserRequest").field("email", &self.email).finish_non_exhaustive()
    }
}

impl fmt::Debug for ChangePasswordRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangePasswordRequest").finish_non_exhaustive()
    }
}

//! What the service does, one file a use case, whether the API, a page or a proxy requests it.
//!
//! A function here is handed what it works on and who wants it, calls the session engine and the
//! directory of users, and has the log tell of it.
//!
//! INVARIANT: nothing here knows HTTP. What requests and answers look like is decided in `http`,
//! which calls these functions and is called by none of them.

pub(crate) mod access;
pub(crate) mod accounts;
pub(crate) mod backup;
pub(crate) mod caller;
pub(crate) mod client;
mod domain;
pub(crate) mod endings;
pub(crate) mod error;
pub(crate) mod events;
pub(crate) mod expiring_tokens;
#[cfg(test)]
mod fixture;
pub(crate) mod grants;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod mail;
pub(crate) mod passwords;
pub(crate) mod rotation;
pub(crate) mod selection;
pub(crate) mod sessions;
pub(crate) mod statistics;
pub(crate) mod throttle;
pub(crate) mod tokens;
pub(crate) mod validation;
pub(crate) mod values;
pub(crate) mod webhooks;

pub(crate) use domain::Domain;
pub(crate) use error::{Error, Fault, Field};

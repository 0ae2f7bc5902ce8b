//! The auth service: the session engine and the user directory, tied to HTTP.
//!
//! Two listeners serve one [`Service`]: the public one, where people and programs log in and see
//! to their sessions, and the internal one, where backends ask whether a token is alive. There are
//! two floors: `http` takes a request apart and writes the reply, `operations` does what is requested
//! for, by the session engine and the directory. Nothing here knows how a session is stored or a
//! password is hashed.

mod audit;
mod backend;
mod commands;
mod config;
mod device;
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod internal_keys;
mod mail;
mod metered_store;
mod metrics;
mod open_failure;
mod operations;
mod secrets;
mod service;
mod start;
mod unnamed_proxy;
mod view;
mod warnings;
mod webhooks;

pub use commands::main;
pub use config::{AttemptRates, Config, SessionBackend, settings};
pub use internal_keys::InternalKeys;
pub use open_failure::OpenFailure;
pub use operations::endings::ForeignSessions;
pub use service::Service;
pub use users::{DEMO_EMAIL, DEMO_PASSWORD};

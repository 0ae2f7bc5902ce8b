//! The auth service: the session engine and the user directory, tied to HTTP.
//!
//! Two listeners serve one [`Service`]: the public one, where people and programs log in and see
//! to their sessions, and the internal one, where backends ask whether a token is alive. The walk
//! of a request is `router` → `handlers/…` → `session` and `users` → reply; any error becomes an
//! answer in `error`. Nothing here knows how a session is stored or a password is hashed.

mod admin;
mod app;
mod audit;
mod authentication;
mod backend;
mod body;
mod client_address;
mod commands;
mod config;
mod cookie;
mod cors;
mod credential;
mod endings;
mod error;
mod handlers;
mod internal_key;
mod log_out;
mod metered_store;
mod metrics;
mod openapi;
mod pages;
mod path;
mod redirect;
mod reply;
mod router;
mod service;
mod throttle;
mod view;
mod warnings;

pub use commands::main;
pub use config::{AttemptRates, Config, Secret, SessionBackend, TABLE};
pub use endings::ForeignSessions;
pub use service::{OpenFailure, Service};
pub use users::{DEMO_EMAIL, DEMO_PASSWORD};

//! The protected service: data that only a live session may see.
//!
//! It stores no session and judges no token itself: every request is validated by [`auth_client`],
//! which asks the auth service each time. Where it cannot be found out whether a token is alive, the
//! answer is 503, never data.
//!
//! A process of its own goes through [`main`]. A process that serves it beside something else takes
//! [`settings_table`], [`Config::read`] and [`App::build`], and serves the app's routers.

mod app;
mod command;
mod config;
mod error;
mod handlers;
mod metrics;
mod notes;
mod openapi;
mod page;
mod router;

pub use app::App;
pub use command::main;
pub use config::{Config, DemoUser, settings, settings_table};

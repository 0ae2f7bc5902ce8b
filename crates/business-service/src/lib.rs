//! The service behind the door: data that only a live session may see.
//!
//! It keeps no session and reads no token itself: every request is let in by [`auth_client`], which
//! asks the auth service anew each time. Where nobody can say whether a token is alive, the answer
//! is 503, never data.
//!
//! A process of its own goes through [`main`]. A process that joins it with something else takes
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

//! What every end-to-end test stands on: real processes, a small HTTP client, waiting with a
//! deadline. It knows how to ask; what the answers should be is the tests' business.

mod answer;
mod auth;
mod business;
mod clocks;
mod connection;
mod fake_server;
mod launch;
mod postgres;
mod process;
mod request;
mod sqlite;
mod users;
mod wait;

pub(crate) use answer::Answer;
pub(crate) use auth::{ANN, AuthService, BOB, DEMO, LONG_PASSWORD, is_alive};
pub(crate) use business::BusinessService;
pub(crate) use clocks::Clocks;
pub(crate) use connection::{Connection, Listener};
pub(crate) use fake_server::FakeServer;
pub(crate) use launch::{Launch, Output, quiet_port};
pub(crate) use postgres::Postgres;
pub(crate) use process::Process;
pub(crate) use request::Request;
pub(crate) use sqlite::{Held, query};
pub(crate) use users::uuid;
pub(crate) use wait::{PATIENCE, eventually, let_time_pass, now, skip_unless_installed};

//! Fixtures of tests: our processes and those of others, fake auth services, a small HTTP client,
//! waiting with a deadline. It sends requests; what the answers should be is up to the tests. No
//! crate depends on it outside of its tests.

#![expect(clippy::missing_panics_doc, reason = "a fixture that cannot go on fails its test")]
#![expect(clippy::unwrap_used, reason = "the same")]
#![expect(clippy::missing_errors_doc, reason = "each error is the operating system's own")]
#![expect(clippy::return_self_not_must_use, reason = "requests and answers are built in one go")]
#![expect(clippy::disallowed_methods, reason = "a fake's tasks end with its test's runtime")]
#![expect(clippy::print_stderr, reason = "the log of a failed test and why one was skipped")]

mod answer;
mod auth;
mod business;
mod clocks;
mod connection;
mod delay_proxy;
mod disk;
pub mod fake_auth;
mod fake_server;
mod launch;
mod postgres;
mod process;
mod redis;
mod request;
mod sqlite;
mod users;
mod wait;

pub use answer::Answer;
pub use auth::{ANN, AuthService, BOB, DEMO, LONG_PASSWORD, is_alive};
pub use business::BusinessService;
pub use clocks::Clocks;
pub use connection::{Connection, Listener};
pub use delay_proxy::DelayProxy;
pub use disk::{Disk, DiskState};
pub use fake_server::FakeServer;
pub use launch::{Launch, Output, unused_port};
pub use postgres::Postgres;
pub use process::Process;
pub use redis::{Redis, redis_cluster};
pub use request::{Request, percent_encoded};
pub use sqlite::{Held, query};
pub use users::uuid;
pub use wait::{TIMEOUT, eventually, let_time_pass, now, skip_unless_installed};

use wait::send_signal;

//! How a process reads settings, logs, measures itself and stops.
//!
//! Any HTTP service can stand on this crate: it knows nothing of what the service does. A `main` is
//! a [`process::Program`], which [`process::run`] takes through these steps:
//!
//! 1. [`settings`]: one table of typed rows gives flags, variables, defaults, `--help`, errors and `config print`;
//! 2. [`telemetry`]: logs to standard output, and [`traces`] to a collector where one is named;
//! 3. [`http_server`]: listeners are bound, or taken over from systemd ([`sockets`]), and serve routers;
//! 4. [`reload`]: secrets are read again on SIGHUP, and where their files change;
//! 5. [`shutdown`]: waits for a signal, drains, and gives the exit code.
//!
//! A router gets [`request::RequestLayer`] (request id, access log, metrics, panics), what is to be
//! refused ([`refuse`]), and, on the internal side, [`metrics::Metrics`] and [`probes::Readiness`].
//! Errors are problems, which [`problem`] renders.

pub mod healthcheck;
pub mod hosts;
mod json;
mod json_line;
pub mod memory;
pub mod metrics;
pub mod output;
pub mod page;
pub mod probes;
pub mod problem;
pub mod process;
pub mod refuse;
pub mod reload;
pub mod request;
pub mod route;
pub mod settings;
pub mod shutdown;
pub mod sockets;
mod systemd;
pub mod telemetry;
pub mod traces;
pub mod workers;

pub use auth_http::hosts::AllowedHosts;
pub use healthcheck::healthcheck;
pub use http_server::{
    BodyTimedOut, Lifecycle, Limits, Listener, RequestInfo, StartError, on_own_thread,
};
pub use json::{private_by, private_json, private_json_by};
pub use json_line::json_line;
pub use metrics::Metrics;
pub use probes::Readiness;
pub use refuse::Refuse;
pub use reload::{Replace, Secrets};
pub use request::{RequestId, RequestLayer, TraceParent};
pub use settings::{BadSetting, Rate, Setting, Settings};
pub use sockets::Sockets;

//! The settings that every process has.

use super::{DURATION, Setting};

/// The settings that every process has; [`crate::telemetry`] and [`crate::shutdown`] read them.
pub const COMMON: &[Setting] = &[
    Setting::variable(
        "PORT",
        "a port number",
        "Where the address is not set: listen on 0.0.0.0 with this port, as platforms ask for",
    ),
    Setting::variable(
        "WORKERS",
        "a number from 1 to 256",
        "Threads that serve connections; by default one for each core",
    )
    .with_flag("workers"),
    Setting::variable("DRAIN_DELAY", DURATION, "How long new requests are served after SIGTERM")
        .with_flag("drain-delay")
        .with_default("1s"),
    Setting::variable(
        "LOG_FORMAT",
        "pretty or json",
        "How log lines look: pretty on a terminal, else json",
    )
    .with_flag("log-format"),
    Setting::variable(
        "RUST_LOG",
        "a filter such as info or info,sqlx=warn",
        "Which log lines are written",
    )
    .with_default("info"),
    Setting::variable(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "an http or https URL",
        "The collector that traces are sent to, by OTLP over HTTP, below its /v1/traces",
    )
    .as_url(),
    Setting::variable("OTEL_SERVICE_NAME", "a name", "What traces call this process"),
];

//! The settings that every process has.

use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::{DURATION, Optional, Parser, Setting, TEXT};
use crate::telemetry;
use crate::workers::MAX_WORKERS;

crate::settings_table! {
    /// The settings that every process has; [`crate::telemetry`], [`crate::workers`] and
    /// [`crate::shutdown`] are configured by them.
    pub COMMON;

    PORT: Optional<u16> = Setting::new(
        "PORT",
        Parser::new("a port number", |text| text.parse().ok()),
        "Where the address is not set: listen on 0.0.0.0 with this port, as platforms ask for",
    );
    WORKERS: Optional<usize> = Setting::new(
        "WORKERS",
        Parser::new("a number from 1 to 256", |text| {
            text.parse().ok().filter(|count| (1..=MAX_WORKERS).contains(count))
        }),
        "Threads that serve connections; by default one for each core",
    )
    .with_flag("workers");
    DRAIN_DELAY: Setting<Duration> =
        Setting::new("DRAIN_DELAY", DURATION, "How long new requests are served after SIGTERM")
            .with_flag("drain-delay")
            .with_default("1s");
    LOG_FORMAT: Optional<telemetry::Format> = Setting::new(
        "LOG_FORMAT",
        Parser::new("pretty or json", telemetry::format),
        "How log lines look: pretty on a terminal, else json",
    )
    .with_flag("log-format");
    RUST_LOG: Setting<EnvFilter> = Setting::new(
        "RUST_LOG",
        Parser::new("a filter such as info or info,sqlx=warn", telemetry::filter),
        "Which log lines are written",
    )
    .with_default("info");
    OTEL_ENDPOINT: Optional<String> = Setting::new(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        Parser::new("an http or https URL", telemetry::http_url),
        "The collector that traces are sent to, by OTLP over HTTP, below its /v1/traces",
    )
    .as_url()
    .with_note("each request becomes a span; [more](operating.md#traces)");
    OTEL_SERVICE_NAME: Optional<String> = Setting::new(
        "OTEL_SERVICE_NAME",
        Parser::new("a name", TEXT.parse),
        "What traces call this process",
    );
}

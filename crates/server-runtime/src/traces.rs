//! Traces, sent to a collector by OTLP over HTTP; nothing of it runs where none is named.
//!
//! What becomes a span is decided by [`crate::request`]. The standard variables of the OpenTelemetry
//! SDK hold beside ours: `OTEL_TRACES_SAMPLER`, `OTEL_BSP_*`, `OTEL_EXPORTER_OTLP_HEADERS`,
//! `OTEL_RESOURCE_ATTRIBUTES`.

use std::error::Error;
use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, ResourceBuilder};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

/// How long one call to the collector may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the end of the process may wait for the last spans to be sent.
const LAST_EXPORT: Duration = Duration::from_secs(2);

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// What makes the spans of this process; `None` where none are wanted.
pub(crate) fn tracer() -> Option<SdkTracer> {
    TRACER.get().cloned()
}

/// The export of traces. Dropping it sends what has not been sent, for two seconds at most; that
/// must not happen on a runtime's thread while it runs.
#[derive(Debug, Default)]
#[must_use = "the last spans are sent when it is dropped"]
pub struct Traces {
    provider: Option<SdkTracerProvider>,
}

impl Traces {
    /// Begins to export to the collector whose base URL this is (the path `/v1/traces` is added,
    /// as [OTLP](https://opentelemetry.io/docs/specs/otel/protocol/exporter/) says). `service` is
    /// the name and the version of what all spans are of, by `name` under another name.
    pub(crate) fn to(
        endpoint: &str,
        service: (&str, &'static str),
        name: Option<String>,
    ) -> Result<Self, Box<dyn Error>> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client(endpoint.starts_with("http://"))?)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(EXPORT_TIMEOUT)
            .build()?;
        let resource = Resource::builder_empty()
            .with_service_name(service.0.to_owned())
            .with_attribute(KeyValue::new("service.version", service.1))
            .with_detector(Box::new(EnvResourceDetector::new()));
        let resource = name.into_iter().fold(resource, ResourceBuilder::with_service_name).build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_batch_exporter(exporter)
            .build();
        // Of several calls in one process, the first holds.
        let _ = TRACER.set(provider.tracer("reinflate"));
        Ok(Self { provider: Some(provider) })
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        let ended = self.provider.as_ref().map(|p| p.shutdown_with_timeout(LAST_EXPORT));
        if let Some(Err(error)) = ended {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

fn client(plain: bool) -> reqwest::Result<reqwest::blocking::Client> {
    // An error only says that the process has chosen a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::blocking::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        // The collector is named by a setting, and what is sent may carry its credentials.
        .no_proxy()
        .timeout(EXPORT_TIMEOUT);
    // Without TLS the system's root certificates need neither be there nor be read.
    let builder = if plain { builder.tls_certs_only([]) } else { builder };
    builder.build()
}

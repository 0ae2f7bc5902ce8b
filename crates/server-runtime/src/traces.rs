//! Traces, sent to a collector by OTLP over HTTP; nothing of it runs where none is named.
//!
//! What becomes a span is decided by [`crate::request`]. The standard variables of the OpenTelemetry
//! SDK hold beside ours: `OTEL_TRACES_SAMPLER`, `OTEL_BSP_*`, `OTEL_EXPORTER_OTLP_HEADERS`,
//! `OTEL_RESOURCE_ATTRIBUTES`.

use std::error::Error;
use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::{Link, SpanKind, TraceId, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, ResourceBuilder};
use opentelemetry_sdk::trace::{
    Config, SamplingResult, SdkTracer, SdkTracerProvider, ShouldSample,
};

/// How long one request to the collector may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the end of the process may wait for the last spans to be sent.
const LAST_EXPORT: Duration = Duration::from_secs(2);

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// What makes the spans of this process; `None` where none are wanted.
pub(crate) fn tracer() -> Option<SdkTracer> {
    TRACER.get().cloned()
}

/// Marks the context of a request that anybody may have sent: what its `traceparent` says of
/// sampling is not followed.
pub(crate) struct FromAnyone;

/// Samples what anybody may have sent as though a trace began with it, by the rule of
/// `OTEL_TRACES_SAMPLER`: no client hides a request from the traces, or has it recorded where only a
/// part is. It stays within the trace that its caller named.
#[derive(Clone, Debug)]
struct OwnRule(Box<dyn ShouldSample>);

impl ShouldSample for OwnRule {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let parent = parent.filter(|parent| parent.get::<FromAnyone>().is_none());
        self.0.should_sample(parent, trace, name, kind, attributes, links)
    }
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
            .with_sampler(OwnRule(Config::default().sampler))
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

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceState};
    use opentelemetry_sdk::trace::{Sampler, SamplingDecision};

    use super::*;

    fn is_recorded(rule: Sampler, flags: TraceFlags, from_anyone: bool) -> bool {
        let (trace, span) = (TraceId::from(7), SpanId::from(7));
        let caller = SpanContext::new(trace, span, flags, true, TraceState::default());
        let context = Context::new().with_remote_span_context(caller);
        let context = if from_anyone { context.with_value(FromAnyone) } else { context };
        let sampler = OwnRule(Box::new(rule));
        let result = sampler.should_sample(Some(&context), trace, "x", &SpanKind::Server, &[], &[]);
        result.decision == SamplingDecision::RecordAndSample
    }

    #[test]
    fn what_anyone_may_have_sent_is_sampled_by_our_rule_and_not_by_its_flag() {
        let by_parent = |root| Sampler::ParentBased(Box::new(root));
        for flags in [TraceFlags::NOT_SAMPLED, TraceFlags::SAMPLED] {
            let says = flags.is_sampled();
            for (rule, of_anyone, of_ours) in [
                (by_parent(Sampler::AlwaysOn), true, says),
                (by_parent(Sampler::AlwaysOff), false, says),
                (by_parent(Sampler::TraceIdRatioBased(0.0)), false, says),
                (by_parent(Sampler::TraceIdRatioBased(1.0)), true, says),
                (Sampler::AlwaysOn, true, true),
                (Sampler::AlwaysOff, false, false),
            ] {
                assert_eq!(is_recorded(rule.clone(), flags, true), of_anyone, "{rule:?} {says}");
                assert_eq!(is_recorded(rule.clone(), flags, false), of_ours, "{rule:?} {says}");
            }
        }
    }
}

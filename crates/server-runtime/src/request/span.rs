//! A request as a span, by OpenTelemetry's
//! [conventions for HTTP](https://opentelemetry.io/docs/specs/semconv/http/http-spans/).
//!
//! Paths and queries may hold secrets: unlike the conventions, a span has the pattern that matched
//! and never the path.

use axum::extract::MatchedPath;
use http::{Method, StatusCode};
use opentelemetry::trace::{Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SdkTracer, Span};

use super::id::RequestId;
use super::trace::TraceParent;
use crate::metrics::method_name;
use crate::traces::FromAnyone;

use super::Callers;

/// Routes that are requested every few seconds, and of which a span tells nothing.
const NO_SPAN: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// The span of a request that is being answered. One that is dropped ends without a status: its
/// client went.
pub(super) struct RequestSpan(Span);

impl RequestSpan {
    /// Begins within the trace that the caller named, or begins one. Whoever only looks whether the
    /// process is well gets none.
    pub(super) fn begin(
        tracer: &SdkTracer,
        method: &Method,
        route: Option<&MatchedPath>,
        id: &RequestId,
        (callers, caller): (Callers, Option<&TraceParent>),
    ) -> Option<Self> {
        if route.is_some_and(|route| NO_SPAN.contains(&route.as_str())) {
            return None;
        }
        let method = method_name(method);
        // Conventions want no made-up method in a name.
        let verb = if method == "_OTHER" { "HTTP" } else { method };
        let name = route.map_or(verb.to_owned(), |route| format!("{verb} {}", route.as_str()));
        let id = Array::String(vec![StringValue::from(id.as_str().to_owned())]);
        let mut attributes = vec![
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.request.header.x-request-id", Value::Array(id)),
        ];
        if let Some(route) = route {
            attributes.push(KeyValue::new("http.route", route.as_str().to_owned()));
        }
        let span =
            tracer.span_builder(name).with_kind(SpanKind::Server).with_attributes(attributes);
        let parent = match caller.and_then(TraceParent::span) {
            Some(caller) => Context::new().with_remote_span_context(caller),
            None => Context::new(),
        };
        let parent = match callers {
            Callers::Anyone => parent.with_value(FromAnyone),
            Callers::Ours => parent,
        };
        Some(Self(tracer.build_with_context(span, &parent)))
    }

    /// What is passed on in place of what the caller sent: the same trace, with this as the parent.
    pub(super) fn traceparent(&self) -> Option<TraceParent> {
        TraceParent::of(self.0.span_context())
    }

    /// Ends with the answer.
    pub(super) fn end(mut self, status: StatusCode) {
        self.0
            .set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if status.is_server_error() {
            self.0.set_attribute(KeyValue::new("error.type", status.as_str().to_owned()));
            self.0.set_status(Status::error(""));
        }
        self.0.end();
    }
}

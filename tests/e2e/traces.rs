//! Traces, as a collector receives them.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use prost::Message as _;
use serde_json::json;

use crate::harness::{
    AuthService, BusinessService, DEMO, FakeServer, Launch, Request, TIMEOUT, eventually, now,
};

const TRACE: [u8; 16] = *b"\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c";
const CALLER: [u8; 8] = *b"\xb7\xad\x6b\x71\x69\x20\x33\x31";
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

struct Collector(FakeServer);

impl Collector {
    fn start() -> Self {
        Self(FakeServer::saying("200 OK", "application/x-protobuf", ""))
    }

    /// The same launch, with this as its collector, which it sends to soon.
    fn of(&self, launch: Launch) -> Launch {
        launch
            .var("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{}/", self.0.port))
            .var("OTEL_BSP_SCHEDULE_DELAY", "50")
    }

    /// The spans so far, each with the name of its service.
    fn spans(&self) -> Vec<(String, Span)> {
        let mut spans = Vec::new();
        for (head, body) in self.0.requests() {
            assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
            assert!(head.contains("application/x-protobuf"), "{head}");
            for of in ExportTraceServiceRequest::decode(&*body).unwrap().resource_spans {
                let service = text(&of.resource.unwrap().attributes, "service.name");
                for span in of.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                    spans.push((service.clone(), span));
                }
            }
        }
        spans
    }

    /// The span of this service that has this name, once it is there.
    fn span(&self, service: &str, name: &str) -> Span {
        eventually(&format!("{name} of {service}"), TIMEOUT, || {
            let mut spans = self.spans().into_iter();
            spans.find(|(of, span)| of == service && span.name == name).map(|(_, span)| span)
        })
    }
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    let found = found.unwrap_or_else(|| panic!("no {key} in {attributes:?}"));
    match found.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::ArrayValue(array)) => format!("{:?}", array.values),
        other => panic!("{key}: {other:?}"),
    }
}

#[test]
fn a_callers_trace_goes_through_both_services() {
    let collector = Collector::start();
    let auth = AuthService::launch(&collector.of(Launch::auth()));
    let business = collector.of(Launch::business(auth.internal.port));
    let business = BusinessService::launch(&business.var("OTEL_SERVICE_NAME", "shop"));
    let token = auth.token();
    let request = Request::get("/data?token=x").bearer(&token).header("x-request-id", "r-1");
    business.public.send(request.header("traceparent", TRACEPARENT)).expect(200);

    let (requested, validated) = (
        collector.span("shop", "GET /data"),
        collector.span("auth-service", "POST /validateToken"),
    );
    for span in [&requested, &validated] {
        assert_eq!(span.trace_id, TRACE);
        assert_eq!(span.kind(), SpanKind::Server);
        assert_eq!(text(&span.attributes, "http.response.status_code"), "200");
        assert!(text(&span.attributes, "http.request.header.x-request-id").contains("\"r-1\""));
        assert!(span.end_time_unix_nano > span.start_time_unix_nano);
    }
    assert_eq!(requested.parent_span_id, CALLER);
    assert_eq!(validated.parent_span_id, requested.span_id);
    assert_eq!(text(&requested.attributes, "http.route"), "/data");
}

#[test]
fn nobody_hides_a_request_from_the_traces_at_the_public_edge() {
    let collector = Collector::start();
    let auth = AuthService::launch(&collector.of(Launch::auth()));
    let business = BusinessService::launch(&collector.of(Launch::business(auth.internal.port)));
    let token = auth.token();
    for flags in ["00", "02", "fe"] {
        let hidden = format!("{}{flags}", TRACEPARENT.trim_end_matches("01"));
        let request = Request::get("/session").bearer(&token).header("traceparent", &hidden);
        auth.public.send(request).expect(200);
        let request = Request::get("/data").bearer(&token).header("traceparent", &hidden);
        business.public.send(request).expect(200);
    }
    let of_trace = |service: &str, name: &str| {
        let spans = collector.spans().into_iter();
        spans
            .filter(|(of, span)| of == service && span.name == name && span.trace_id == TRACE)
            .count()
    };
    for (service, name) in [
        ("auth-service", "GET /session"),
        ("business-service", "GET /data"),
        // Recorded since its caller's own span was, which is what it says.
        ("auth-service", "POST /validateToken"),
    ] {
        eventually(&format!("{name} of {service}"), TIMEOUT, || {
            (of_trace(service, name) == 3).then_some(())
        });
    }
}

#[test]
fn on_the_internal_listener_the_callers_flag_counts() {
    let collector = Collector::start();
    let auth = AuthService::launch(&collector.of(Launch::auth()));
    let token = auth.token();
    for (flags, id) in [("00", "r-unsampled"), ("01", "r-sampled")] {
        let parent = format!("{}{flags}", TRACEPARENT.trim_end_matches("01"));
        let request = Request::post("/validateToken").json(&json!({"token": token}));
        let request = request.header("traceparent", parent).header("x-request-id", id);
        auth.internal.send(request).expect(200);
    }
    // Spans of one service are exported in the order in which they end.
    let sampled = collector.span("auth-service", "POST /validateToken");
    let id = text(&sampled.attributes, "http.request.header.x-request-id");
    assert!(id.contains("\"r-sampled\""), "{id}");
}

#[test]
fn nothing_secret_is_in_a_span_and_an_error_says_so() {
    let collector = Collector::start();
    let auth = AuthService::launch(&collector.of(Launch::auth()));
    let business = BusinessService::launch(&collector.of(Launch::business(1)));
    let token = auth.token();
    auth.public.send(Request::get(&format!("/nowhere/{token}?token={token}"))).expect(404);
    auth.session(&token).expect(200);
    auth.internal.get("/livez").expect(200);
    business.data(&token).expect(503);
    let (lost, failed) =
        (collector.span("auth-service", "GET"), collector.span("business-service", "GET /data"));
    collector.span("auth-service", "GET /session");
    assert!(lost.parent_span_id.is_empty() && lost.trace_id != failed.trace_id);
    assert_eq!(text(&failed.attributes, "error.type"), "503");
    assert!(!collector.spans().iter().any(|(_, span)| span.name.contains("livez")));
    for (_, body) in collector.0.requests() {
        let body = String::from_utf8_lossy(&body).into_owned();
        assert!(!body.contains(&token) && !body.contains(DEMO.1) && !body.contains("/nowhere"));
    }
}

#[test]
fn the_last_spans_are_sent_at_the_end() {
    let collector = Collector::start();
    let launch = collector.of(Launch::pair()).var("OTEL_BSP_SCHEDULE_DELAY", "3600000");
    let mut pair = launch.start();
    let login = json!({"username": DEMO.0, "password": DEMO.1});
    pair.listener("public").send(Request::post("/login").json(&login)).expect(200);
    assert!(collector.spans().is_empty());
    pair.signal("TERM");
    assert_eq!(pair.wait_for_end(TIMEOUT).code(), Some(0));
    let spans = collector.spans();
    assert!(spans.iter().any(|(of, span)| of == "reinflate" && span.name == "POST /login"));
}

#[test]
fn a_collector_that_is_away_or_silent_costs_the_spans_and_nothing_else() {
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    for port in [1, silent.local_addr().unwrap().port()] {
        let launch = Launch::auth()
            .var("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{port}"))
            .var("OTEL_BSP_SCHEDULE_DELAY", "50");
        let mut auth = AuthService::launch(&launch);
        auth.session(&auth.token()).expect(200);
        let signalled = now();
        auth.signal("TERM");
        assert_eq!(auth.wait_for_end(TIMEOUT).code(), Some(0));
        assert!(signalled.elapsed() < Duration::from_secs(5), "{:?}", signalled.elapsed());
    }
}

//! Metrics: a registry, the metrics that every service has, and the text that scrapers read.

use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::MatchedPath;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, Method, StatusCode};
use parking_lot::Mutex;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of durations of requests, in seconds.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// A service's metrics; a clone is the same registry.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    requests: Family<Labels, Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
#[expect(clippy::struct_field_names, reason = "they are the names of the labels")]
struct Labels {
    http_request_method: &'static str,
    http_route: Route,
    http_response_status_code: u16,
}

/// The pattern that a request's path matched, never the path itself.
#[derive(Clone, Debug)]
struct Route(Option<MatchedPath>);

impl Route {
    fn as_str(&self) -> &str {
        self.0.as_ref().map_or("unmatched", MatchedPath::as_str)
    }
}

impl PartialEq for Route {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Route {}

impl Hash for Route {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl EncodeLabelValue for Route {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(self.as_str())
    }
}

/// What a route's requests are counted by when they go well, found once: looking labels up would
/// cost every request a lock and a hash.
#[derive(Debug, Default)]
pub(crate) struct CachedMetric(OnceLock<(Labels, Histogram)>);

impl Metrics {
    /// A registry with `build_info{version}` and the durations of HTTP requests in it.
    pub fn new(version: &'static str) -> Self {
        let mut registry = Registry::default();
        let build =
            Family::<[(&'static str, &'static str); 1], ConstGauge>::new_with_constructor(|| {
                ConstGauge::new(1)
            });
        drop(build.get_or_create(&[("version", version)]));
        registry.register("build_info", "The version that runs", build);
        let lost = "Log lines that were dropped since they were not read in time, by queue";
        registry.register("log_lines_dropped", lost, crate::telemetry::lost_lines());
        let refused = "How often secrets were read again and refused: those of before hold";
        registry.register("config_reload_failures", refused, crate::reload::failures());
        let requests = Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> _);
        let name = "http_server_request_duration_seconds";
        registry.register(name, "How long requests took, by route and status", requests.clone());
        Self { registry: Arc::new(Mutex::new(registry)), requests }
    }

    /// Adds a service's own metrics: `metrics.register(|registry| registry.register(…))`.
    pub fn register<T>(&self, add: impl FnOnce(&mut Registry) -> T) -> T {
        add(&mut self.registry.lock())
    }

    /// The answer to `GET /metrics`, in the format that the request's `Accept` asks for.
    pub fn answer(&self, headers: &HeaderMap) -> Response {
        let mut text = String::new();
        if prometheus_client::encoding::text::encode(&mut text, &self.registry.lock()).is_err() {
            tracing::error!("metrics cannot be written");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (content_type, text) = if accept.contains("application/openmetrics-text") {
            (OPEN_METRICS, text)
        } else {
            (PLAIN, plain(&text))
        };
        ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-store")], text).into_response()
    }

    /// The route `GET /metrics`.
    pub fn routes(&self) -> axum::Router {
        let metrics = self.clone();
        let answer = async move |headers: HeaderMap| metrics.answer(&headers);
        axum::Router::new().route("/metrics", axum::routing::get(answer))
    }

    /// Counts an answered request.
    pub(crate) fn request(
        &self,
        cached: &CachedMetric,
        method: &Method,
        route: Option<MatchedPath>,
        status: StatusCode,
        took: Duration,
    ) {
        let labels = Labels {
            http_request_method: method_name(method),
            http_route: Route(route),
            http_response_status_code: status.as_u16(),
        };
        let took = took.as_secs_f64();
        if let Some((_, histogram)) = cached.0.get().filter(|(stored, _)| *stored == labels) {
            return histogram.observe(took);
        }
        let histogram = self.requests.get_or_create_owned(&labels);
        histogram.observe(took);
        if status.is_success() {
            // Where another request stored one first, that one serves as well.
            let _ = cached.0.set((labels, histogram));
        }
    }
}

/// Standard methods by name; clients can make up any number of others.
pub(crate) fn method_name(method: &Method) -> &'static str {
    const STANDARD: [&str; 9] =
        ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE"];
    STANDARD.into_iter().find(|name| method == name).unwrap_or("_OTHER")
}

/// `OpenMetrics` text in Prometheus's older format, where a counter's family has its `_total` too.
fn plain(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help: Option<(&str, &str)> = None;
    for line in open_metrics.lines() {
        if let Some((name, what)) = line.strip_prefix("# HELP ").and_then(|l| l.split_once(' ')) {
            help = Some((name, what));
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "gauge" | "histogram" | "summary" => ("", kind),
                _ => ("", "untyped"),
            };
            if let Some((_, what)) = help.take().filter(|(of, _)| *of == name) {
                let _ = writeln!(text, "# HELP {name}{suffix} {what}");
            }
            let _ = writeln!(text, "# TYPE {name}{suffix} {kind}");
        } else if !line.starts_with("# ") {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    async fn scraped(metrics: &Metrics, accept: &'static str) -> (String, String) {
        let headers: HeaderMap = [(ACCEPT, HeaderValue::from_static(accept))].into_iter().collect();
        let response = metrics.answer(&headers);
        let content_type = response.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (content_type, String::from_utf8(body.to_vec()).unwrap())
    }

    fn metrics() -> Metrics {
        let metrics = Metrics::new("1.2.3");
        let logins = Counter::<u64>::default();
        logins.inc();
        metrics.register(|registry| registry.register("auth_logins", "Logins", logins));
        let method = Method::from_bytes(b"BREW").unwrap();
        metrics.request(
            &CachedMetric::default(),
            &method,
            None,
            StatusCode::NOT_FOUND,
            Duration::from_millis(3),
        );
        metrics
    }

    #[tokio::test]
    async fn the_plain_format_has_the_names_that_dashboards_ask_for() {
        let (content_type, text) = scraped(&metrics(), "*/*").await;
        assert_eq!(content_type, PLAIN);
        for line in [
            "build_info{version=\"1.2.3\"} 1",
            "# TYPE build_info gauge",
            "# TYPE auth_logins_total counter",
            "# HELP auth_logins_total Logins.",
            "auth_logins_total 1",
            "# TYPE http_server_request_duration_seconds histogram",
            "http_server_request_duration_seconds_count{http_request_method=\"_OTHER\",\
             http_route=\"unmatched\",http_response_status_code=\"404\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
        assert!(!text.contains("# EOF"));
    }

    #[tokio::test]
    async fn a_scraper_that_asks_for_open_metrics_gets_it() {
        let (content_type, text) =
            scraped(&metrics(), "application/openmetrics-text;version=1.0.0,*/*;q=0.1").await;
        assert_eq!(content_type, OPEN_METRICS);
        assert!(text.contains("# TYPE auth_logins counter") && text.ends_with("# EOF\n"), "{text}");
    }
}

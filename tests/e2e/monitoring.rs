//! What watches the services: every metric that documentation, alerts and dashboard name is one
//! that the services have, and a real Prometheus that scrapes them answers every query.

mod prometheus;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{
    AuthService, BusinessService, FakeServer, LONG_PASSWORD, Launch, Listener, Request, eventually,
};
use prometheus::Prometheus;

/// As long as it takes Prometheus to scrape a few times on a busy machine.
const SCRAPED: Duration = Duration::from_secs(90);

/// How many addresses have signed up, each once: one is sent five mails an hour.
static SIGN_UPS: AtomicU32 = AtomicU32::new(0);

/// What the internal listener wants to be shown.
const KEY: &str = "nine-green-glass-lanterns";

/// Both services, with sessions in a file, mails in a directory and a webhook.
struct Services {
    auth: AuthService,
    business: BusinessService,
    _hook: FakeServer,
    _home: TempDir,
}

impl Services {
    fn start() -> Self {
        let home = TempDir::with_prefix("reinflate-e2e-").expect("a temporary directory");
        let file = format!("sqlite:{}", home.path().join("sessions.db").display());
        let hook = FakeServer::saying("200 OK", "text/plain", "");
        let auth = AuthService::launch_on_a_file(
            Launch::auth()
                .var("AUTH_SESSION_STORE", file)
                .var("AUTH_INTERNAL_KEY", KEY)
                .var("AUTH_SIGNUP", "open")
                .var("AUTH_MAIL_URL", format!("file:{}", home.path().join("mails").display()))
                .var("AUTH_MAIL_FROM", "auth@example.com")
                .var("AUTH_WEBHOOK_URL", format!("http://127.0.0.1:{}", hook.port))
                .var("AUTH_WEBHOOK_SECRET", "whsec_bmluZSBncmVlbiBnbGFzcyBsYW50ZXJucw==")
                .var("AUTH_WEBHOOK_TYPES", "session.issued")
                .var("AUTH_LOGIN_ATTEMPTS", "0")
                .var("AUTH_LOGIN_ATTEMPTS_PER_ACCOUNT", "0")
                .var("AUTH_LOGIN_ATTEMPTS_PER_ADDRESS", "0")
                .var("AUTH_LOGINS_PER_ADDRESS", "0"),
        );
        let launch = Launch::business(auth.internal.port).var("BUSINESS_AUTH_KEY", KEY);
        let business = BusinessService::launch(&launch);
        Self { auth, business, _hook: hook, _home: home }
    }

    /// Something of everything that is counted.
    fn work(&self) {
        let token = self.auth.token();
        self.business.data(&token).expect(200);
        self.auth.internal.send(validate(&token)).expect(200);
        self.auth.internal.send(validate("nonsense")).expect(200);
        self.auth.try_login("nobody@example.com", "six silver spoons").expect(401);
        let email = format!("u{}@example.com", SIGN_UPS.fetch_add(1, Ordering::Relaxed));
        let new = json!({"email": email, "password": LONG_PASSWORD});
        self.auth.public.send(Request::post("/api/v1/users").json(&new)).expect(202);
    }
}

fn validate(token: &str) -> Request {
    Request::post("/validateToken").json(&json!({"token": token})).bearer(KEY)
}

/// A file of the repository.
fn repository(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The names that a listener's `/metrics` declares.
fn exposed(listener: Listener) -> BTreeSet<String> {
    let text = listener.send(Request::get("/metrics").bearer(KEY)).expect(200).text();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// The names in the documentation's table for this service: its first column.
fn documented(text: &str, service: &str) -> BTreeSet<String> {
    let head = format!("| {service} | type | labels |");
    let rows = text.lines().skip_while(|line| !line.starts_with(&head)).skip(2);
    let rows = rows.map_while(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next()).map(str::to_owned).collect()
}

#[test]
fn each_metric_is_documented_and_each_documented_one_is_there() {
    let services = Services::start();
    services.work();
    let text = repository("docs/operating.md");
    let both = documented(&text, "both");
    assert_eq!(both.len(), 4, "{both:?}");
    let auth = &documented(&text, "auth-service") | &both;
    assert_eq!(exposed(services.auth.internal), auth);
    let business = &documented(&text, "business-service") | &both;
    assert_eq!(exposed(services.business.internal), business);
}

/// The metrics that a query asks for: its words that are neither functions nor labels.
fn metrics_in(query: &str) -> BTreeSet<String> {
    let mut bare = query.to_owned();
    for (open, close) in [('{', '}'), ('[', ']')] {
        let outside = |part: &str| part.split(close).next_back().unwrap_or_default().to_owned();
        bare = bare.split(open).map(outside).collect::<Vec<_>>().join(" ");
    }
    let mut groups = bare.split("by (");
    let before = groups.next().unwrap_or_default().to_owned();
    let outside = groups.map(|part| part.split_once(')').map_or("", |(_, rest)| rest));
    let bare = outside.fold(before, |text, rest| text + " " + rest);
    let words = bare.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter(|word| word.contains('_') && *word != "histogram_quantile");
    names.map(family).collect()
}

/// A histogram's series are called after it.
fn family(series: &str) -> String {
    let suffixes = ["_bucket", "_sum", "_count"];
    let stripped = suffixes.iter().find_map(|suffix| series.strip_suffix(suffix));
    stripped.unwrap_or(series).to_owned()
}

/// The dashboard's queries, each with the title of its panel.
fn dashboard() -> Vec<(String, String)> {
    let text = repository("deploy/grafana/dashboards/reinflate.json");
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let [title, query] = [&panel["title"], &target["expr"]];
            queries.push((title.as_str().unwrap().to_owned(), query.as_str().unwrap().to_owned()));
        }
    }
    assert!(queries.len() >= 15, "the queries were not found");
    queries
}

#[test]
fn a_real_prometheus_has_every_alert_and_something_to_draw_in_every_panel() {
    let services = Services::start();
    let (auth, business) = (services.auth.internal.port, services.business.internal.port);
    let Some(prometheus) = Prometheus::scraping(auth, business) else { return };
    let exposed_metrics = &exposed(services.auth.internal) | &exposed(services.business.internal);

    let alerts = prometheus.alerts();
    assert!(alerts.len() >= 15, "{alerts:?}");
    for alert in &alerts {
        let query = alert["query"].as_str().unwrap();
        let unknown = &metrics_in(query) - &exposed_metrics;
        assert!(unknown.is_empty(), "{}: {unknown:?} in {query}", alert["name"]);
    }
    for (title, query) in dashboard() {
        let unknown = &metrics_in(&query) - &exposed_metrics;
        assert!(unknown.is_empty(), "{title}: {unknown:?} in {query}");
        let query = query.replace("$instance", ".*").replace("$__rate_interval", "15s");
        eventually(&format!("{title} has something to draw: {query}"), SCRAPED, || {
            services.work();
            prometheus.query(&query).iter().any(is_a_number).then_some(())
        });
    }
    eventually("every rule has been evaluated", SCRAPED, || {
        prometheus.alerts().iter().all(|alert| alert["health"] != "unknown").then_some(())
    });
    for alert in prometheus.alerts() {
        assert_eq!(alert["health"], "ok", "{alert}");
    }
}

fn is_a_number(series: &Value) -> bool {
    series["value"][1].as_str().is_some_and(|value| value != "NaN")
}

#[test]
fn a_metric_is_found_in_a_query() {
    let query = "sum by (job, le_x) (rate(a_b_bucket{c_d!~\"e_f\"}[5m])) / c_d_total > 2 * up";
    let expected = ["a_b", "c_d_total"].map(str::to_owned);
    assert_eq!(metrics_in(query), BTreeSet::from(expected));
}

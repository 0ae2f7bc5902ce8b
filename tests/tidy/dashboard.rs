//! The dashboard for Grafana: `deploy/grafana/dashboards/reinflate.json` is written from the panels
//! below, by `UPDATE=1 cargo test --test tidy dashboard`, and draws every metric that
//! `docs/operating.md` has. That its queries give something is tested in `tests/e2e/monitoring.rs`.

mod webhook_panels;

use std::fs;

use serde_json::{Value, json};

use super::files::root;
use webhook_panels::WEBHOOKS;

const PATH: &str = "deploy/grafana/dashboards/reinflate.json";
/// Three beside one another in the 24 columns that a dashboard has.
const WIDTH: usize = 8;
const HEIGHT: usize = 7;

struct Panel {
    title: &'static str,
    /// As Grafana calls it: `s`, `ops`, `short`, `bytes`.
    unit: &'static str,
    /// Query and legend of each line.
    lines: &'static [(&'static str, &'static str)],
}

const fn panel(
    title: &'static str,
    unit: &'static str,
    lines: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel { title, unit, lines }
}

const ROWS: &[(&str, &[Panel])] = &[
    ("At a glance", GLANCE),
    ("Validations", VALIDATIONS),
    ("Logins", LOGINS),
    ("Session store", STORE),
    ("Session file, where sessions are in one", FILE),
    ("Mail, where any is sent", MAIL),
    ("Webhooks, where there are any", WEBHOOKS),
    ("Keys and secrets", SECRETS),
];

const GLANCE: &[Panel] = &[
    panel(
        "Processes that answer",
        "short",
        &[(r#"sum by (job) (up{job=~"auth-service|business-service"})"#, "{{job}}")],
    ),
    panel(
        "Versions",
        "short",
        &[(
            r#"count by (job, version) (build_info{instance=~"$instance"})"#,
            "{{job}} {{version}}",
        )],
    ),
    panel(
        "Sessions",
        "short",
        &[(r#"auth_sessions_active{instance=~"$instance"}"#, "{{instance}}")],
    ),
    panel(
        "Requests by status",
        "ops",
        &[(
            r#"sum by (job, http_response_status_code) (rate(http_server_request_duration_seconds_count{instance=~"$instance"}[$__rate_interval]))"#,
            "{{job}} {{http_response_status_code}}",
        )],
    ),
    panel(
        "Requests, 99 of 100 within, by route",
        "s",
        &[(
            r#"histogram_quantile(0.99, sum by (job, http_route, le) (rate(http_server_request_duration_seconds_bucket{instance=~"$instance"}[$__rate_interval])))"#,
            "{{job}} {{http_route}}",
        )],
    ),
    panel(
        "Log lines dropped",
        "ops",
        &[(
            r#"sum by (job, queue) (rate(log_lines_dropped_total{instance=~"$instance"}[$__rate_interval]))"#,
            "{{job}} {{queue}}",
        )],
    ),
];

const VALIDATIONS: &[Panel] = &[
    panel(
        "Verdicts of auth-service",
        "ops",
        &[(
            r#"sum by (result) (rate(auth_token_validations_total{instance=~"$instance"}[$__rate_interval]))"#,
            "{{result}}",
        )],
    ),
    panel(
        "What business-service got",
        "ops",
        &[(
            r#"sum by (result) (rate(auth_client_validations_total{instance=~"$instance"}[$__rate_interval]))"#,
            "{{result}}",
        )],
    ),
    panel(
        "Time of /validateToken",
        "s",
        &[
            (
                r#"histogram_quantile(0.5, sum by (le) (rate(http_server_request_duration_seconds_bucket{instance=~"$instance", http_route="/validateToken"}[$__rate_interval])))"#,
                "half",
            ),
            (
                r#"histogram_quantile(0.99, sum by (le) (rate(http_server_request_duration_seconds_bucket{instance=~"$instance", http_route="/validateToken"}[$__rate_interval])))"#,
                "99 of 100",
            ),
        ],
    ),
    panel(
        "Validations in one call",
        "short",
        &[(
            r#"sum by (instance) (rate(auth_client_batch_size_sum{instance=~"$instance"}[$__rate_interval])) / sum by (instance) (rate(auth_client_batch_size_count{instance=~"$instance"}[$__rate_interval]))"#,
            "{{instance}}",
        )],
    ),
    panel(
        "Validations in flight",
        "short",
        &[(r#"auth_client_in_flight{instance=~"$instance"}"#, "{{instance}} to {{upstream}}")],
    ),
    panel(
        "Open circuit breakers",
        "short",
        &[(r#"auth_client_breaker_open{instance=~"$instance"}"#, "{{instance}} to {{upstream}}")],
    ),
];

const LOGINS: &[Panel] = &[
    panel(
        "Logins by result",
        "ops",
        &[(
            r#"sum by (result) (rate(auth_logins_total{instance=~"$instance"}[$__rate_interval]))"#,
            "{{result}}",
        )],
    ),
    panel(
        "Hashing a password",
        "s",
        &[
            (
                r#"histogram_quantile(0.5, sum by (le) (rate(auth_password_hash_seconds_bucket{instance=~"$instance"}[$__rate_interval])))"#,
                "half",
            ),
            (
                r#"histogram_quantile(0.99, sum by (le) (rate(auth_password_hash_seconds_bucket{instance=~"$instance"}[$__rate_interval])))"#,
                "99 of 100",
            ),
        ],
    ),
    panel(
        "Threads that hash",
        "short",
        &[(
            r#"rate(auth_password_hash_seconds_sum{instance=~"$instance"}[$__rate_interval])"#,
            "{{instance}}",
        )],
    ),
];

const STORE: &[Panel] = &[
    panel(
        "Operations",
        "ops",
        &[(
            r#"sum by (op, backend) (rate(auth_store_op_duration_seconds_count{instance=~"$instance"}[$__rate_interval]))"#,
            "{{op}} {{backend}}",
        )],
    ),
    panel(
        "Operations, 99 of 100 within",
        "s",
        &[(
            r#"histogram_quantile(0.99, sum by (op, backend, le) (rate(auth_store_op_duration_seconds_bucket{instance=~"$instance"}[$__rate_interval])))"#,
            "{{op}} {{backend}}",
        )],
    ),
    panel(
        "Expired sessions swept, and the time it takes",
        "short",
        &[
            (
                r#"sum by (instance) (rate(auth_sessions_swept_total{instance=~"$instance"}[$__rate_interval]))"#,
                "{{instance}} sessions a second",
            ),
            (
                r#"sum by (instance) (rate(auth_sweep_duration_seconds_sum{instance=~"$instance"}[$__rate_interval]))"#,
                "{{instance}} seconds a second",
            ),
        ],
    ),
];

const FILE: &[Panel] = &[
    panel(
        "Commits by result",
        "ops",
        &[(
            r#"sum by (instance, result) (rate(auth_session_commits_total{instance=~"$instance"}[$__rate_interval]))"#,
            "{{instance}} {{result}}",
        )],
    ),
    panel(
        "Time of a commit",
        "s",
        &[
            (
                r#"histogram_quantile(0.5, sum by (le) (rate(auth_session_commit_duration_seconds_bucket{instance=~"$instance"}[$__rate_interval])))"#,
                "half",
            ),
            (
                r#"histogram_quantile(0.99, sum by (le) (rate(auth_session_commit_duration_seconds_bucket{instance=~"$instance"}[$__rate_interval])))"#,
                "99 of 100",
            ),
        ],
    ),
    panel(
        "Size of the file",
        "bytes",
        &[(r#"auth_session_file_bytes{instance=~"$instance"}"#, "{{instance}}")],
    ),
    panel(
        "How late uses are written",
        "s",
        &[(r#"auth_session_tick_lag_seconds{instance=~"$instance"}"#, "{{instance}}")],
    ),
];

const MAIL: &[Panel] = &[
    panel(
        "Mails that wait",
        "short",
        &[(r#"max(auth_mail_queued{instance=~"$instance"})"#, "mails")],
    ),
    panel(
        "How long the oldest has waited",
        "s",
        &[(r#"max(auth_mail_oldest_seconds{instance=~"$instance"})"#, "oldest")],
    ),
    panel(
        "What became of them",
        "ops",
        &[(
            r#"sum by (result) (rate(auth_mail_attempts_total{instance=~"$instance"}[$__rate_interval]))"#,
            "{{result}}",
        )],
    ),
    panel(
        "Time to hand one over",
        "s",
        &[(
            r#"histogram_quantile(0.99, sum by (le) (rate(auth_mail_send_duration_seconds_bucket{instance=~"$instance"}[$__rate_interval])))"#,
            "99 of 100",
        )],
    ),
];

const SECRETS: &[Panel] = &[
    panel(
        "Since an internal key was last used",
        "s",
        &[(
            r#"time() - internal_key_last_used_timestamp_seconds{instance=~"$instance"}"#,
            "{{instance}}, key {{key}}",
        )],
    ),
    panel(
        "Secrets that were refused",
        "short",
        &[(
            r#"sum by (job) (increase(config_reload_failures_total{instance=~"$instance"}[$__rate_interval]))"#,
            "{{job}}",
        )],
    ),
];

fn source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

fn drawn(panel: &Panel, id: usize, x: usize, y: usize) -> Value {
    let target = |(at, (query, legend)): (usize, &(&str, &str))| {
        let id = char::from(b'A' + u8::try_from(at).unwrap()).to_string();
        json!({ "refId": id, "datasource": source(), "expr": query, "legendFormat": legend })
    };
    json!({
        "id": id,
        "type": "timeseries",
        "title": panel.title,
        "datasource": source(),
        "gridPos": { "h": HEIGHT, "w": WIDTH, "x": x, "y": y },
        "fieldConfig": { "defaults": { "unit": panel.unit, "min": 0 }, "overrides": [] },
        "options": { "legend": { "displayMode": "list", "placement": "bottom" } },
        "targets": panel.lines.iter().enumerate().map(target).collect::<Vec<_>>(),
    })
}

fn panels() -> Vec<Value> {
    let (mut panels, mut y) = (Vec::new(), 0);
    for (title, row) in ROWS {
        let position = json!({ "h": 1, "w": 24, "x": 0, "y": y });
        let id = panels.len() + 1;
        panels.push(json!({ "id": id, "type": "row", "title": title, "gridPos": position }));
        y += 1;
        for three in row.chunks(24 / WIDTH) {
            for (at, panel) in three.iter().enumerate() {
                panels.push(drawn(panel, panels.len() + 1, at * WIDTH, y));
            }
            y += HEIGHT;
        }
    }
    panels
}

fn written() -> String {
    let instances = "label_values(build_info, instance)";
    let dashboard = json!({
        "uid": "reinflate",
        "title": "Reinflate",
        "tags": ["reinflate"],
        "schemaVersion": 39,
        "editable": true,
        "refresh": "30s",
        "time": { "from": "now-1h", "to": "now" },
        "templating": { "list": [
            { "name": "datasource", "type": "datasource", "query": "prometheus" },
            {
                "name": "instance", "type": "query", "datasource": source(), "query": instances,
                "refresh": 2, "multi": true, "includeAll": true, "allValue": ".*",
                "current": { "text": ["All"], "value": ["$__all"] },
            },
        ] },
        "panels": panels(),
    });
    format!("{}\n", serde_json::to_string_pretty(&dashboard).unwrap())
}

/// The names in the first column of the tables of metrics.
fn documented(operating: &str) -> Vec<&str> {
    let section = operating.split("\n## ").find(|text| text.starts_with("Metrics\n")).unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once('`')).map(|(name, _)| name).collect()
}

#[test]
fn the_dashboard_is_written_from_its_panels() {
    let path = root().join(PATH);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, written()).unwrap();
    }
    let current = fs::read_to_string(&path).unwrap() == written();
    assert!(current, "{PATH} is not current: run `UPDATE=1 cargo test --test tidy dashboard`");
}

#[test]
fn the_dashboard_draws_every_documented_metric() {
    let text = fs::read_to_string(root().join("docs/operating.md")).unwrap();
    let documented = documented(&text);
    assert!(documented.len() >= 14, "the tables were not found: {documented:?}");
    let queries: Vec<&str> =
        ROWS.iter().flat_map(|(_, row)| *row).flat_map(|p| p.lines).map(|(q, _)| *q).collect();
    let missing = documented.iter().filter(|name| !queries.iter().any(|q| q.contains(*name)));
    let missing: Vec<String> = missing.map(ToString::to_string).collect();
    super::assert_none("a metric that no panel draws", &missing);
}

//! A real Prometheus of a test's own, with the rules of `deploy/prometheus`.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use testkit::percent_encoded;

use super::{KEY, SCRAPED};
use crate::harness::{Listener, Request, eventually, skip_unless_installed, unused_port};

/// A running server, killed with its owner.
pub(super) struct Prometheus {
    listener: Listener,
    process: Child,
    _home: TempDir,
}

impl Prometheus {
    /// Scraping these ports, once it has done so; `None` where there is no such program.
    pub(super) fn scraping(auth: u16, business: u16) -> Option<Self> {
        if skip_unless_installed("prometheus") {
            return None;
        }
        let home = TempDir::with_prefix("reinflate-e2e-").expect("a temporary directory");
        let file = home.path().join("prometheus.yml");
        fs::write(&file, configuration(auth, business)).expect("it can be written");
        let listener = Listener { port: unused_port() };
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", home.path().display()))
            .arg(format!("--web.listen-address=127.0.0.1:{}", listener.port))
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus starts");
        let prometheus = Self { listener, process, _home: home };
        eventually("prometheus scrapes both", SCRAPED, || {
            listener.try_connect().ok()?;
            (prometheus.query("up == 1").len() == 2).then_some(())
        });
        Some(prometheus)
    }

    /// The series of an instant query, which must be one that Prometheus understands.
    pub(super) fn query(&self, query: &str) -> Vec<Value> {
        let form = format!("query={}", percent_encoded(query));
        let answer = self.listener.send(Request::post("/api/v1/query").form(&form));
        // While it starts, it says that it is not ready.
        if answer.status == 503 {
            return Vec::new();
        }
        let answer = answer.expect(200).json();
        answer["data"]["result"].as_array().expect("a vector").clone()
    }

    /// The alerts that it has loaded, with their queries, annotations and health.
    pub(super) fn alerts(&self) -> Vec<Value> {
        let answer = self.listener.get("/api/v1/rules?type=alert").expect(200).json();
        let groups = answer["data"]["groups"].as_array().expect("groups").clone();
        groups.iter().flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(auth: u16, business: u16) -> String {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus/*.rules.yml");
    let job = |name: &str, port: u16| {
        format!(
            "  - {{ job_name: {name}, authorization: {{ credentials: {KEY} }}, \
             static_configs: [{{ targets: ['127.0.0.1:{port}'] }}] }}\n"
        )
    };
    let (auth, business) = (job("auth-service", auth), job("business-service", business));
    format!(
        "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
         rule_files: ['{}']\nscrape_configs:\n{auth}{business}",
        rules.display()
    )
}

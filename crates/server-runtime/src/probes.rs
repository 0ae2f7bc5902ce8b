//! The probes: `/livez` while the process lives, `/readyz` while it can do its work.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use tokio::task::JoinSet;

use crate::problem::Problem;
use crate::shutdown::Lifecycle;

/// How long a check may take before it has failed.
const PATIENCE: Duration = Duration::from_secs(1);

type Answer = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
type Ask = Arc<dyn Fn() -> Answer + Send + Sync>;

/// What a process needs in order to be ready: nothing but its life, until checks are added.
#[derive(Clone)]
pub struct Readiness {
    lifecycle: Lifecycle,
    checks: Vec<(&'static str, Ask)>,
    notes: Vec<String>,
}

impl Readiness {
    /// Ready while the lifecycle is.
    pub fn new(lifecycle: &Lifecycle) -> Self {
        Self { lifecycle: lifecycle.clone(), checks: Vec::new(), notes: Vec::new() }
    }

    /// The same, and only while `ask` succeeds; `name` is what the answer calls it. An error is
    /// logged, not told. A check that takes longer than a second has failed.
    #[must_use]
    pub fn check<F, A, E>(mut self, name: &'static str, ask: F) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display,
    {
        let ask: Ask = Arc::new(move || {
            let answer = ask();
            Box::pin(async move { answer.await.map_err(|e| e.to_string()) })
        });
        self.checks.push((name, ask));
        self
    }

    /// The same, with something that the operator should know and that keeps nobody from being
    /// ready: it stands in the answer.
    #[must_use]
    pub fn note(mut self, note: String) -> Self {
        self.notes.push(note);
        self
    }

    /// Both services' checks, for a process that runs two.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.checks.extend(other.checks.iter().cloned());
        self.notes.extend(other.notes.iter().cloned());
        self
    }

    /// The answer to `GET /readyz`: 200, or 503 naming what does not answer.
    pub async fn answer(&self) -> Response {
        if self.lifecycle.draining() {
            return not_ready("the process is ending".to_owned());
        }
        let failed = self.failed().await;
        if failed.is_empty() {
            fine("ready", &self.notes)
        } else {
            not_ready(format!("no answer from: {}", failed.join(", ")))
        }
    }

    /// The names of the checks that fail, in order; all are asked at once.
    async fn failed(&self) -> Vec<&'static str> {
        let mut asked = JoinSet::new();
        for (index, (_, ask)) in self.checks.iter().enumerate() {
            let answer = ask();
            asked.spawn(async move { (index, tokio::time::timeout(PATIENCE, answer).await) });
        }
        // A check that panics is not among the answers, and so has failed.
        let mut failed = vec![true; self.checks.len()];
        while let Some(answered) = asked.join_next().await {
            match answered {
                Ok((index, Ok(Ok(())))) => failed[index] = false,
                Ok((index, Ok(Err(error)))) => {
                    tracing::warn!(check = self.checks[index].0, error, "not ready");
                }
                _ => {}
            }
        }
        let names = self.checks.iter().zip(failed);
        names.filter(|(_, failed)| *failed).map(|((name, _), _)| *name).collect()
    }

    /// The routes `GET /livez` and `GET /readyz`.
    pub fn routes(&self) -> axum::Router {
        let readiness = self.clone();
        let ready = async move || readiness.answer().await;
        axum::Router::new()
            .route("/livez", axum::routing::get(live))
            .route("/readyz", axum::routing::get(ready))
    }
}

/// The answer to `GET /livez`: 200 while the process lives.
pub async fn live() -> Response {
    fine("alive", &[])
}

fn fine(status: &str, notes: &[String]) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    let body = if notes.is_empty() {
        serde_json::json!({ "status": status })
    } else {
        serde_json::json!({ "status": status, "notes": notes })
    };
    (headers, body.to_string()).into_response()
}

fn not_ready(detail: String) -> Response {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Unavailable", detail)
        .with_header(RETRY_AFTER, HeaderValue::from_static("1"))
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn detail(response: Response) -> String {
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        json["detail"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn what_does_not_answer_is_named_and_its_error_is_not_told() {
        let life = Lifecycle::new(Duration::ZERO);
        let ready = Readiness::new(&life).check("users", async || Ok::<_, String>(()));
        assert_eq!(ready.answer().await.status(), 200);
        let other = Readiness::new(&life)
            .check("sessions", async || Err("password wrong"))
            .check("broken", async || -> Result<(), String> { panic!("on purpose") });
        let response = ready.and(&other).answer().await;
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "1");
        assert_eq!(detail(response).await, "no answer from: sessions, broken");
    }

    #[tokio::test]
    async fn a_note_is_told_and_keeps_nobody_from_being_ready() {
        let life = Lifecycle::new(Duration::ZERO);
        let ready = Readiness::new(&life).note("a \"risk\"".to_owned());
        let response = Readiness::new(&life).and(&ready).answer().await;
        assert_eq!(response.status(), 200);
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json, serde_json::json!({"status": "ready", "notes": ["a \"risk\""]}));
    }

    #[tokio::test]
    async fn a_draining_process_is_alive_and_not_ready() {
        let life = Lifecycle::new(Duration::ZERO);
        let ready = Readiness::new(&life);
        life.drain();
        assert_eq!(ready.answer().await.status(), 503);
        assert_eq!(live().await.status(), 200);
    }
}

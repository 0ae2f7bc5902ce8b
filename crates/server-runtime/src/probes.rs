//! The probes: `/livez` while the process lives, `/readyz` while it can do its work.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use auth_http::{ErrorCode, Problem};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http_server::Lifecycle;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::problem;

/// How long a check may take before it has failed.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How long the outcome of a check is good for: probes cost a store no more than four round trips a
/// second, however many clients probe.
const SHARED_FOR: Duration = Duration::from_millis(250);

type Checking = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
type Run = Arc<dyn Fn() -> Checking + Send + Sync>;

/// What a process needs in order to be ready: nothing but its life, until checks are added.
#[derive(Clone)]
pub struct Readiness {
    lifecycle: Lifecycle,
    checks: Vec<Arc<Check>>,
    notes: Vec<Note>,
}

/// Says what the operator should know, where there is something.
type Note = Arc<dyn Fn() -> Option<String> + Send + Sync>;

struct Check {
    name: &'static str,
    run: Run,
    /// When it was last made, and whether it succeeded. It is held while a check is under way.
    last: Mutex<Option<(Instant, bool)>>,
}

impl Readiness {
    /// Ready while the lifecycle is.
    pub fn new(lifecycle: &Lifecycle) -> Self {
        Self { lifecycle: lifecycle.clone(), checks: Vec::new(), notes: Vec::new() }
    }

    /// The same, and only while `run` succeeds; `name` is what the response calls it. An error is
    /// logged, and stands in no response. A check that takes longer than a second has failed.
    #[must_use]
    pub fn check<F, A, E>(mut self, name: &'static str, run: F) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display,
    {
        let run: Run = Arc::new(move || {
            let checking = run();
            Box::pin(async move { checking.await.map_err(|e| e.to_string()) })
        });
        self.checks.push(Arc::new(Check { name, run, last: Mutex::default() }));
        self
    }

    /// The same, with something that the operator should know and that does not keep the process from
    /// being ready: it stands in the response.
    #[must_use]
    pub fn note(self, note: String) -> Self {
        self.note_while(move || Some(note.clone()))
    }

    /// The same, with what `note` says at the time of the response, if anything.
    #[must_use]
    pub fn note_while<F>(mut self, note: F) -> Self
    where
        F: Fn() -> Option<String> + Send + Sync + 'static,
    {
        self.notes.push(Arc::new(note));
        self
    }

    /// The same without the notes, for public listeners: the response names what does not answer,
    /// and nothing else.
    #[must_use]
    pub fn without_notes(&self) -> Self {
        Self { notes: Vec::new(), ..self.clone() }
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
            let notes: Vec<String> = self.notes.iter().filter_map(|note| note()).collect();
            fine("ready", &notes)
        } else {
            not_ready(format!("no answer from: {}", failed.join(", ")))
        }
    }

    /// The names of the checks that fail, in order; all are made at once. A client that goes
    /// leaves a check under way to those who wait for it.
    async fn failed(&self) -> Vec<&'static str> {
        let made = self.checks.iter().map(|check| {
            let (name, tasks) = (check.name, self.lifecycle.tracker());
            (name, tasks.spawn(Arc::clone(check).succeeds()))
        });
        let mut failed = Vec::new();
        for (name, succeeds) in made.collect::<Vec<_>>() {
            // A check that panics has failed.
            if !succeeds.await.unwrap_or(false) {
                failed.push(name);
            }
        }
        failed
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

impl Check {
    /// Whether it succeeds now, or did a moment ago.
    async fn succeeds(self: Arc<Self>) -> bool {
        let mut last = self.last.lock().await;
        if let Some((at, succeeded)) = *last
            && at.elapsed() < SHARED_FOR
        {
            return succeeded;
        }
        let succeeded = match tokio::time::timeout(TIMEOUT, (self.run)()).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(check = self.name, error, "not ready");
                false
            }
            Err(_) => false,
        };
        *last = Some((Instant::now(), succeeded));
        succeeded
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
    problem::answer(Problem::new(ErrorCode::Unavailable, detail).with_retry_after(1))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::StatusCode;
    use http::header::RETRY_AFTER;
    use tokio::sync::{Semaphore, SemaphorePermit};
    use tokio::task::JoinSet;

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
    async fn any_number_of_probes_are_one_check_whose_outcome_is_shared_for_a_while() {
        let life = Lifecycle::new(Duration::ZERO);
        let (checks, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let ready = Readiness::new(&life).check("store", {
            let (checks, open) = (Arc::clone(&checks), Arc::clone(&open));
            move || {
                checks.fetch_add(1, Ordering::Relaxed);
                let open = Arc::clone(&open);
                async move { open.acquire().await.map(SemaphorePermit::forget) }
            }
        });
        let other = Readiness::new(&life).and(&ready).without_notes();
        let mut probes = JoinSet::new();
        for index in 0..50 {
            let ready = if index % 2 == 0 { ready.clone() } else { other.clone() };
            probes.spawn(async move { ready.answer().await.status() });
        }
        while checks.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        // The caller that started the check is cancelled; the others still get its result.
        let mut staying = JoinSet::new();
        staying.spawn({
            let ready = ready.clone();
            async move { ready.answer().await.status() }
        });
        tokio::task::yield_now().await;
        probes.abort_all();
        while probes.join_next().await.is_some() {}
        open.add_permits(1);
        assert_eq!(staying.join_all().await, [StatusCode::OK]);
        assert_eq!(ready.answer().await.status(), StatusCode::OK);
        assert_eq!(checks.load(Ordering::Relaxed), 1);
        open.add_permits(1);
        tokio::time::sleep(SHARED_FOR).await;
        assert_eq!(ready.answer().await.status(), StatusCode::OK);
        assert_eq!(checks.load(Ordering::Relaxed), 2);
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
        let response = ready.without_notes().answer().await;
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert_eq!(&body[..], br#"{"status":"ready"}"#);
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

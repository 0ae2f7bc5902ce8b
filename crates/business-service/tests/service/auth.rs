//! An auth service with one live token, `alive`.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::StatusCode;
use parking_lot::Mutex;
use serde_json::{Value, json};

/// How it does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mood {
    Well,
    /// It answers with this status, whatever it is asked.
    Broken(u16),
    /// It never answers.
    Hung,
}

#[derive(Clone)]
pub(crate) struct Auth {
    pub(crate) url: String,
    state: Arc<Mutex<Inner>>,
}

struct Inner {
    mood: Mood,
    username: String,
    questions: Vec<Value>,
}

impl Auth {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inner =
            Inner { mood: Mood::Well, username: "ann@example.com".to_owned(), questions: vec![] };
        let auth = Self { url, state: Arc::new(Mutex::new(inner)) };
        let router = Router::new().route("/validateToken", post(answer)).with_state(auth.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        auth
    }

    pub(crate) fn is(&self, mood: Mood) {
        self.state.lock().mood = mood;
    }

    pub(crate) fn calls_the_user(&self, username: &str) {
        username.clone_into(&mut self.state.lock().username);
    }

    /// The questions about this token so far.
    pub(crate) fn asked_about(&self, token: &str) -> Vec<Value> {
        let inner = self.state.lock();
        inner.questions.iter().filter(|question| question["token"] == token).cloned().collect()
    }
}

async fn answer(State(auth): State<Auth>, body: Bytes) -> Response {
    let question: Value = serde_json::from_slice(&body).unwrap();
    let (mood, username, uses) = {
        let mut inner = auth.state.lock();
        inner.questions.push(question.clone());
        let uses =
            inner.questions.iter().filter(|other| other["token"] == question["token"]).count();
        (inner.mood, inner.username.clone(), uses)
    };
    match mood {
        Mood::Well => axum::Json(verdict(&question, &username, uses)).into_response(),
        Mood::Broken(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Mood::Hung => std::future::pending().await,
    }
}

fn verdict(question: &Value, username: &str, uses: usize) -> Value {
    match question["token"].as_str().unwrap() {
        "alive" => json!({"authenticated": true, "session": session(username, uses)}),
        "expired" => json!({"authenticated": false, "reason": "expired"}),
        _ => json!({"authenticated": false, "reason": "unknown"}),
    }
}

fn session(username: &str, uses: usize) -> Value {
    json!({
        "id": "01935a3e-0000-7000-8000-000000000000", "kind": "sliding", "transport": "bearer",
        "user": {"id": "01935a3e-0000-7000-8000-000000000001", "username": username,
            "roles": ["admin", "user"]},
        "role": "admin", "name": null, "created_at": "2026-11-20T12:00:00.000Z",
        "last_used_at": "2026-11-20T12:00:07.120Z", "expires_at": "2026-11-20T12:00:37.120Z",
        "expires_in": 30, "absolute_expires_at": "2026-11-21T00:00:00.000Z",
        "refresh_count": uses, "ip": null, "user_agent": null,
    })
}

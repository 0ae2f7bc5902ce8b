//! An auth service with one live token, `alive`.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use testkit::fake_auth::{Call, SESSION, Service, dead, http, token};

/// How it does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mood {
    Well,
    /// It answers with this status, whatever it is asked.
    Broken(u16),
    /// It never answers.
    Hung,
}

pub(crate) struct Auth {
    pub(crate) url: String,
    state: Arc<Mutex<Inner>>,
}

struct Inner {
    mood: Mood,
    username: String,
    questions: Vec<Value>,
    /// What will never be answered.
    hung: Vec<Call>,
}

impl Auth {
    pub(crate) async fn start() -> Self {
        let username = "ann@example.com".to_owned();
        let inner = Inner { mood: Mood::Well, username, questions: vec![], hung: vec![] };
        let state = Arc::new(Mutex::new(inner));
        let asked = Arc::clone(&state);
        let url = Service::new().await.deals(move |call| answer(&mut asked.lock(), call));
        Self { url, state }
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

fn answer(auth: &mut Inner, call: Call) {
    auth.questions.extend(call.items());
    match auth.mood {
        Mood::Well => call.judge(|question| verdict(auth, &token(question))),
        Mood::Broken(status) => call.say(&http(&format!("{status} Broken"), "text/plain", "")),
        Mood::Hung => auth.hung.push(call),
    }
}

fn verdict(auth: &Inner, asked: &str) -> String {
    match asked {
        "alive" => {
            let mut session: Value = serde_json::from_str(SESSION).unwrap();
            session["user"]["username"] = auth.username.as_str().into();
            let uses = auth.questions.iter().filter(|question| question["token"] == asked);
            session["refresh_count"] = uses.count().into();
            format!("{{\"authenticated\":true,\"session\":{session}}}")
        }
        "expired" => dead("expired"),
        _ => dead("unknown"),
    }
}

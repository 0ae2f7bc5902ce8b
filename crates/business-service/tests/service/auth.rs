//! An auth service with one live token, `alive`.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use testkit::fake_auth::{Exchange, SESSION, Service, dead, http, token};

/// How the fake service behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Health {
    Healthy,
    /// It replies with this status to every request.
    Broken(u16),
    /// It never answers.
    Hung,
}

pub(crate) struct Auth {
    pub(crate) url: String,
    state: Arc<Mutex<Inner>>,
}

struct Inner {
    health: Health,
    username: String,
    questions: Vec<Value>,
    /// Requests that never get a reply.
    unanswered: Vec<Exchange>,
}

impl Auth {
    pub(crate) async fn start() -> Self {
        let username = "ann@example.com".to_owned();
        let inner =
            Inner { health: Health::Healthy, username, questions: vec![], unanswered: vec![] };
        let state = Arc::new(Mutex::new(inner));
        let state_of_service = Arc::clone(&state);
        let url = Service::new()
            .await
            .handle_with(move |exchange| answer(&mut state_of_service.lock(), exchange));
        Self { url, state }
    }

    pub(crate) fn set_health(&self, health: Health) {
        self.state.lock().health = health;
    }

    pub(crate) fn set_username(&self, username: &str) {
        username.clone_into(&mut self.state.lock().username);
    }

    /// The questions about this token so far.
    pub(crate) fn questions_about(&self, token: &str) -> Vec<Value> {
        let inner = self.state.lock();
        inner.questions.iter().filter(|question| question["token"] == token).cloned().collect()
    }
}

fn answer(auth: &mut Inner, exchange: Exchange) {
    auth.questions.extend(exchange.items());
    match auth.health {
        Health::Healthy => exchange.judge(|question| verdict(auth, &token(question))),
        Health::Broken(status) => {
            exchange.reply(&http(&format!("{status} Broken"), "text/plain", ""));
        }
        Health::Hung => auth.unanswered.push(exchange),
    }
}

fn verdict(auth: &Inner, token: &str) -> String {
    match token {
        "alive" => {
            let mut session: Value = serde_json::from_str(SESSION).unwrap();
            session["user"]["username"] = auth.username.as_str().into();
            let uses = auth.questions.iter().filter(|question| question["token"] == token);
            session["refresh_count"] = uses.count().into();
            format!("{{\"authenticated\":true,\"session\":{session}}}")
        }
        "expired" => dead("expired"),
        _ => dead("unknown"),
    }
}

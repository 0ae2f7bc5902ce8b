//! An auth service that knows the packed form, or used to not know it.

use std::sync::Arc;
use std::time::Duration;

use auth_api_types::{
    Client, ItemOrToken, Results, SessionView, ValidateItem, ValidateRequest, Verdict, packed,
};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use parking_lot::Mutex;
use testkit::fake_auth::SESSION;
use tokio::net::TcpListener;
use tokio::sync::{Notify, OwnedRwLockWriteGuard, RwLock};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// What is done with a request.
#[derive(Clone)]
pub(crate) enum Act {
    /// Each token is alive, packed where that is accepted.
    Answer,
    /// Each token is alive, in JSON whatever the request is.
    AnswerInJson,
    /// As a release before: 415 for what is packed, and an answer in JSON to JSON.
    JsonOnly,
    /// 415 for anything.
    Unsupported,
    /// This status for what is packed, from something on the way; JSON is let through.
    Stopped(u16),
    /// 415 for what is packed, and nothing for JSON.
    HangInJson,
    /// This status with a body that says yes.
    Status(u16),
    /// What this makes of the packed answer, where it is to so many or more.
    Spoilt(usize, fn(Vec<u8>) -> Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Packed,
    Json,
}

/// A request, with what its first question says.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) form: Form,
    pub(crate) headers: HeaderMap,
    pub(crate) tokens: Vec<String>,
    pub(crate) touch: Option<bool>,
    pub(crate) client: Option<Client>,
    pub(crate) request_id: Option<String>,
}

/// A fake auth service. Dropped, it stops.
pub(crate) struct Service {
    pub(crate) url: String,
    inner: Arc<Inner>,
    _task: JoinSet<()>,
}

struct Inner {
    act: Mutex<Act>,
    seen: Mutex<Vec<Seen>>,
    news: Notify,
    gate: Arc<RwLock<()>>,
}

impl Service {
    /// One on a port of its own.
    pub(crate) async fn start(act: Act) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (act, seen, gate) = (Mutex::new(act), Mutex::default(), Arc::default());
        let inner = Arc::new(Inner { act, seen, news: Notify::new(), gate });
        let router = Router::new().fallback(handle).with_state(Arc::clone(&inner));
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, inner, _task: task }
    }

    pub(crate) fn set_act(&self, act: Act) {
        *self.inner.act.lock() = act;
    }

    /// All requests so far, but for the probes and for what showed that the form is known.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let seen = self.inner.seen.lock();
        seen.iter()
            .filter(|seen| !seen.tokens[0].starts_with("rfl_") && seen.tokens[0] != "known")
            .cloned()
            .collect()
    }

    /// How many requests came in this form.
    pub(crate) fn count(&self, form: Form) -> usize {
        self.seen().iter().filter(|seen| seen.form == form).count()
    }

    /// The tokens that came in this form.
    pub(crate) fn tokens(&self, form: Form) -> Vec<String> {
        let seen = self.seen();
        seen.into_iter().filter(|seen| seen.form == form).flat_map(|seen| seen.tokens).collect()
    }

    pub(crate) async fn until_seen(&self, count: usize) {
        let seen = async {
            while self.seen().len() < count {
                self.inner.news.notified().await;
            }
        };
        timeout(Duration::from_secs(10), seen).await.expect("a request arrives in time");
    }

    /// Answers nothing until what is returned is dropped.
    pub(crate) async fn close_gate(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.inner.gate).write_owned().await
    }
}

async fn handle(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    let form = match headers["content-type"].to_str().unwrap() {
        packed::MEDIA_TYPE => Form::Packed,
        "application/json" => Form::Json,
        other => panic!("{other}"),
    };
    let request: ValidateRequest<'_> = match form {
        Form::Packed => packed::read_request(&body).expect("packed"),
        Form::Json => serde_json::from_slice(&body).expect("JSON"),
    };
    let is_batch = request.is_batch();
    let accepts_packed = headers["accept"].to_str().unwrap().contains(packed::MEDIA_TYPE);
    let (items, request_id) = items(request);
    let tokens: Vec<String> = items.iter().map(|item| item.token.to_string()).collect();
    inner.seen.lock().push(Seen {
        form,
        headers,
        tokens: tokens.clone(),
        touch: items[0].touch,
        client: items[0].client.clone(),
        request_id: items[0].request_id.as_deref().or(request_id.as_deref()).map(str::to_owned),
    });
    inner.news.notify_one();
    drop(inner.gate.read().await);
    let act = inner.act.lock().clone();
    let verdicts: Vec<Verdict<'_>> = tokens.iter().map(|token| alive(token)).collect();
    match (act, form) {
        (Act::Status(status), _) => {
            let mut response = json(verdicts, is_batch);
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response
        }
        (Act::Spoilt(from, spoil), _) if tokens.len() >= from => {
            packed_response(spoil(pack(&verdicts)))
        }
        (Act::Stopped(status), Form::Packed) => {
            Response::builder().status(status).body(Body::empty()).unwrap()
        }
        (Act::Answer | Act::Spoilt(..) | Act::Stopped(_), _) if accepts_packed => {
            packed_response(pack(&verdicts))
        }
        (Act::AnswerInJson, _) => json(verdicts, tokens.len() > 1),
        (Act::JsonOnly | Act::HangInJson, Form::Packed) | (Act::Unsupported, _) => {
            let response = Response::builder().status(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            let response = response.header("content-type", "application/problem+json");
            response.body(Body::empty()).unwrap()
        }
        (Act::HangInJson, Form::Json) => std::future::pending().await,
        _ => json(verdicts, is_batch),
    }
}

/// The items of a request, and the id beside a single one.
fn items(request: ValidateRequest<'_>) -> (Vec<ValidateItem<'_>>, Option<String>) {
    let ValidateRequest { token, tokens, touch, client, request_id } = request;
    let Some(tokens) = tokens else {
        let token = token.expect("one token");
        let request_id = request_id.map(String::from);
        return (vec![ValidateItem { token, touch, client, request_id: None }], request_id);
    };
    let item = |item: ItemOrToken<'_>| match item {
        ItemOrToken::Item(item) => item.token.to_string(),
        ItemOrToken::Token(token) => token.to_string(),
    };
    let first = match tokens.first() {
        Some(ItemOrToken::Item(item)) => item.clone(),
        _ => panic!("an item is an object"),
    };
    let mut all = vec![first];
    let rest = tokens.into_iter().skip(1).map(item);
    all.extend(rest.map(|token| ValidateItem { token: token.into(), ..ValidateItem::default() }));
    (all, None)
}

/// The session that this token opens: its user's name is the token.
fn alive(token: &str) -> Verdict<'static> {
    let mut session: SessionView<'static> = serde_json::from_str(SESSION).unwrap();
    session.user.username = token.to_owned().into();
    Verdict { authenticated: Some(true), session: Some(session), ..Verdict::default() }
}

fn pack(verdicts: &[Verdict<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    packed::write_verdicts(verdicts, &mut bytes);
    bytes
}

fn packed_response(bytes: Vec<u8>) -> Response {
    let response = Response::builder().header("content-type", packed::MEDIA_TYPE);
    response.body(bytes.into()).unwrap()
}

fn json(mut verdicts: Vec<Verdict<'static>>, is_batch: bool) -> Response {
    let text = if is_batch {
        serde_json::to_string(&Results { results: verdicts })
    } else {
        serde_json::to_string(&verdicts.remove(0))
    };
    let response = Response::builder().header("content-type", "application/json");
    response.body(text.unwrap().into()).unwrap()
}

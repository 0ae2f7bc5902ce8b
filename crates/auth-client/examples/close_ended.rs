//! Connections that stay open, as `WebSocket`s do, and end with the session that opened them. Nobody would
//! notice a logout otherwise: a session is looked at when a connection begins, and then no more.
//!
//! ```sh
//! AUTH_INTERNAL_KEY=a-long-random-key cargo run                       # Reinflate
//! AUTH_KEY=a-long-random-key cargo run -p auth-client --example close_ended --features axum
//! curl -N -H "Authorization: Bearer $TOKEN" http://127.0.0.1:3000/feed   # until its session ends
//! ```

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use auth_client::credential::{Carried, HOST_COOKIE as COOKIE};
use auth_client::{
    Answer, AuthClient, AuthClientOptions, AuthUnavailable, Authenticated, EventItem, EventsFrom,
    EventsRefused, InternalKey, Question, Reason, Refusal, SystemClock,
};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{FromRef, State};
use axum::response::Response;
use axum::routing::get;
use futures_util::stream;
use http::HeaderMap;
use tokio::sync::watch;

/// What is open, by the id of the session that opened it. A session may have several connections.
#[derive(Clone, Default)]
struct Open(Arc<Mutex<HashMap<String, watch::Sender<()>>>>);

impl Open {
    /// Registers a connection: what it gets here fails once its session has ended.
    fn register(&self, session: &str) -> watch::Receiver<()> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whatever nobody waits for any more is forgotten.
        open.retain(|_, sender| sender.receiver_count() > 0);
        open.entry(session.to_owned()).or_default().subscribe()
    }

    fn close(&self, session: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(session);
    }

    fn close_all(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[derive(Clone)]
struct App {
    client: AuthClient,
    open: Open,
}

impl FromRef<App> for AuthClient {
    fn from_ref(app: &App) -> Self {
        app.client.clone()
    }
}

/// Closes the connections of each session that ends. After a reset nobody knows which have ended: all
/// of them are closed, and their clients come again and are looked at.
async fn close_ended(client: AuthClient, open: Open) -> Result<Infallible, EventsRefused> {
    let mut ended = client.events(EventsFrom::Now).of_types("session.ended");
    loop {
        match ended.next().await? {
            EventItem::Event(event) => {
                if let Some(session) = &event.session {
                    open.close(&session.id.to_string());
                }
            }
            EventItem::Reset => open.close_all(),
        }
    }
}

/// A connection that says something now and then, for as long as its session lives.
async fn feed(
    State(app): State<App>,
    Authenticated(session): Authenticated,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let ended = app.open.register(&session.id.to_string());
    // It may have ended after it was looked at and before it was registered: look once more.
    if !still_lives(&app.client, &headers).await? {
        return Err(Refusal::Dead(Reason::Unknown));
    }
    let lines = stream::unfold(ended, |mut ended| async move {
        tokio::select! {
            // The sender is gone: the session has ended.
            _ = ended.changed() => None,
            () = tokio::time::sleep(Duration::from_millis(200)) => {
                Some((Ok::<_, Infallible>(Bytes::from_static(b"still here\n")), ended))
            }
        }
    });
    Ok(Response::new(Body::from_stream(lines)))
}

async fn still_lives(client: &AuthClient, headers: &HeaderMap) -> Result<bool, AuthUnavailable> {
    // What carries no single token was refused before.
    let Ok(Some(carried)) = Carried::find(headers, COOKIE) else { return Ok(false) };
    let token = carried.to_text();
    let look = Question { touch: false, ..Question::new(&token) };
    Ok(matches!(client.validate(look).await?, Answer::Alive(_)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let options = AuthClientOptions {
        keys: vec![InternalKey::new(&setting("AUTH_KEY", ""))?],
        cookie_name: COOKIE.to_owned(),
        ..AuthClientOptions::new(vec![setting("AUTH_URL", "http://127.0.0.1:8081").parse()?])
    };
    let client = AuthClient::new(options, Arc::new(SystemClock::new()))?;
    let app = App { client, open: Open::default() };
    let closer = close_ended(app.client.clone(), app.open.clone());
    let listener = tokio::net::TcpListener::bind(setting("ADDR", "127.0.0.1:3000")).await?;
    let routes = Router::new().route("/feed", get(feed)).with_state(app);
    tokio::select! {
        served = axum::serve(listener, routes) => Ok(served?),
        // Without it nobody would notice a logout: rather stop than go on.
        Err(refused) = closer => Err(refused.into()),
    }
}

//! Sessions within the process, as the documentation of axum-login and tower-sessions sets them up:
//! a login, a protected `/data`, the sessions in memory or in Redis. There is no password, since
//! what is measured is what comes after the login.
//!
//! Usage: `yardstick-axum-login [--save] [--idle SECONDS] [--port PORT] [redis://HOST:PORT]`. With
//! `--save` each use of a session writes its new idle time to the store; without it, which is the
//! default of tower-sessions, a use writes nothing, and a session ends though it is in use.

use std::{collections::HashMap, convert::Infallible, env, error::Error, sync::Arc};

use axum::{
    Json, Router,
    extract::Path,
    http::StatusCode,
    routing::{get, post},
};
use axum_login::{AuthManagerLayerBuilder, AuthUser, AuthnBackend, UserId, login_required};
use serde::Serialize;
use tower_sessions::{
    Expiry, MemoryStore, SessionManagerLayer, SessionStore, cookie::time::Duration,
};
use tower_sessions_redis_store::{RedisStore, fred::prelude::*};

#[derive(Clone, Debug)]
struct User {
    id: i64,
    name: String,
    password_hash: Vec<u8>,
}

impl AuthUser for User {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }

    fn session_auth_hash(&self) -> &[u8] {
        &self.password_hash
    }
}

/// All users, in memory: no database stands in the way.
#[derive(Clone)]
struct Backend {
    users: Arc<HashMap<i64, User>>,
}

impl Backend {
    fn new() -> Self {
        let user = |id: i64| {
            let name = format!("user-{id}@example.com");
            (id, User { id, name, password_hash: vec![0x5a; 64] })
        };
        Self { users: Arc::new((1..=100).map(user).collect()) }
    }
}

impl AuthnBackend for Backend {
    type User = User;
    type Credentials = i64;
    type Error = Infallible;

    async fn authenticate(&self, id: i64) -> Result<Option<User>, Infallible> {
        Ok(self.users.get(&id).cloned())
    }

    async fn get_user(&self, id: &UserId<Self>) -> Result<Option<User>, Infallible> {
        Ok(self.users.get(id).cloned())
    }
}

type AuthSession = axum_login::AuthSession<Backend>;

async fn log_in(mut session: AuthSession, Path(id): Path<i64>) -> StatusCode {
    match session.authenticate(id).await {
        Ok(Some(user)) if session.login(&user).await.is_ok() => StatusCode::NO_CONTENT,
        _ => StatusCode::UNAUTHORIZED,
    }
}

async fn log_out(mut session: AuthSession) -> StatusCode {
    match session.logout().await {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[derive(Serialize)]
struct Answer {
    data: Data,
}

#[derive(Serialize)]
struct Data {
    message: String,
    user: String,
}

async fn data(session: AuthSession) -> Result<Json<Answer>, StatusCode> {
    let user = session.user.ok_or(StatusCode::UNAUTHORIZED)?;
    let message = format!("Hello {}", user.name);
    Ok(Json(Answer { data: Data { message, user: user.name } }))
}

struct Options {
    save: bool,
    idle: Duration,
    port: u16,
}

async fn serve<S: SessionStore + Clone>(store: S, options: Options) -> Result<(), Box<dyn Error>> {
    let sessions = SessionManagerLayer::new(store)
        .with_secure(false)
        .with_always_save(options.save)
        .with_expiry(Expiry::OnInactivity(options.idle));
    let layer = AuthManagerLayerBuilder::new(Backend::new(), sessions).build();
    let app = Router::new()
        .route("/data", get(data))
        .route_layer(login_required!(Backend))
        .route("/login/{user}", post(log_in))
        .route("/logout", post(log_out))
        .layer(layer);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", options.port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let after = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)
    };
    let options = Options {
        save: arguments.iter().any(|argument| argument == "--save"),
        idle: match after("--idle") {
            Some(seconds) => Duration::seconds(seconds.parse()?),
            None => Duration::days(1),
        },
        port: after("--port").map_or(Ok(0), |port| port.parse())?,
    };
    let Some(redis) = arguments.iter().find(|argument| argument.starts_with("redis://")) else {
        return serve(MemoryStore::default(), options).await;
    };
    let pool = Pool::new(Config::from_url(redis)?, None, None, None, 6)?;
    pool.connect();
    pool.wait_for_connect().await?;
    serve(RedisStore::new(pool), options).await
}

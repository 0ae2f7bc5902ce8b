//! An axum service with users of its own, in its own SQLite file, that uses Reinflate for sessions only.
//!
//! ```sh
//! AUTH_INTERNAL_KEY=a-long-random-key cargo run                       # Reinflate
//! AUTH_KEY=a-long-random-key cargo run -p auth-client --example own_users --features axum
//! curl -d 'name=ann&password=seven green kettles' http://127.0.0.1:3000/signup
//! curl -c jar -d 'name=ann&password=seven green kettles' http://127.0.0.1:3000/login
//! curl -b jar http://127.0.0.1:3000/
//! ```

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use auth_client::{
    AuthClient, AuthClientOptions, Authenticated, Client, ExternalUser, GrantError, InternalKey,
    SessionRequest, SessionView, SystemClock, Transport, UserId,
};
use axum::extract::{ConnectInfo, Form, FromRef, State};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use http::header::{RETRY_AFTER, SET_COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use sqlx::SqlitePool;
use sqlx::error::DatabaseError;
use sqlx::sqlite::SqliteConnectOptions;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS users \
    (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, password TEXT NOT NULL)";

/// What the handlers share.
#[derive(Clone)]
struct App {
    sessions: AuthClient,
    users: SqlitePool,
}

impl FromRef<App> for AuthClient {
    fn from_ref(app: &App) -> Self {
        app.sessions.clone()
    }
}

/// Why a request is not served.
enum Refused {
    WrongLogin,
    Taken,
    NotOurs,
    WrongPassword,
    Unavailable,
    Defect,
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

#[derive(Deserialize)]
struct NewPassword {
    current: String,
    new: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let setting =
        |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let mut options =
        AuthClientOptions::new(vec![setting("AUTH_URL", "http://127.0.0.1:8081").parse()?]);
    options.keys = vec![InternalKey::new(&std::env::var("AUTH_KEY")?)?];
    // `reinflate` where the cookie goes over plain HTTP, as in this demonstration.
    options.cookie_name = setting("AUTH_COOKIE_NAME", "reinflate");
    let sessions = AuthClient::new(options, Arc::new(SystemClock::new()))?;
    let file = SqliteConnectOptions::new().filename(setting("USERS", "users.db"));
    let users = SqlitePool::connect_with(file.create_if_missing(true)).await?;
    sqlx::query(TABLE).execute(&users).await?;
    let listener = tokio::net::TcpListener::bind(setting("ADDR", "127.0.0.1:3000")).await?;
    let service = routes(App { sessions, users });
    let service = service.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, service).await?)
}

fn routes(app: App) -> Router {
    Router::new()
        .route("/", get(greet))
        .route("/signup", post(sign_up))
        .route("/login", post(log_in))
        .route("/password", post(change_password))
        .route("/logout", post(log_out))
        .layer(middleware::from_fn(refuse_other_sites))
        .with_state(app)
}

/// A form of another site is not one of ours.
async fn refuse_other_sites(
    request: axum::extract::Request,
    next: middleware::Next,
) -> Result<Response, StatusCode> {
    let site = request.headers().get("sec-fetch-site").map(HeaderValue::as_bytes);
    let is_ours = matches!(site, None | Some(b"same-origin" | b"none"));
    if request.method() == Method::GET || is_ours {
        return Ok(next.run(request).await);
    }
    Err(StatusCode::FORBIDDEN)
}

async fn greet(Authenticated(session): Authenticated) -> Result<String, Refused> {
    our_user(&session)?;
    Ok(format!("Hello {}\n", session.user.username))
}

async fn sign_up(
    State(app): State<App>,
    Form(new): Form<Credentials>,
) -> Result<(StatusCode, &'static str), Refused> {
    let insert = sqlx::query("INSERT INTO users (name, password) VALUES (?1, ?2)");
    let hash = hash(new.password).await?;
    match insert.bind(new.name).bind(hash).execute(&app.users).await {
        Ok(_) => Ok((StatusCode::CREATED, "welcome\n")),
        Err(error) if error.as_database_error().is_some_and(DatabaseError::is_unique_violation) => {
            Err(Refused::Taken)
        }
        Err(_) => Err(Refused::Defect),
    }
}

/// Whoever has a name and its password gets a session of their own, in a cookie.
async fn log_in(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Form(login): Form<Credentials>,
) -> Result<impl IntoResponse, Refused> {
    let query = sqlx::query_as("SELECT id, password FROM users WHERE name = ?1");
    let found: Option<(i64, String)> =
        query.bind(&login.name).fetch_optional(&app.users).await.map_err(|_| Refused::Defect)?;
    let (id, stored) = found.map_or((None, None), |(id, stored)| (Some(id), Some(stored)));
    let is_right = verify(stored, login.password).await?;
    let id = id.filter(|_| is_right).ok_or(Refused::WrongLogin)?;
    let user = ExternalUser {
        id: id.to_string(),
        username: login.name,
        name: None,
        roles: vec!["user".to_owned()],
    };
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).map(str::to_owned);
    let client = Client { ip: Some(peer.ip().to_string()), user_agent: agent };
    let request = SessionRequest {
        transport: Some(Transport::Cookie),
        client: Some(client),
        ..SessionRequest::new(user)
    };
    let issued = app.sessions.issue(&request).await?;
    let line = issued.set_cookie().cloned().ok_or(Refused::Defect)?;
    Ok((AppendHeaders([(SET_COOKIE, line)]), Redirect::to("/")))
}

/// Another password ends all other sessions: somebody else may have had the old one.
async fn change_password(
    State(app): State<App>,
    Authenticated(session): Authenticated,
    Form(change): Form<NewPassword>,
) -> Result<String, Refused> {
    let id = our_user(&session)?;
    let query = sqlx::query_scalar("SELECT password FROM users WHERE id = ?1");
    let stored = query.bind(id).fetch_optional(&app.users).await.map_err(|_| Refused::Defect)?;
    if !verify(stored, change.current).await? {
        return Err(Refused::WrongPassword);
    }
    let update = sqlx::query("UPDATE users SET password = ?2 WHERE id = ?1");
    let update = update.bind(id).bind(hash(change.new).await?);
    update.execute(&app.users).await.map_err(|_| Refused::Defect)?;
    let ended = app.sessions.end_others(&id.to_string(), session.id).await?;
    Ok(format!("changed; {ended} other sessions have ended\n"))
}

async fn log_out(
    State(app): State<App>,
    Authenticated(session): Authenticated,
) -> Result<Redirect, Refused> {
    our_user(&session)?;
    app.sessions.end_session(session.id).await?;
    Ok(Redirect::to("/"))
}

/// The user of a session that this service has asked for: there may be others, of the auth service's
/// own users. A token that is narrowed to scopes is for something else.
fn our_user(session: &SessionView<'_>) -> Result<i64, Refused> {
    match &session.user.id {
        UserId::External(id) if session.scopes.is_none() => {
            id.parse().map_err(|_| Refused::NotOurs)
        }
        UserId::External(_) | UserId::Own(_) => Err(Refused::NotOurs),
    }
}

async fn hash(password: String) -> Result<String, Refused> {
    let hashed = tokio::task::spawn_blocking(move || {
        let hash: Result<PasswordHash, _> = Argon2::default().hash_password(password.as_bytes());
        hash.map(|hash| hash.to_string())
    });
    hashed.await.map_err(|_| Refused::Defect)?.map_err(|_| Refused::Defect)
}

/// As much work for a name that nobody has.
async fn verify(stored: Option<String>, password: String) -> Result<bool, Refused> {
    let Some(stored) = stored else {
        hash(password).await?;
        return Ok(false);
    };
    let verified = tokio::task::spawn_blocking(move || {
        let stored = PasswordHash::new(&stored);
        stored.is_ok_and(|stored| {
            Argon2::default().verify_password(password.as_bytes(), &stored).is_ok()
        })
    });
    verified.await.map_err(|_| Refused::Defect)
}

impl From<GrantError> for Refused {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::Refused { .. } => Self::Defect,
            GrantError::Unavailable(_) => Self::Unavailable,
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::WrongLogin => (StatusCode::UNAUTHORIZED, "wrong name or password\n"),
            Self::NotOurs => (StatusCode::UNAUTHORIZED, "log in\n"),
            Self::Taken => (StatusCode::CONFLICT, "taken\n"),
            Self::WrongPassword => {
                (StatusCode::UNPROCESSABLE_ENTITY, "that is not your password\n")
            }
            Self::Defect => (StatusCode::INTERNAL_SERVER_ERROR, "a defect of ours\n"),
            Self::Unavailable => {
                let again = [(RETRY_AFTER, "1")];
                let text = "try again in a moment\n";
                return (StatusCode::SERVICE_UNAVAILABLE, again, text).into_response();
            }
        };
        (status, text).into_response()
    }
}

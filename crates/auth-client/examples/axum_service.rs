//! An axum service whose handlers are reached by live sessions only.
//!
//! ```sh
//! cargo run -p auth-client --example axum_service --features axum
//! curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:3000/
//! ```

use std::error::Error;
use std::sync::Arc;

use auth_client::{AuthClient, AuthClientOptions, Authenticated, RequireSession, SystemClock};
use axum::Router;
use axum::routing::get;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("AUTH_URL").unwrap_or_else(|_| "http://127.0.0.1:8081".to_owned());
    let options = AuthClientOptions::new(vec![url.parse()?]);
    let client = AuthClient::new(options, Arc::new(SystemClock::new()))?;
    let address = std::env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    Ok(axum::serve(listener, routes(client)).await?)
}

fn routes(client: AuthClient) -> Router {
    let admins = Router::new()
        .route("/admin", get(greet_admin))
        .route_layer(RequireSession::new(client.clone()).with_role("admin"));
    Router::new()
        .route("/", get(greet))
        .merge(admins)
        .route("/livez", get(async || "alive"))
        .with_state(client)
}

async fn greet(Authenticated(session): Authenticated) -> String {
    let seconds = session.expires_in;
    format!("Hello {}, your session lives for another {seconds} s.\n", session.user.username)
}

/// The layer has validated the token: the extractor takes its session, and the token is used once.
async fn greet_admin(Authenticated(session): Authenticated) -> String {
    format!("Hello {}, you act as {}.\n", session.user.username, session.role)
}

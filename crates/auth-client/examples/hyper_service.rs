//! A bare hyper service behind the tower layer: no framework, no feature.
//!
//! ```sh
//! cargo run -p auth-client --example hyper_service
//! curl -H "token: $TOKEN" http://127.0.0.1:3000/
//! ```

#![expect(clippy::disallowed_methods, reason = "the process ends with its connections")]

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;

use auth_client::{AuthClient, AuthClientOptions, RequireSession, SessionView, SystemClock};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tower::{ServiceBuilder, service_fn};

type Answer = Result<Response<Full<Bytes>>, Infallible>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("AUTH_URL").unwrap_or_else(|_| "http://127.0.0.1:8081".to_owned());
    let options = AuthClientOptions::new(vec![url.parse()?]);
    let client = AuthClient::new(options, Arc::new(SystemClock::new()))?;
    let service =
        ServiceBuilder::new().layer(RequireSession::new(client)).service(service_fn(greet));
    let address = std::env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            // A connection that fails concerns no other.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Reached with a live session only, which the layer has added to the request's extensions.
async fn greet(request: Request<Incoming>) -> Answer {
    let name =
        request.extensions().get::<SessionView<'static>>().map(|session| &session.user.username);
    let text = format!("Hello {}\n", name.map_or("nobody", AsRef::as_ref));
    Ok(Response::new(Full::from(text)))
}

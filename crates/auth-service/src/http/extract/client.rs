//! Where a request comes from: the peer's address, or the one that a trusted proxy names.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use auth_http::client_address::user_agent;
use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::http::request::Parts;
use server_runtime::RequestId;
use session::SeenAt;

use crate::http::app::App;
use crate::http::client_addresses::ClientAddresses;
use crate::operations::client::Client;

/// The client of the request with this head.
pub(crate) fn client_of(parts: &Parts, addresses: &ClientAddresses) -> Client {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let ip = peer.map(|peer| addresses.find(peer, &parts.headers));
    let request_id = parts.extensions.get::<RequestId>().map(|id| id.as_str().into());
    Client { ip, user_agent: user_agent(&parts.headers).as_ref().into(), request_id }
}

/// The client on whose behalf a proxy asks: its address is known only where the proxy is trusted to
/// name it. The user agent is the client's, since proxies pass it on.
pub(crate) fn seen_by_proxy(parts: &Parts, addresses: &ClientAddresses) -> SeenAt {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let trusted = peer.is_some_and(|peer| addresses.proxies.trusts(peer.0.ip()));
    let seen = client_of(parts, addresses).seen_at();
    SeenAt { ip: seen.ip.filter(|_| trusted), ..seen }
}

impl<S> FromRequestParts<S> for Client
where
    Arc<App>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(client_of(parts, &Arc::<App>::from_ref(state).client_addresses))
    }
}

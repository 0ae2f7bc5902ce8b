//! Where a request comes from: the peer's address, or the one that a trusted proxy names.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use auth_http::client_address::user_agent;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use server_runtime::{RequestId, RequestInfo};
use session::SeenAt;

use crate::http::app::App;
use crate::http::client_addresses::ClientAddresses;
use crate::operations::client::Client;

/// The address of the other end of a request's connection.
pub(crate) fn peer_of(parts: &Parts) -> Option<IpAddr> {
    RequestInfo::peer_of(&parts.extensions).map(|peer| peer.ip())
}

/// The client of the request with this head.
pub(crate) fn client_of(parts: &Parts, addresses: &ClientAddresses) -> Client {
    let ip = peer_of(parts).map(|peer| addresses.find(peer, &parts.headers));
    let request_id = RequestId::of(&parts.extensions).map(Into::into);
    Client { ip, user_agent: user_agent(&parts.headers).as_ref().into(), request_id }
}

/// The client on whose behalf a proxy asks: its address is known only where the proxy is trusted to
/// name it. The user agent is the client's, since proxies pass it on.
pub(crate) fn seen_by_proxy(parts: &Parts, addresses: &ClientAddresses) -> SeenAt {
    let trusted = peer_of(parts).is_some_and(|peer| addresses.proxies.trusts(peer));
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

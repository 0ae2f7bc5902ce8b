//! What is known of a request beside what it says.

use std::net::SocketAddr;

use http::{Extensions, HeaderValue};

/// What is known of a request beside what it says: an extension of each. One for all of it, since each
/// extension is an allocation.
#[derive(Clone, Debug, Default)]
pub struct RequestInfo {
    /// The address of the connection's other end; `None` where the request came by no connection.
    pub peer: Option<SocketAddr>,
    /// The id that the request is known by, once it has one.
    pub id: Option<HeaderValue>,
}

impl RequestInfo {
    /// The address of the other end of the connection that a request came by.
    pub fn peer_of(extensions: &Extensions) -> Option<SocketAddr> {
        extensions.get::<Self>()?.peer
    }
}

//! Who may name a client's address, and what is recorded of proxies that are not trusted.

use std::net::IpAddr;
use std::sync::Arc;

use auth_http::client_address::TrustedProxies;
use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::unnamed_proxy::UnnamedProxy;

/// Who may name a client's address, and in which header.
#[derive(Clone, Debug)]
pub(crate) struct ClientAddresses {
    pub(crate) proxies: TrustedProxies,
    unnamed: Arc<UnnamedProxy>,
}

impl ClientAddresses {
    /// These proxies, and the header that they name a client in.
    pub(crate) fn new(networks: Vec<IpNet>, header: HeaderName) -> Self {
        Self { proxies: TrustedProxies { networks, header }, unnamed: Arc::default() }
    }

    /// What failed logins are noted by, where no proxy is trusted: one may be there all the same.
    pub(crate) fn unnamed_proxy(&self) -> Option<Arc<UnnamedProxy>> {
        self.proxies.networks.is_empty().then(|| Arc::clone(&self.unnamed))
    }

    /// The client's address; that a stranger names one is noted.
    pub(crate) fn find(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if self.proxies.is_named_by_stranger(peer, headers) {
            self.unnamed.note_header(peer.to_canonical(), &self.proxies.header);
        }
        self.proxies.client(peer, headers)
    }
}

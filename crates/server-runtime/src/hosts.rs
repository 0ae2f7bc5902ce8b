//! The setting of the hosts that a listener answers for.

use std::net::SocketAddr;

use auth_http::hosts::AllowedHosts;

use crate::settings::{BadSetting, Optional, PORT, Parser, Setting, Settings};

/// A setting of such hosts.
pub const HOSTS: Parser<AllowedHosts> = Parser::new(
    "hosts such as auth.example.com without ports, separated by commas; * for any",
    AllowedHosts::parse,
);

/// Reads the setting `named`, for the listener whose address is the setting `address`. `None` where
/// that answers for every host: it is not on loopback and no `demo`, or the platform's `PORT` made
/// its address.
///
/// # Errors
///
/// One of the settings is not acceptable.
pub fn read(
    settings: &Settings,
    named: &Optional<AllowedHosts>,
    address: &Setting<SocketAddr>,
    demo: bool,
) -> Result<Option<AllowedHosts>, BadSetting> {
    let hosts = settings.get(named)?.unwrap_or_default();
    let on_loopback = settings.public_addr(address)?.ip().to_canonical().is_loopback();
    let by_port = settings.is_set(&PORT) && !settings.is_set(address);
    Ok(((on_loopback || demo) && !by_port).then_some(hosts))
}

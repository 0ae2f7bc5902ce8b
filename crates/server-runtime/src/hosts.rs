//! The setting of the hosts that a listener answers for.

use auth_http::hosts::AllowedHosts;

use crate::settings::{BadSetting, Settings};

/// What a setting of such hosts accepts, for the table.
pub const HOSTS: &str =
    "hosts such as auth.example.com without ports, separated by commas; * for any";

/// Reads the setting `named`, for the listener whose address is the setting `address`. `None` where
/// that answers for every host: it is not on loopback and no `demo`, or the platform's `PORT` made
/// its address.
///
/// # Errors
///
/// One of the settings is not acceptable.
pub fn read(
    settings: &Settings,
    named: &str,
    address: &str,
    demo: bool,
) -> Result<Option<AllowedHosts>, BadSetting> {
    let hosts = settings.value(named, AllowedHosts::parse)?.unwrap_or_default();
    let on_loopback = settings.public_addr(address)?.ip().to_canonical().is_loopback();
    let by_port = settings.is_set("PORT") && !settings.is_set(address);
    Ok(((on_loopback || demo) && !by_port).then_some(hosts))
}

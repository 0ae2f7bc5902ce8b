//! Telling owners of logins from where there was none before.

use users::{Device, User};

use crate::device::device;
use crate::mail::Mail;
use crate::operations::Domain;
use crate::operations::client::Client;

/// Remembers from where a user has just logged in, and has the owner told where that is new. A login
/// does not fail because of it.
pub(crate) async fn note_login(domain: &Domain, user: &User, client: &Client) {
    if !domain.mail.as_ref().is_some_and(Mail::tells_of_devices) {
        return;
    }
    let Some(ip) = client.ip.filter(|_| !user.demo) else { return };
    let user_agent = client.user_agent.to_string();
    let name = device(Some(&user_agent));
    let device = Device { network: client.network(), ip: ip.to_canonical(), user_agent, name };
    if let Err(error) = domain.users.see_device(user, &device).await {
        tracing::warn!(user_id = %user.id, %error, "a login from a new device is not told of");
    }
}

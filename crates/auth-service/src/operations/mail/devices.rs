//! Telling owners of logins from where there was none before.

use users::{Device, User};

use crate::device::device;
use crate::operations::Domain;
use crate::operations::client::Client;

/// Remembers from where a user has just logged in, and has the owner told where that is new. A login
/// does not fail because of it.
pub(crate) async fn note_login(domain: &Domain, user: &User, client: &Client) {
    let Some(mail) = domain.mail.as_ref().filter(|mail| mail.tells_of_devices()) else { return };
    let Some(ip) = client.ip.filter(|_| !user.demo) else { return };
    let user_agent = client.user_agent.to_string();
    let name = device(Some(&user_agent));
    let device = Device { network: client.network(), ip: ip.to_canonical(), user_agent, name };
    match domain.users.see_device(user, &device).await {
        Ok(true) => mail.wake_sender(),
        Ok(false) => {}
        Err(error) => {
            tracing::warn!(user_id = %user.id, %error, "a login from a new device is not told of");
        }
    }
}

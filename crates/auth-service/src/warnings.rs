//! What the operator is told once, when the service begins to serve: what is fine for development
//! only, what may cost sessions, and that nobody can log in yet.
//!
//! A start that fails says why it failed, and nothing else.

use users::{DatabaseUrl, Directory, ListQuery, UserPage};

use crate::config::{Config, Secret};

/// The lines that the settings are worth.
pub(crate) fn of_settings(config: &Config) -> Vec<String> {
    let mut lines = config.risks.clone();
    if !config.cookie.secure {
        lines.push("AUTH_COOKIE_SECURE is false: session cookies travel over plain HTTP".into());
    }
    if !config.internal_addr.ip().is_loopback() && config.internal_key.is_none() {
        lines.push(format!(
            "the internal listener, {}, is beyond loopback without AUTH_INTERNAL_KEY: whoever \
             reaches it may ask",
            config.internal_addr
        ));
    }
    if config.internal_key.as_ref().is_some_and(Secret::is_short) {
        lines.push("AUTH_INTERNAL_KEY has fewer than 16 characters: it can be guessed".into());
    }
    if config.demo {
        let line = "AUTH_DEMO is true: the demo user, whose password is public, is an admin";
        lines.push(line.into());
    }
    lines
}

/// That nobody can log in yet, and what changes that. A database that does not answer here is told
/// of where it is needed.
pub(crate) async fn of_nobody(
    users: &Directory,
    database: &DatabaseUrl,
    demo: bool,
) -> Option<String> {
    let first = ListQuery { contains: None, limit: 2, after: None };
    let nobody = |page: UserPage| page.users.iter().all(|user| user.demo && !demo);
    if !users.list(&first).await.is_ok_and(nobody) {
        return None;
    }
    Some(if database.is_in_memory() {
        "there are no users, and no command makes one in memory: set AUTH_DATABASE_URL".to_owned()
    } else {
        format!(
            "there are no users yet in {database}: `auth-service users add EMAIL --admin` makes \
             the first one"
        )
    })
}

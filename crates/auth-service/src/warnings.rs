//! Warnings that are logged once, when the service begins to serve, and that the settings alone cannot
//! show: that there is no user who could log in. A start that fails only logs why it failed.

use users::{DatabaseUrl, Directory, ListQuery, UserPage};

/// The warning that no user can log in yet, and what changes that. A database that does not answer is
/// no warning here: it is reported where it is needed.
pub(crate) async fn missing_users(
    users: &Directory,
    database: &DatabaseUrl,
    demo: bool,
) -> Option<String> {
    let first = ListQuery { contains: None, limit: 2, after: None };
    let no_login_possible = |page: UserPage| page.users.iter().all(|user| user.demo && !demo);
    if !users.list(&first).await.is_ok_and(no_login_possible) {
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

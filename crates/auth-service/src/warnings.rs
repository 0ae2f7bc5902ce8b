//! What the operator is told once, when the service begins to serve, of what the settings cannot show:
//! that nobody can log in yet. A start that fails says why it failed, and nothing else.

use users::{DatabaseUrl, Directory, ListQuery, UserPage};

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

//! What tests of operations work on: Ann, who has an account, and how long her sessions live.

use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use session::Lifetimes;
use users::{DatabaseUrl, Directory, DirectoryOptions, HashingOptions, NewUser, Password, User};

pub(super) const PASSWORD: &str = "ten thousand balloons";
pub(super) const DAY: Duration = Duration::from_hours(24);

/// A directory, and Ann in it.
pub(super) async fn directory(clock: Arc<dyn Clock>) -> (Directory, User) {
    let hashing = HashingOptions { memory_kib: 16, passes: 1, ..HashingOptions::default() };
    let database = DatabaseUrl::in_memory();
    let options = DirectoryOptions { database, hashing, ..DirectoryOptions::default() };
    let users = Directory::open(options, clock).await.unwrap();
    let ann = NewUser {
        email: "ann@example.com".to_owned(),
        password: Password::from(PASSWORD),
        first_name: None,
        last_name: None,
        roles: vec!["user".to_owned()],
        email_verified: true,
    };
    let ann = users.create(ann).await.unwrap();
    (users, ann)
}

/// A day, and for minted tokens as long as this.
pub(super) const fn lifetimes(minted: Duration) -> Lifetimes {
    Lifetimes {
        token: (DAY, DAY),
        cookie: (DAY, DAY),
        fixed_max: minted,
        single_use_max: minted,
        fresh_for: DAY,
        max_per_subject: 0,
    }
}

//! Databases that are removed, locked or silent: reported in time, and used again once they answer.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use clock::{Clock, SystemClock};
use sqlx::{Connection, Executor, SqliteConnection};
use tokio::runtime::Runtime;

use super::server::Server;
use super::{Fixture, PASSWORD, add, disabled, new_user, row, stored_hash};
use crate::{Directory, Imported, UsersError};

fn unavailable<T>(outcome: &Result<T, UsersError>) -> bool {
    matches!(outcome, Err(UsersError::Unavailable(_)))
}

async fn all_unavailable(directory: &Directory) {
    let clock = SystemClock::new();
    let begun = clock.now();
    assert!(unavailable(&directory.authenticate("ann@example.com", &PASSWORD.into()).await));
    assert!(unavailable(&directory.ping().await));
    assert!(unavailable(&directory.count().await));
    let taken = clock.now().saturating_sub(begun);
    assert!(taken < Duration::from_secs(8), "{taken:?}");
}

#[test]
fn a_postgres_that_is_away_or_silent_is_reported_in_time_and_used_again() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let runtime = Runtime::new().unwrap();
    let fixture = Fixture::new(&server.fresh_database(&runtime));
    let directory = runtime.block_on(fixture.open());
    runtime.block_on(add(&directory, "ann@example.com", &["user"]));

    server.crash();
    runtime.block_on(all_unavailable(&directory));
    server.resume();
    assert_eq!(runtime.block_on(directory.count()), Ok(1));

    server.freeze();
    runtime.block_on(all_unavailable(&directory));
    server.thaw();
    let poll = async {
        while directory.ping().await.is_err() {}
        directory.authenticate("ann@example.com", &PASSWORD.into()).await
    };
    let back =
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), poll).await });
    assert!(back.unwrap().unwrap().is_some());
}

/// The wait for one connection is a second.
#[test]
fn a_postgres_that_is_slow_to_start_is_waited_for() {
    let Some(server) = Server::start() else {
        return;
    };
    let runtime = Runtime::new().unwrap();
    let fixture = Fixture::new(&server.fresh_database(&runtime));
    server.freeze();
    let opening = runtime.spawn({
        let fixture = fixture.clone();
        async move { fixture.open().await }
    });
    runtime.block_on(async { tokio::time::sleep(Duration::from_millis(1_500)).await });
    server.thaw();
    let directory = runtime.block_on(opening).unwrap();
    assert_eq!(runtime.block_on(directory.count()), Ok(0));
}

#[tokio::test]
async fn a_locked_file_refuses_writes_for_as_long_and_lets_logins_go_on() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("users.db");
    let directory = Fixture::new(&format!("sqlite:{}", path.display())).open().await;
    let ann = add(&directory, "ann@example.com", &["user"]).await;
    let mut other = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let (changed, created) = tokio::join!(
        directory.update(ann.id, disabled(true)),
        directory.create(new_user("bob@example.com", &["user"])),
    );
    assert!(unavailable(&changed) && unavailable(&created));
    assert!(directory.authenticate("ann@example.com", &PASSWORD.into()).await.unwrap().is_some());
    other.execute("ROLLBACK").await.unwrap();
    add(&directory, "bob@example.com", &["user"]).await;
    assert_eq!(directory.get(ann.id).await.unwrap(), Some(ann));
}

#[tokio::test]
async fn a_login_succeeds_where_its_hash_cannot_be_upgraded() {
    let home = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", home.path().join("users.db").display());
    let directory = Fixture::new(&url).open().await;
    let old = "80f381f4dfc373e8be49ed1198a11d8f81ced7e0a96802e417c04f99e749b088".to_owned();
    let outcome = directory.import(vec![row("ann@example.com", &old)]).await.unwrap();
    assert_eq!(outcome, [Imported::Created]);
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE UPDATE OF password_hash ON users \
         BEGIN SELECT RAISE(ABORT, 'no'); END";
    other.execute(refuse).await.unwrap();
    let ann = directory.authenticate("ann@example.com", &PASSWORD.into()).await.unwrap().unwrap();
    assert_eq!(stored_hash(&directory, ann.id).await, old);
    other.execute("DROP TRIGGER refuse").await.unwrap();
    assert!(directory.verify(ann.id, &PASSWORD.into()).await.unwrap().is_some());
    assert!(stored_hash(&directory, ann.id).await.starts_with("$argon2id$"));
}

#[tokio::test]
async fn a_new_file_and_its_companions_are_for_their_owner_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("users.db");
    let directory = Fixture::new(&format!("sqlite:{}", path.display())).open().await;
    add(&directory, "ann@example.com", &["user"]).await;
    for name in ["users.db", "users.db-wal", "users.db-shm"] {
        let mode = home.path().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_opened_is_reported_without_a_secret() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("no.db"), "this is no database, and longer than its header")
        .unwrap();
    for url in [
        format!("sqlite:{}/nowhere/users.db", home.path().display()),
        format!("sqlite:{}/no.db", home.path().display()),
        "postgres://ann:s3cret@127.0.0.1:1/users".to_owned(),
    ] {
        let options =
            crate::DirectoryOptions { database: url.parse().unwrap(), ..Default::default() };
        let clock = std::sync::Arc::new(clock::ManualClock::new());
        let Err(error) = Directory::open(options, clock).await else { panic!("{url} was opened") };
        assert!(!format!("{error} {error:?}").contains("s3cret"));
        assert_eq!(url.starts_with("postgres"), error.to_string().ends_with("running there?"));
    }
}

#[tokio::test]
async fn processes_that_open_one_new_file_at_once_all_succeed() {
    let home = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(&format!("sqlite:{}", home.path().join("users.db").display()));
    let mut opened = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let fixture = fixture.clone();
        opened.spawn(async move { fixture.open().await });
    }
    assert_eq!(opened.join_all().await.len(), 8);
}

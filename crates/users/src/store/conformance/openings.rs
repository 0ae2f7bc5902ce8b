//! Which databases are opened, why the others are refused, and which files remain at the end.

use std::path::Path;
use std::sync::Arc;

use clock::ManualClock;
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use tokio::runtime::Runtime;

use super::server::Server;
use super::{Fixture, add};
use crate::{Directory, DirectoryOptions, OpenError};

const NEWER: &str = "INSERT INTO _sqlx_migrations \
     (version, description, success, checksum, execution_time) VALUES (9999, 'later', TRUE, '', 0)";

fn options(url: &str) -> (DirectoryOptions, Arc<ManualClock>) {
    let database = url.parse().unwrap();
    (DirectoryOptions { database, ..Default::default() }, Arc::new(ManualClock::new()))
}

async fn refusal(url: &str) -> OpenError {
    let (options, clock) = options(url);
    let Err(error) = Directory::open(options, clock).await else { panic!("{url} was opened") };
    error
}

async fn refusal_of_existing(url: &str) -> OpenError {
    let (options, clock) = options(url);
    let opened = Directory::open_existing(options, clock).await;
    let Err(error) = opened else { panic!("{url} was opened") };
    error
}

/// The database cannot be brought up to date, for this reason.
#[track_caller]
fn expect_migration(error: &OpenError, reason: &str) {
    assert!(matches!(error, OpenError::Migration(text) if text.ends_with(reason)), "{error}");
}

fn url_of(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

#[tokio::test]
async fn a_file_that_is_closed_is_complete_by_itself() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("users.db");
    let directory = Fixture::new(&url_of(&path)).open().await;
    add(&directory, "ann@example.com", &["user"]).await;
    directory.clone().close().await;
    let copy = home.path().join("copy.db");
    std::fs::copy(&path, &copy).unwrap();
    let copied = Fixture::new(&url_of(&copy)).open().await;
    assert!(copied.find("ann@example.com").await.unwrap().is_some());
    assert!(directory.count().await.is_err(), "it is closed");
}

#[tokio::test]
async fn a_file_that_is_to_be_there_is_not_made() {
    let home = tempfile::tempdir().unwrap();
    for name in ["users.db", "no/such/directory/users.db"] {
        let url = url_of(&home.path().join(name));
        assert_eq!(refusal_of_existing(&url).await, OpenError::Missing(url));
    }
    assert_eq!(home.path().read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn a_file_of_others_is_left_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("theirs.db");
    std::fs::write(&path, "").unwrap();
    let url = url_of(&path);
    assert_eq!(refusal_of_existing(&url).await, OpenError::Missing(url.clone()));
    assert_eq!(path.metadata().unwrap().len(), 0);
    let mut theirs = SqliteConnection::connect(&url).await.unwrap();
    theirs.execute("CREATE TABLE users (name TEXT)").await.unwrap();
    let before = std::fs::read(&path).unwrap();
    assert_eq!(refusal_of_existing(&url).await, OpenError::Missing(url.clone()));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    expect_migration(&refusal(&url).await, "that are not ours");
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_for_that_one() {
    let home = tempfile::tempdir().unwrap();
    let url = url_of(&home.path().join("users.db"));
    Fixture::new(&url).open().await.close().await;
    SqliteConnection::connect(&url).await.unwrap().execute(NEWER).await.unwrap();
    for error in [refusal(&url).await, refusal_of_existing(&url).await] {
        expect_migration(&error, "it was made by a newer version: run that one");
    }
}

#[test]
fn a_postgres_says_what_is_in_the_way() {
    let Some(server) = Server::start() else { return };
    let runtime = Runtime::new().unwrap();
    let fresh = || server.fresh_database(&runtime);
    let (empty, theirs, newer, closed) = (fresh(), fresh(), fresh(), fresh());
    runtime.block_on(async {
        let missing = refusal_of_existing(&empty).await;
        assert!(matches!(missing, OpenError::Missing(_)), "{missing}");
        assert_eq!(tables(&empty).await, 0, "it is left as it is");

        execute(&theirs, "CREATE TABLE users (name TEXT)").await;
        expect_migration(&refusal(&theirs).await, "that are not ours");

        Fixture::new(&newer).open().await.close().await;
        execute(&newer, NEWER).await;
        expect_migration(&refusal(&newer).await, "run that one");

        execute(&closed, "REVOKE CREATE ON SCHEMA public FROM PUBLIC").await;
        execute(&closed, "CREATE ROLE guest LOGIN").await;
        let guest = newer.replace("postgres@", "guest@");
        let error = refusal_of_existing(&guest).await.to_string();
        assert!(error.ends_with("its user lacks a right (code 42501)"), "{error}");
        let guest = closed.replace("postgres@", "guest@");
        expect_migration(&refusal(&guest).await, "its user may not create tables");
    });
}

async fn execute(url: &str, statement: &'static str) {
    PgConnection::connect(url).await.unwrap().execute(statement).await.unwrap();
}

async fn tables(url: &str) -> i64 {
    let count = "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'";
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar(count).fetch_one(&mut connection).await.unwrap()
}

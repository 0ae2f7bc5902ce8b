//! Files that are not opened, each with the line that says why, and none of them changed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::*;
use crate::store::conformance::held;
use crate::{Kind, NewSession};

/// Opens a file as anybody could.
pub(super) async fn connect(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    options.connect().await.unwrap()
}

/// Runs a statement on a file as anybody could.
pub(super) async fn run(path: &Path, statement: impl sqlx::SqlSafeStr + Send) {
    let mut connection = connect(path).await;
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
}

/// A file with some sessions in it.
async fn filled(machine: &Machine) -> Vec<NewSession> {
    let running = machine.start().await;
    let mut news = Vec::new();
    for _ in 0..200 {
        let new = running.fixture.ending(Kind::Sliding, 1000);
        running.fixture.insert(&new).await;
        news.push(new);
    }
    running.stop().await;
    news
}

#[tokio::test]
async fn a_new_file_is_its_owners_alone_and_so_is_what_stands_beside_it() {
    let machine = Machine::new();
    let running = machine.start().await;
    running.fixture.open().await;
    let mut seen = Vec::new();
    for file in fs::read_dir(machine.directory.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        seen.push(file.file_name());
    }
    assert!(seen.len() >= 3, "{seen:?}");
    running.stop().await;
}

#[tokio::test]
async fn an_empty_file_is_taken_and_keeps_its_mode() {
    let machine = Machine::new();
    fs::write(machine.path(), b"").unwrap();
    fs::set_permissions(machine.path(), fs::Permissions::from_mode(0o640)).unwrap();
    filled(&machine).await;
    assert_eq!(machine.path().metadata().unwrap().permissions().mode() & 0o777, 0o640);
}

#[tokio::test]
async fn a_file_is_held_by_one_at_a_time_whatever_it_is_called() {
    let machine = Machine::new();
    let running = machine.start().await;
    assert!(machine.refusal().await.contains("in use by another process"));
    let link = machine.directory.path().join("link.db");
    std::os::unix::fs::symlink(machine.path(), &link).unwrap();
    let error = start(&link, &machine.clock).await.err().unwrap();
    assert!(matches!(error, SessionFileError::InUse(_)), "{error}");
    running.stop().await;
    start(&link, &machine.clock).await.unwrap().stop().await;
}

#[tokio::test]
async fn what_is_no_session_file_is_refused_and_left_as_it_is() {
    let machine = Machine::new();
    fs::write(
        machine.path(),
        b"something else altogether, and long enough for a header\n".repeat(9),
    )
    .unwrap();
    let before = fs::read(machine.path()).unwrap();
    assert!(machine.refusal().await.contains("no SQLite file"));
    assert_eq!(fs::read(machine.path()).unwrap(), before);
    fs::remove_file(machine.path()).unwrap();
    fs::create_dir(machine.path()).unwrap();
    assert!(machine.refusal().await.contains("cannot be used"));
    fs::remove_dir(machine.path()).unwrap();
    run(&machine.path(), "CREATE TABLE users (id INTEGER)").await;
    assert!(machine.refusal().await.contains("tables that are not those of sessions"));
    let nowhere = machine.directory.path().join("no/such/place.db");
    let error = start(&nowhere, &machine.clock).await.err().unwrap();
    assert!(matches!(error, SessionFileError::Unusable { .. }), "{error}");
}

#[tokio::test]
async fn a_file_that_somebody_else_locks_is_refused_until_it_is_let_go() {
    let machine = Machine::new();
    filled(&machine).await;
    let mut other = connect(&machine.path()).await;
    let lock = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; DELETE FROM anchor";
    sqlx::raw_sql(lock).execute(&mut other).await.unwrap();
    let refusal = machine.refusal().await;
    assert!(refusal.contains("cannot be used") && refusal.contains("locked"), "{refusal}");
    sqlx::Connection::close(other).await.unwrap();
    assert_eq!(machine.start().await.store.count().await.unwrap(), 200);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let machine = Machine::new();
    let news = filled(&machine).await;
    let mut connection = connect(&machine.path()).await;
    let version: i64 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    run(&machine.path(), "PRAGMA user_version = 99").await;
    assert!(machine.refusal().await.contains("newer version"));
    run(&machine.path(), sqlx::AssertSqlSafe(format!("PRAGMA user_version = {version}"))).await;
    assert!(machine.start().await.fixture.lives(held(&news[0])).await, "nothing was thrown away");
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_damaged() {
    let machine = Machine::new();
    filled(&machine).await;
    let whole = fs::read(machine.path()).unwrap();
    for length in [whole.len() / 2, 4096 * 3, 700] {
        fs::write(machine.path(), &whole[..length]).unwrap();
        let refusal = machine.refusal().await;
        assert!(
            refusal.contains("damaged") || refusal.contains("no SQLite"),
            "{length}: {refusal}"
        );
        assert_eq!(fs::read(machine.path()).unwrap(), whole[..length], "{length}");
    }
}

#[tokio::test]
async fn a_session_that_cannot_be_read_is_damage_and_not_thrown_away() {
    let machine = Machine::new();
    let news = filled(&machine).await;
    let flip = "UPDATE sessions SET record = unhex('02' || substr(hex(record), 3)) \
         WHERE id = (SELECT min(id) FROM sessions)";
    run(&machine.path(), flip).await;
    let refusal = machine.refusal().await;
    assert!(refusal.contains("damaged") && refusal.contains("unreadable"), "{refusal}");
    let back = "UPDATE sessions SET record = unhex('01' || substr(hex(record), 3))";
    run(&machine.path(), back).await;
    let running = machine.start().await;
    assert_eq!(running.store.count().await.unwrap(), news.len() as u64);
}

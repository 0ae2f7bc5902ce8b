//! Which database the commands and the service work on: what is made, what is refused, what is left.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::harness::{ANN, DEMO, LONG_PASSWORD, Launch, Output, Postgres, Process, TIMEOUT};

const NO_USERS: &str = "`auth-service users add EMAIL --admin` makes the first one";

fn home() -> TempDir {
    TempDir::with_prefix("reinflate-e2e-").unwrap()
}

fn url_of(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

fn users(url: &str, arguments: &[&str], input: &str) -> Output {
    let launch = Launch::auth().without("AUTH_DEMO").var("AUTH_DATABASE_URL", url).arg("users");
    arguments.iter().fold(launch, |launch, text| launch.arg(*text)).run_with_input(input)
}

/// Fails unless it is one line of error.
#[track_caller]
fn expect_refusal(output: &Output, code: i32, text: &str) {
    assert_eq!((output.code, output.lines().len()), (Some(code), 1), "{output:?}");
    assert!(output.stderr.contains(text), "{output:?}");
}

/// The user database alone, without what SQLite keeps beside it, knows Ann.
#[track_caller]
fn copy_has_ann(path: &Path) {
    let copy = path.with_file_name("copy.db");
    fs::copy(path, &copy).unwrap();
    let listed = users(&url_of(&copy), &["list"], "");
    assert!(listed.stdout.contains(ANN), "{listed:?}");
}

#[test]
fn after_a_command_the_file_alone_has_everything() {
    let home = home();
    let path = home.path().join("users.db");
    let added = users(&url_of(&path), &["add", ANN], LONG_PASSWORD);
    assert_eq!(added.code, Some(0), "{added:?}");
    assert!(!home.path().join("users.db-wal").exists());
    copy_has_ann(&path);
    expect_refusal(&users(&url_of(&path), &["add", ANN], LONG_PASSWORD), 1, "taken");
    assert!(!home.path().join("users.db-wal").exists(), "nor after one that failed");
}

#[test]
fn after_the_drain_the_file_alone_has_everything() {
    let home = home();
    // Without it, a process that ends may do the same by chance.
    for round in 0..10 {
        let launch = if round % 2 == 0 { Launch::auth() } else { Launch::pair() };
        let path = home.path().join(format!("{round}.db"));
        let mut process = launch.var("AUTH_DATABASE_URL", url_of(&path)).start();
        process.listener("public");
        let added = users(&url_of(&path), &["add", ANN], LONG_PASSWORD);
        assert_eq!(added.code, Some(0), "{added:?}");
        process.signal("TERM");
        assert_eq!(process.wait_for_end(TIMEOUT).code(), Some(0));
        assert!(!path.with_extension("db-wal").exists());
        copy_has_ann(&path);
    }
}

#[test]
fn a_database_that_is_not_there_is_not_made_by_looking_for_it() {
    let home = home();
    let url = url_of(&home.path().join("users.db"));
    let warned =
        format!("there is no user database at {url}: set AUTH_DATABASE_URL to the service's");
    for arguments in [
        &["list"][..],
        &["list", "-o", "json"],
        &["passwd", ANN],
        &["disable", ANN],
        &["enable", ANN],
        &["roles", ANN, "user"],
        &["delete", ANN],
    ] {
        expect_refusal(&users(&url, arguments, LONG_PASSWORD), 1, &warned);
    }
    expect_refusal(&users(&url, &["add", "ann"], ""), 1, "name@domain");
    assert_eq!(home.path().read_dir().unwrap().count(), 0);
    let rows = home.path().join("users.csv");
    fs::write(&rows, format!("email,password_hash\n{ANN},{:064x}\n", 1)).unwrap();
    let imported = users(&url, &["import", rows.to_str().unwrap()], "");
    assert_eq!(imported.code, Some(0), "{imported:?}");
    assert!(users(&url, &["list"], "").stdout.contains(ANN));
}

#[test]
fn users_in_memory_are_none_for_a_command() {
    for arguments in [&["add", ANN][..], &["list"], &["delete", ANN]] {
        let output = users("sqlite::memory:", arguments, LONG_PASSWORD);
        expect_refusal(&output, 2, "AUTH_DATABASE_URL: \"sqlite::memory:\"");
    }
}

/// What the log warns of once the service listens.
fn warnings(process: &mut Process) -> Vec<String> {
    process.listener("public");
    let mut lines = process.output();
    lines.retain(|line| line.contains("WARN"));
    lines
}

#[test]
fn a_service_without_users_says_how_the_first_one_is_made() {
    let home = home();
    let url = url_of(&home.path().join("users.db"));
    for launch in [Launch::auth(), Launch::pair()] {
        let launch = launch.var("AUTH_DATABASE_URL", &url);
        let warned = warnings(&mut launch.clone().var("AUTH_DEMO", "false").start());
        let of_users = |lines: &[String]| lines.iter().filter(|l| l.contains(NO_USERS)).count();
        assert_eq!(of_users(&warned), 1, "{warned:#?}");
        let warned = warnings(&mut launch.clone().var("AUTH_DEMO", "true").start());
        assert_eq!(of_users(&warned), 0, "there is the demo user: {warned:#?}");
        let warned = warnings(&mut launch.clone().var("AUTH_DEMO", "false").start());
        assert_eq!(of_users(&warned), 1, "{} is stored and cannot log in: {warned:#?}", DEMO.0);
    }
    users(&url, &["add", ANN], LONG_PASSWORD);
    let launch = Launch::auth().without("AUTH_DEMO").var("AUTH_DATABASE_URL", &url);
    let warned = warnings(&mut launch.start());
    assert!(!warned.iter().any(|line| line.contains(NO_USERS)), "{warned:#?}");
    let memory = Launch::auth().without("AUTH_DEMO");
    let warned = warnings(&mut memory.start());
    assert!(warned.iter().any(|line| line.contains("set AUTH_DATABASE_URL")), "{warned:#?}");
}

#[test]
fn a_wrong_postgres_is_left_as_it_is() {
    let Some(server) = Postgres::start() else { return };
    expect_refusal(
        &users(&server.url(), &["list"], ""),
        1,
        "there is no user database at postgres",
    );
    let added = users(&server.url(), &["add", ANN], LONG_PASSWORD);
    assert_eq!(added.code, Some(0), "{added:?}");
    assert!(users(&server.url(), &["list"], "").stdout.contains(ANN));
}

#[test]
fn a_postgres_url_that_breaks_off_in_its_password_says_what_to_do() {
    for password in ["hunter/secret", "hunter#secret", "hunter?secret", "12?hunter-secret"] {
        let url = format!("postgres://ann:{password}@127.0.0.1/users");
        for output in
            [users(&url, &["list"], ""), Launch::auth().var("AUTH_DATABASE_URL", &url).run()]
        {
            expect_refusal(&output, 2, "percent-encoded");
            assert!(!format!("{output:?}").contains("hunter"), "{output:?}");
            assert!(!output.stderr.contains("secret"), "{output:?}");
        }
    }
}

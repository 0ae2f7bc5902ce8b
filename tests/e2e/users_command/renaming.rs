//! A database in which two accounts have one name, of a version that told them apart: the start says
//! so, and `users rename` is the way out.

use tempfile::TempDir;

use crate::harness::{AuthService, LONG_PASSWORD, Launch, Output, query, skip_unless_installed};

/// The keys as the version before made them.
const BEFORE: &str =
    "UPDATE users SET email = 'Stra\u{df}e@example.com', email_key = 'stra\u{df}e@example.com'
     WHERE email = 'b@example.com';
     UPDATE users SET email = char(160) || 'nb@example.com', email_key = 'nb@example.com'
     WHERE email = 'c@example.com';
     DROP TABLE username_keys; DELETE FROM _sqlx_migrations WHERE version = 3";

fn users(launch: &Launch, arguments: &[&str]) -> Output {
    let launch = arguments.iter().fold(launch.clone().arg("users"), |l, text| l.arg(*text));
    launch.run_with_input(LONG_PASSWORD)
}

#[test]
fn two_accounts_of_one_name_are_named_and_one_is_renamed() {
    if skip_unless_installed("sqlite3") {
        return;
    }
    let home = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let file = home.path().join("users.db");
    let launch = Launch::auth().var("AUTH_DATABASE_URL", format!("sqlite:{}", file.display()));
    for name in ["strasse@example.com", "b@example.com", "c@example.com"] {
        assert_eq!(users(&launch, &["add", name]).code, Some(0));
    }
    query(&file, BEFORE);
    for output in
        [launch.run(), users(&launch, &["list"]), users(&launch, &["add", "d@example.com"])]
    {
        assert_eq!((output.code, output.lines().len()), (Some(1), 1), "{output:?}");
        for part in ["strasse@example.com", "Stra\u{df}e@example.com", "users rename OLD NEW"] {
            assert!(output.stderr.contains(part), "{output:?}");
        }
    }
    let renamed = users(&launch, &["rename", "Stra\u{df}e@example.com", "bee@example.com"]);
    assert_eq!(renamed.code, Some(0), "{renamed:?}");
    assert!(renamed.stdout.ends_with("bee@example.com"), "{renamed:?}");
    assert_eq!(query(&file, "SELECT generation FROM users WHERE email = 'bee@example.com'"), "2");

    let auth = AuthService::launch(&launch);
    for name in
        ["STRASSE@example.com", "stra\u{df}e@example.com", "bee@example.com", "nb@example.com"]
    {
        auth.login(name, LONG_PASSWORD);
    }
    let nb = auth.login_answer("\u{a0}NB@example.com", LONG_PASSWORD);
    assert_eq!(nb["session"]["user"]["username"], "nb@example.com");
}

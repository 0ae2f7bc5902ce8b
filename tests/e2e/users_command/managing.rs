//! What the commands do, print and refuse.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{DEMO, LONG_PASSWORD, Launch, Output};

const ANN: &str = "ann@example.com";

/// A database without users that no service is using.
struct Accounts {
    home: TempDir,
}

impl Accounts {
    fn new() -> Self {
        let accounts = Self { home: TempDir::with_prefix("reinflate-e2e-").unwrap() };
        let file = accounts.home.path().join("nobody.csv");
        fs::write(&file, "email,password_hash\n").unwrap();
        accounts.json(&["import", file.to_str().unwrap()], "");
        accounts
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let database = format!("sqlite:{}", self.home.path().join("users.db").display());
        let launch = Launch::auth().without("AUTH_DEMO").var("AUTH_DATABASE_URL", database);
        let launch = arguments.iter().fold(launch.arg("users"), |launch, text| launch.arg(*text));
        let output = launch.run_with_input(input);
        assert!(!output.lines().join("\n").contains(LONG_PASSWORD), "{output:?}");
        output
    }

    #[track_caller]
    fn json(&self, arguments: &[&str], input: &str) -> Value {
        let output = self.run(&[arguments, &["-o", "json"]].concat(), input);
        assert_eq!(output.code, Some(0), "{output:?}");
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    /// Fails unless it exits with this code, one line, and this text in it.
    #[track_caller]
    fn refused(&self, arguments: &[&str], input: &str, code: i32, text: &str) {
        let output = self.run(arguments, input);
        assert_eq!(output.code, Some(code), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        assert_eq!(output.lines().len(), 1, "{output:?}");
        assert!(output.stderr.contains(text), "{output:?}");
    }
}

#[test]
fn a_life_from_the_command_line() {
    let accounts = Accounts::new();
    let ann = accounts.json(&["add", ANN], &format!("{LONG_PASSWORD}\n"));
    assert_eq!((&ann["email"], &ann["roles"]), (&json!(ANN), &json!(["user"])));
    let root = accounts.json(&["add", "root@example.com", "--admin"], LONG_PASSWORD);
    assert_eq!(root["roles"], json!(["admin", "user"]));
    assert_eq!(accounts.json(&["list"], ""), json!([ann, root]));
    let changed = accounts.json(&["roles", "ANN@example.com", "team, admin,user"], "");
    assert_eq!(changed["roles"], json!(["team", "admin", "user"]));
    assert_eq!(accounts.json(&["disable", ANN], "")["disabled"], true);
    assert_eq!(accounts.json(&["disable", ANN], "")["disabled"], true, "again is no error");
    assert_eq!(accounts.json(&["enable", ANN], "")["disabled"], false);
    assert_eq!(accounts.json(&["passwd", ANN], "eight purple trams ring")["id"], ann["id"]);
    let renamed = accounts.json(&["rename", "ANN@example.com", "\u{a0}Bee@example.com "], "");
    assert_eq!((&renamed["id"], &renamed["email"]), (&ann["id"], &json!("Bee@example.com")));
    let id = ann["id"].as_str().unwrap();
    assert_eq!(accounts.json(&["rename", id, ANN], "")["email"], ANN);
    assert_eq!(accounts.json(&["delete", ANN], "")["id"], ann["id"]);
    assert_eq!(accounts.json(&["list"], ""), json!([root]));
}

#[test]
fn what_was_deleted_is_told_as_deleted() {
    let accounts = Accounts::new();
    accounts.run(&["add", ANN], LONG_PASSWORD);
    let deleted = accounts.run(&["delete", ANN], "");
    assert!(deleted.stdout.ends_with("  user  deleted  ann@example.com"), "{deleted:?}");
    let empty = accounts.run(&["list"], "");
    assert_eq!((empty.code, &*empty.stdout, &*empty.stderr), (Some(0), "", "no users"));
}

#[test]
fn the_list_is_readable_and_has_everybody_in_it() {
    let accounts = Accounts::new();
    assert_eq!(accounts.json(&["list"], ""), json!([]));
    let row = |n: u32| format!("u{n}@example.com,{n:064x}\n");
    let rows = (0..1203).map(row).collect::<Vec<_>>().concat();
    let file = accounts.home.path().join("users.csv");
    fs::write(&file, format!("email,password_hash\n{rows}")).unwrap();
    accounts.json(&["import", file.to_str().unwrap()], "");
    assert_eq!(accounts.json(&["list"], "").as_array().unwrap().len(), 1203);
    let text = accounts.run(&["list"], "");
    assert_eq!(text.stdout.lines().count(), 1203);
    let of_one =
        text.stdout.lines().filter(|line| line.ends_with("  user  enabled  u7@example.com"));
    assert_eq!(of_one.count(), 1, "{text:?}");
    assert!(!text.stdout.contains(&format!("{:064x}", 7)), "no hash is shown");
}

#[test]
fn what_cannot_be_done_is_one_line_and_exit_code_1() {
    let accounts = Accounts::new();
    for command in ["passwd", "disable", "enable", "delete"] {
        accounts.refused(&[command, "nobody@example.com"], LONG_PASSWORD, 1, "no such user");
    }
    accounts.refused(&["roles", "nobody@example.com", "user"], "", 1, "no such user");
    accounts.refused(&["rename", "nobody@example.com", ANN], "", 1, "no such user");
    accounts.refused(&["add", "nonsense"], LONG_PASSWORD, 1, "name@domain");
    accounts.refused(&["add", "a\nb@example.com"], LONG_PASSWORD, 1, "control");
    accounts.refused(&["add", ANN], "short\n", 1, "15 characters");
    accounts.refused(&["add", "ann"], "", 1, "name@domain");
    accounts.refused(&["add", ANN], "", 1, "--password-file");
    accounts.refused(&["add", ANN], "\n", 1, "no password");
    accounts.run(&["add", ANN, "--admin"], LONG_PASSWORD);
    accounts.refused(&["add", "Ann@Example.com "], LONG_PASSWORD, 1, "taken");
    accounts.refused(&["add", "\u{a0}ＡＮＮ@example.com"], LONG_PASSWORD, 1, "taken");
    accounts.refused(&["rename", ANN, "bee"], "", 1, "name@domain");
    accounts.run(&["add", "bee@example.com"], LONG_PASSWORD);
    accounts.refused(&["rename", ANN, "BEE@example。com"], "", 1, "taken");
    accounts.refused(&["passwd", ANN], "passwordpassword\n", 1, "common");
    accounts.refused(&["roles", ANN, "a b,admin"], "", 1, "role");
    accounts.refused(&["roles", ANN, ""], "", 1, "role");
    for arguments in [&["roles", ANN, "user"][..], &["disable", ANN], &["delete", ANN]] {
        accounts.refused(arguments, "", 1, "last admin must stay one: make somebody else admin");
    }
    let elsewhere = accounts.home.path().join("no/such/directory/users.db");
    let launch = Launch::auth().var("AUTH_DATABASE_URL", format!("sqlite:{}", elsewhere.display()));
    let output = launch.arg("users").arg("list").run();
    assert_eq!((output.code, output.lines().len()), (Some(1), 1), "{output:?}");
    assert!(output.stderr.contains("no/such/directory"), "it says which: {output:?}");
}

#[test]
fn a_password_comes_from_a_file_or_standard_input_and_never_from_the_command_line() {
    let accounts = Accounts::new();
    let file = accounts.home.path().join("password");
    fs::write(&file, format!("{LONG_PASSWORD}\r\nsecond line\n")).unwrap();
    let path = file.to_str().unwrap();
    accounts.json(&["add", ANN, "--password-file", path], "ignored");
    accounts.json(&["passwd", ANN, "--password-file", path], "");
    accounts.refused(&["passwd", ANN, "--password-file", "/no/such/file"], "", 1, "/no/such/file");
    fs::write(&file, b"\xff\xfe not UTF-8 at all, this one\n").unwrap();
    accounts.refused(&["passwd", ANN, "--password-file", path], "", 1, "UTF-8");
    for arguments in [
        &["add", "b@example.com", "--password", LONG_PASSWORD][..],
        &["add", "b@example.com", "a word too many"],
        &["add"],
        &["passwd"],
        &["roles", ANN],
        &["rename", ANN],
        &["nonsense"],
        &[],
    ] {
        let database = format!("sqlite:{}", accounts.home.path().join("users.db").display());
        let launch = Launch::auth().var("AUTH_DATABASE_URL", database).arg("users");
        let launch = arguments.iter().fold(launch, |launch, text| launch.arg(*text));
        let output = launch.run();
        assert_eq!(output.code, Some(2), "{output:?}");
    }
}

#[test]
fn commands_do_not_make_the_demo_user() {
    let accounts = Accounts::new();
    let database = format!("sqlite:{}", accounts.home.path().join("users.db").display());
    let launch = Launch::auth().var("AUTH_DEMO", "true").var("AUTH_DATABASE_URL", database);
    let output = launch.arg("users").arg("list").run();
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(!output.stdout.contains(DEMO.0), "{output:?}");
}

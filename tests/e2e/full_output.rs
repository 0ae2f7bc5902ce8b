//! Output on a full disk: whoever redirects a result to a file must not find exit code 0 beside a
//! file that has no result.

use std::fs::OpenOptions;
use std::process::Stdio;

use tempfile::TempDir;

use crate::harness::{ANN, BOB, LONG_PASSWORD, Launch, Output};

/// Runs it once into a full disk and once into a pipe, and looks at both ends.
#[track_caller]
fn expect_failure(launch: &Launch, arguments: &[&str], input: &str) {
    let launch = arguments.iter().fold(launch.clone(), |launch, argument| launch.arg(*argument));
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let Output { code, stderr, .. } = launch.run_writing_to(full.into(), input);
    assert_eq!(code, Some(1), "{arguments:?}: {stderr}");
    assert!(stderr.contains("cannot write to standard output"), "{arguments:?}: {stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{arguments:?}: {stderr}");
    // A reader that has closed the pipe does not want the result, which is no failure.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    if !["add", "import", "delete"].iter().any(|once| arguments.contains(once)) {
        assert_eq!(launch.run_writing_to(writer.into(), input).code, Some(0), "{arguments:?}");
    }
}

#[test]
fn every_binarys_help_version_and_settings_fail_loudly() {
    for launch in [Launch::auth(), Launch::business(1), Launch::pair()] {
        for arguments in [&["--help"][..], &["--version"], &["config", "print"], &["help"]] {
            expect_failure(&launch, arguments, "");
        }
        expect_failure(&launch, &["config", "--help"], "");
        expect_failure(&launch, &["healthcheck", "--help"], "");
    }
    expect_failure(&Launch::auth(), &["users", "add", "--help"], "");
    expect_failure(&Launch::auth(), &["help", "proxy"], "");
}

#[test]
fn every_command_fails_loudly_in_either_format() {
    let directory = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let users = Launch::auth().var("AUTH_DATABASE_URL", format!("sqlite:{}", path("users.db")));
    let password = format!("{LONG_PASSWORD}\n");
    let row = format!("email,password_hash\ncarl@example.com,{}\n", "a7".repeat(32));
    std::fs::write(path("users.csv"), row).unwrap();
    let (csv, key) = (path("users.csv"), path("key"));
    for format in ["text", "json"] {
        let name = if format == "text" { ANN } else { BOB };
        for arguments in [
            &["add", name][..],
            &["list"],
            &["passwd", name],
            &["disable", name],
            &["enable", name],
            &["roles", name, "user"],
            &["import", &csv],
            &["delete", name],
        ] {
            let arguments = [&["users", "-o", format], arguments].concat();
            expect_failure(&users, &arguments, &password);
        }
    }
    for proxy in ["nginx", "traefik", "caddy", "envoy"] {
        expect_failure(&Launch::auth(), &["proxy", proxy], "");
        expect_failure(&Launch::auth(), &["proxy", proxy, "--domain-cookie"], "");
    }
    expect_failure(&Launch::auth(), &["generate-key", &key], "");
    assert!(std::fs::read_to_string(&key).unwrap().len() > 40, "the key itself is on another disk");
    expect_failure(&Launch::auth(), &["generate-key", &key], "");
}

#[test]
fn a_command_that_has_nothing_to_say_needs_no_output() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let healthcheck = Launch::auth().var("AUTH_PUBLIC_ADDR", "127.0.0.1:1").arg("healthcheck");
    assert_eq!(healthcheck.run_writing_to(full.into(), "").code, Some(1));
    let bad = Launch::auth().var("AUTH_TOKEN_TTL", "soon").arg("config").arg("print");
    assert_eq!(bad.run_writing_to(Stdio::piped(), "").code, Some(2));
}

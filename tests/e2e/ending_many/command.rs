//! `auth-service sessions list` and `end` against a running service.

use serde_json::{Value, json};

use super::{Crowd, KEY, launch, start};
use crate::harness::{AuthService, Launch, Output};

fn command(auth: &AuthService, arguments: &[&str]) -> Launch {
    let launch = launch().var("AUTH_INTERNAL_ADDR", format!("127.0.0.1:{}", auth.internal.port));
    arguments.iter().fold(launch.arg("sessions"), |launch, argument| launch.arg(*argument))
}

#[track_caller]
fn run(crowd: &Crowd, arguments: &[&str], input: &str, code: i32) -> Output {
    let output = command(&crowd.auth, arguments).run_with_input(input);
    assert_eq!(output.code, Some(code), "{arguments:?}: {output:?}");
    output
}

#[test]
fn sessions_are_listed_by_filters_as_lines_and_as_json() {
    let crowd = Crowd::gather(start());
    assert_eq!(run(&crowd, &["list"], "", 0).stdout.lines().count(), 8);
    let listed = run(&crowd, &["list", "--ip", "203.0.113.0/24", "--role", "editor"], "", 0);
    let fields: Vec<&str> = listed.stdout.trim_end().split('\t').collect();
    assert_eq!(fields.len(), 8, "{listed:?}");
    assert_eq!(fields[1..5], ["eve", "editor", "fixed", "203.0.113.9"]);
    let listed = run(&crowd, &["list", "--user", "42", "--output", "json"], "", 0);
    let session: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!((&session["user"]["id"], &session["ip"]), (&json!("42"), &json!("2001:db8:7::1")));
    let none = run(&crowd, &["list", "--user", "nobody"], "", 0);
    assert!(none.stdout.is_empty() && none.stderr.contains("no sessions"), "{none:?}");
}

#[test]
fn an_end_is_asked_for_and_a_refusal_changes_nothing() {
    let crowd = Crowd::gather(start());
    for answer in ["", "\n", "n\n", "no\n", "yess\n"] {
        let refused = run(&crowd, &["end", "--ip", "203.0.113.0/24"], answer, 1);
        assert!(refused.stderr.contains("End 2 sessions? [y/N]"), "{refused:?}");
        assert!(refused.stderr.contains("nothing was changed"), "{refused:?}");
    }
    crowd.assert_all_live("it was refused");
    let ended = run(&crowd, &["end", "--ip", "203.0.113.0/24"], "y\n", 0);
    assert_eq!(ended.stdout, "2 sessions ended");
    let ended = run(&crowd, &["end", "--user", "42", "--kind", "fixed", "--yes"], "", 0);
    assert_eq!(ended.stdout, "1 session ended");
    assert_eq!(crowd.living(), ["ann", "another admin", "bob", "single use"]);
    let ended = run(&crowd, &["end", "--user", "42"], "", 0);
    assert_eq!(ended.stdout, "0 sessions ended");
    let ended = run(&crowd, &["end", "--all", "--yes"], "", 0);
    assert_eq!(ended.stdout, "5 sessions ended");
    assert!(crowd.living().is_empty());
}

#[test]
fn what_the_command_does_not_understand_ends_nobody() {
    let crowd = Crowd::gather(start());
    for usage in [
        &["end"][..],
        &["end", "--yes"],
        &["end", "--all", "--user", "7", "--yes"],
        &["end", "--usr", "7", "--yes"],
        &["end", "--user", "7", "--user", "8", "--yes"],
        &["end", "everybody"],
    ] {
        run(&crowd, usage, "y\n", 2);
    }
    for (option, text) in [("--ip", "203.0.113.0/33"), ("--user", ""), ("--unused-for", "0")] {
        let refused = run(&crowd, &["end", option, text, "--yes"], "", 1);
        assert!(refused.stderr.contains("the service answered 400: `"), "{refused:?}");
    }
    crowd.assert_all_live("nothing was to end");
}

#[test]
fn the_command_needs_the_services_key_and_the_service() {
    let auth = AuthService::launch(&launch());
    let refused = command(&auth, &["list"]).without("AUTH_INTERNAL_KEY").run();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("AUTH_INTERNAL_KEY"), "{refused:?}");
    let refused = command(&auth, &["list"])
        .var("AUTH_INTERNAL_KEY", "another-key-than-the-service-has")
        .run();
    assert!(refused.code == Some(1) && refused.stderr.contains("401"), "{refused:?}");
    let launch = command(&auth, &["end", "--all", "--yes"]);
    drop(auth);
    let refused = launch.run();
    assert!(refused.code == Some(1) && refused.stderr.contains("does not answer"), "{refused:?}");
    assert!(!refused.stderr.contains(KEY), "{refused:?}");
}

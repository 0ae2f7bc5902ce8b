//! Settings that are nonsense: the process ends before it listens, with 2 and one line that
//! names the setting, the value and what is accepted. Which values are nonsense is tested where each
//! setting is read.

use crate::harness::{Launch, Output};

#[track_caller]
fn expect_refusal(output: &Output, setting: &str, value: &str) {
    assert_eq!(output.code, Some(2), "{setting}={value}: {output:?}");
    let lines = output.lines();
    assert_eq!(lines.len(), 1, "{setting}={value}: {output:?}");
    assert!(lines[0].contains(setting), "{setting} is not named: {output:?}");
    assert!(lines[0].contains(value), "{value} is not shown: {output:?}");
    assert!(lines[0].len() > setting.len() + value.len() + 8, "what is accepted? {output:?}");
}

#[track_caller]
fn expect_each_refused(launch: &Launch, settings: &[(&str, &str)]) {
    for (setting, value) in settings {
        expect_refusal(&launch.clone().var(setting, *value).run(), setting, value);
    }
}

#[test]
fn one_of_each_process() {
    for (launch, settings) in [
        (Launch::auth(), &[("AUTH_TOKEN_TTL", "30"), ("AUTH_ALLOWED_ORIGINS", "*")][..]),
        (Launch::business(1), &[("BUSINESS_AUTH_URL", "http://127.0.0.1:8081,ftp://x")]),
        (Launch::pair(), &[("AUTH_TOKEN_TTL", "30"), ("BUSINESS_AUTH_TIMEOUT", "1")]),
        (Launch::auth().without("AUTH_PUBLIC_ADDR"), &[("PORT", "70000")]),
        (Launch::business(1).without("BUSINESS_ADDR"), &[("PORT", "http")]),
    ] {
        expect_each_refused(&launch, settings);
    }
}

#[test]
fn a_cookie_that_browsers_would_not_take() {
    let launch = Launch::auth().var("AUTH_PUBLIC_URL", "https://auth.example.com");
    expect_each_refused(
        &launch,
        &[("AUTH_COOKIE_DOMAIN", "example.org"), ("AUTH_COOKIE_NAME", "__Host-sid")],
    );
    expect_refusal(&launch.arg("--cookie-domain").arg("h").run(), "--cookie-domain", "h");
}

#[test]
fn each_process_says_who_complains() {
    for (launch, name) in [
        (Launch::auth(), "auth-service: "),
        (Launch::business(1), "business-service: "),
        (Launch::pair(), "reinflate: "),
    ] {
        let output = launch.var("DRAIN_DELAY", "soon").run();
        assert!(output.stderr.starts_with(&format!("{name}DRAIN_DELAY: ")), "{output:?}");
    }
}

#[test]
fn threads_that_serve() {
    for launch in [Launch::auth(), Launch::business(1), Launch::pair()] {
        expect_each_refused(&launch, &[("WORKERS", "0")]);
        expect_refusal(&launch.arg("--workers").arg("257").run(), "--workers", "257");
    }
}

#[test]
fn a_flag_is_named_where_the_flag_was_used() {
    for (flag, value) in
        [("--token-ttl", "banana"), ("--public-addr", "nonsense"), ("--signup", "ajar")]
    {
        let output = Launch::auth().arg(flag).arg(value).run();
        expect_refusal(&output, flag, value);
        assert!(!output.lines()[0].contains("AUTH_"), "the variable was not to blame: {output:?}");
    }
}

#[test]
fn a_secret_is_masked_where_a_bad_value_is_shown() {
    for (setting, value) in [
        ("AUTH_DATABASE_URL", "mysql://ann:hunter-secret@db.example/users"),
        ("AUTH_SESSION_STORE", "http://:hunter-secret@db.example"),
        ("AUTH_INTERNAL_KEY", "hunter-secret\nsecond line"),
    ] {
        let output = Launch::auth().var(setting, value).run();
        assert_eq!(output.code, Some(2), "{setting}: {output:?}");
        assert_eq!(output.lines().len(), 1, "{setting}: {output:?}");
        assert!(output.lines()[0].contains(setting), "{output:?}");
        assert!(!format!("{output:?}").contains("hunter-secret"), "{output:?}");
    }
}

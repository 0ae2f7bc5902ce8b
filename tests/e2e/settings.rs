//! Settings: where they come from and which of two wins.

use std::fs;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{
    AuthService, BusinessService, DEMO, Launch, Output, Process, Request, unused_port,
};

fn expires_in(launch: &Launch) -> serde_json::Value {
    AuthService::launch(launch).login_answer(DEMO.0, DEMO.1)["expires_in"].clone()
}

/// A file with this in it, which lives as long as the directory.
fn secret_file(text: &str) -> (TempDir, String) {
    let directory = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let path = directory.path().join("secret");
    fs::write(&path, text).unwrap();
    (directory, path.display().to_string())
}

fn config_print(launch: Launch) -> Output {
    let output = launch.arg("config").arg("print").run();
    assert_eq!(output.code, Some(0), "{output:?}");
    output
}

#[test]
fn a_variable_sets_and_a_flag_wins() {
    let launch = Launch::auth().var("AUTH_TOKEN_TTL", "50s");
    assert_eq!(expires_in(&launch), 50);
    assert_eq!(expires_in(&launch.clone().arg("--token-ttl").arg("40s")), 40);
    assert_eq!(expires_in(&launch.arg("--token-ttl=45s")), 45);
}

#[test]
fn a_variable_that_is_empty_counts_as_absent() {
    let mut launch = Launch::auth();
    for name in [
        "AUTH_TOKEN_TTL",
        "AUTH_INTERNAL_KEY",
        "AUTH_INTERNAL_KEY_FILE",
        "AUTH_ALLOWED_ORIGINS",
        "PORT",
        "AUTH_LOGIN_ATTEMPTS",
        "AUTH_TRUSTED_PROXIES",
        "LOG_FORMAT",
        "DRAIN_DELAY",
        "AUTH_COOKIE_NAME",
        "AUTH_BIND_SESSIONS",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "AUTH_SIGNUP",
        "AUTH_COOKIE_SECURE",
    ] {
        launch = launch.var(name, "");
    }
    assert_eq!(expires_in(&launch), 30);
}

#[test]
fn durations_are_written_with_their_unit() {
    for (ttl, seconds) in [("1500ms", 2), ("45s", 45), ("2m", 120), ("1h", 3600), ("1d", 43_200)] {
        let launch = Launch::auth().var("AUTH_TOKEN_TTL", ttl);
        // A day is cut to the maximum lifetime of twelve hours.
        assert_eq!(expires_in(&launch), seconds, "{ttl}");
    }
}

#[test]
fn a_platforms_port_opens_the_front_door_to_all() {
    let port = unused_port();
    let launch = Launch::auth().without("AUTH_PUBLIC_ADDR").var("PORT", port.to_string());
    let auth = AuthService::launch(&launch);
    auth.log_lines_with(&format!("listening on http://0.0.0.0:{port} (public)"), 1);
    let port = unused_port();
    let launch = Launch::business(auth.internal.port).without("BUSINESS_ADDR");
    let business = BusinessService::launch(&launch.var("PORT", port.to_string()));
    business.log_lines_with(&format!("listening on http://0.0.0.0:{port} (business)"), 1);
    business.data(&auth.token()).expect(200);
}

#[test]
fn an_address_that_is_set_goes_before_the_platforms_port() {
    let port = unused_port();
    let auth = AuthService::launch(&Launch::auth().var("PORT", port.to_string()));
    assert_ne!(auth.public.port, port);
}

#[test]
fn a_secret_is_read_from_a_file_without_its_line_end() {
    let (_directory, path) = secret_file("thirteen-dry-biscuits\n");
    let auth = AuthService::launch(&Launch::auth().var("AUTH_INTERNAL_KEY_FILE", &path));
    let ask = Request::post("/validateToken").json(&json!({"token": "x"}));
    auth.internal.send(ask.clone().bearer("thirteen-dry-biscuits")).expect(200);
    auth.internal.send(ask).expect(401);
    let launch = Launch::business(auth.internal.port).var("BUSINESS_AUTH_KEY_FILE", path);
    BusinessService::launch(&launch).data(&auth.token()).expect(200);
}

#[test]
fn a_secret_and_its_file_together_are_an_error_and_so_is_a_missing_file() {
    let (_directory, path) = secret_file("thirteen-dry-biscuits");
    let both =
        Launch::auth().var("AUTH_INTERNAL_KEY", "other").var("AUTH_INTERNAL_KEY_FILE", &path);
    let missing = Launch::auth().var("AUTH_INTERNAL_KEY_FILE", "/nonexistent/secret");
    for output in [both.run(), missing.run()] {
        assert_eq!(output.code, Some(2), "{output:?}");
        assert_eq!(output.lines().len(), 1, "{output:?}");
        assert!(output.lines()[0].contains("AUTH_INTERNAL_KEY_FILE"), "{output:?}");
        assert!(!output.lines()[0].contains("thirteen-dry-biscuits"), "{output:?}");
    }
    let business = Launch::business(1).var("BUSINESS_AUTH_KEY_FILE", "/nonexistent/secret").run();
    assert_eq!(business.code, Some(2), "{business:?}");
    assert!(business.lines()[0].contains("BUSINESS_AUTH_KEY_FILE"), "{business:?}");
}

#[test]
fn the_settings_are_printed_with_their_secrets_masked() {
    let launch = Launch::auth()
        .var("AUTH_INTERNAL_KEY", "thirteen-dry-biscuits")
        .var("AUTH_DATABASE_URL", "postgres://ann:hunter-secret@db.example/users")
        .var("AUTH_TOKEN_TTL", "77s");
    let output = config_print(launch);
    for shown in ["AUTH_TOKEN_TTL", "77s", "AUTH_INTERNAL_KEY", "db.example", "AUTH_SWEEP_INTERVAL"]
    {
        assert!(output.stdout.contains(shown), "{shown} in\n{}", output.stdout);
    }
    for secret in ["biscuits", "hunter-secret"] {
        assert!(!format!("{output:?}").contains(secret), "{output:?}");
    }
}

#[test]
fn a_check_says_what_a_start_would_end_with_and_opens_nothing() {
    let check = |launch: &Launch| launch.clone().arg("config").arg("check").run();
    let refused = [
        ("DRAIN_DELAY", "soon"),
        ("RUST_LOG", "info,x=loud"),
        ("LOG_FORMAT", "loud"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost"),
    ];
    for launch in [Launch::auth(), Launch::business(1), Launch::pair()] {
        let accepted = check(&launch);
        assert_eq!((accepted.code, &*accepted.stdout, &*accepted.stderr), (Some(0), "", ""));
        for (name, value) in refused {
            let launch = launch.clone().var(name, value);
            let (checked, started) = (check(&launch), launch.run());
            assert_eq!((checked.code, started.code), (Some(2), Some(2)), "{checked:?} {started:?}");
            assert!(checked.lines().len() == 1 && checked.lines()[0].contains(name), "{checked:?}");
            assert_eq!(checked.lines(), started.lines());
        }
    }
}

#[test]
fn a_check_reads_the_settings_together_and_asks_no_store() {
    let directory = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let users = directory.path().join("users.db");
    let database = format!("sqlite:{}", users.display());
    let launch = Launch::auth()
        .var("AUTH_DATABASE_URL", database)
        .var("AUTH_SESSION_STORE", "redis://127.0.0.1:1")
        .arg("config")
        .arg("check");
    let output = launch.run();
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(!users.exists(), "a check makes no database");
    let output = launch.var("AUTH_DATABASE_URL", "sqlite::memory:").run();
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.lines().len() == 1 && output.lines()[0].contains("outlive the process"));
}

#[test]
fn the_threads_that_serve_are_a_setting_of_every_process() {
    for launch in [Launch::auth(), Launch::business(1), Launch::pair()] {
        let shown = |launch: Launch| {
            let output = config_print(launch).stdout;
            let line = output.lines().find(|line| line.starts_with("WORKERS="));
            line.expect("it is shown").to_owned()
        };
        let default = shown(launch.clone());
        let default =
            default.strip_prefix("WORKERS=").and_then(|rest| rest.strip_suffix("  # default"));
        assert!(default.is_some_and(|count| count.parse::<u16>().is_ok_and(|count| count > 0)));
        assert_eq!(shown(launch.clone().var("WORKERS", "256")), "WORKERS=256  # variable");
        let flag = launch.var("WORKERS", "1").arg("--workers").arg("3");
        assert_eq!(shown(flag), "WORKERS=3  # flag");
    }
}

#[test]
fn what_is_worked_out_is_printed_as_it_will_be() {
    let printed = config_print(
        Launch::auth().without("AUTH_DEMO").without("AUTH_PUBLIC_ADDR").var("PORT", "5000"),
    );
    for line in [
        "AUTH_PUBLIC_ADDR=0.0.0.0:5000  # default",
        "AUTH_SESSION_TTL=7d  # default",
        "AUTH_COOKIE_SECURE=true  # default",
        "AUTH_COOKIE_NAME=__Host-reinflate  # default",
    ] {
        assert!(printed.lines().contains(&line), "{line} in\n{}", printed.stdout);
    }
    let demo = config_print(Launch::pair());
    for line in ["AUTH_SESSION_TTL=30s  # default", "AUTH_COOKIE_NAME=reinflate  # default"] {
        assert!(demo.lines().contains(&line), "{line} in\n{}", demo.stdout);
    }
}

fn warnings(process: &Process) -> Vec<String> {
    let lines = process.log().into_iter().filter(|line| line["level"] == "WARN");
    lines.map(|line| line.to_string()).collect()
}

#[test]
fn a_variable_that_is_misspelt_is_told_by_name_and_one_of_the_other_service_is_not() {
    let misspelt = [("AUTH_TOKEN_TTLL", "AUTH_TOKEN_TTL"), ("BUSINESS_ADR", "BUSINESS_ADDR")];
    for (launch, expected) in [
        (Launch::auth(), &misspelt[..1]),
        (Launch::business(1), &misspelt[1..]),
        (Launch::pair(), &misspelt),
    ] {
        let listener = launch.public_listener();
        let launch = launch.var("AUTH_TOKEN_TTLL", "geheimnis").var("BUSINESS_ADR", "geheimnis");
        let mut process = launch.var("BUSINESS_LOGIN_URL", "http://localhost:1/login").start();
        process.keep_secret("geheimnis");
        process.listener(listener);
        let mut warned = warnings(&process);
        warned.retain(|line| line.contains("is no setting"));
        assert_eq!(warned.len(), expected.len(), "{warned:?}");
        for (line, (name, meant)) in warned.iter().zip(expected) {
            assert!(line.contains(&format!("{name} is no setting: is {meant} meant?")), "{line}");
        }
    }
}

#[test]
fn what_browsers_or_other_settings_will_undo_is_told_at_the_start() {
    let launch = Launch::auth()
        .var("AUTH_PUBLIC_URL", "http://auth.example.com/path")
        .var("AUTH_COOKIE_SECURE", "true")
        .var("AUTH_TOKEN_TTL", "1d")
        .var("AUTH_REDIS_PASSWORD", "hunter-secret");
    let auth = AuthService::launch(&launch);
    auth.keep_secret("hunter-secret");
    let warned = warnings(&auth).join("\n");
    for part in [
        "browsers drop the session cookie",
        "its path is ignored",
        "nothing outlives AUTH_TOKEN_MAX_LIFETIME",
        "AUTH_REDIS_PASSWORD has no effect",
    ] {
        assert_eq!(warned.matches(part).count(), 1, "{part} in\n{warned}");
    }
}

#[test]
fn settings_that_are_risky_are_logged_as_warnings() {
    let warns = |auth: &AuthService, of: &str| {
        auth.log().iter().any(|line| line["level"] == "WARN" && line.to_string().contains(of))
    };
    let insecure = AuthService::launch(&Launch::auth().var("AUTH_COOKIE_SECURE", "false"));
    assert!(warns(&insecure, "AUTH_COOKIE_SECURE"), "{:?}", insecure.output());
    let open = AuthService::launch(&Launch::auth().var("AUTH_INTERNAL_ADDR", "0.0.0.0:0"));
    assert!(warns(&open, "AUTH_INTERNAL_KEY"), "{:?}", open.output());
    let by_default = AuthService::start();
    assert!(!warns(&by_default, "AUTH_INTERNAL_KEY"), "{:?}", by_default.output());
}

//! Starting: what a process says, where it listens, and how it ends where it cannot start.

use std::net::TcpListener;

use serde_json::Value;

use crate::harness::{
    AuthService, BusinessService, Launch, Listener, Output, Process, unused_port,
};

/// Whether a line of the log says exactly this, whatever else it holds.
fn says(line: &str, message: &str) -> bool {
    let line: Value = serde_json::from_str(line).expect("a log line is JSON");
    line["message"] == message || line["fields"]["message"] == message
}

#[track_caller]
fn expect_line(process: &Process, message: &str) {
    let output = process.output();
    assert!(output.iter().any(|line| says(line, message)), "{message} is not in {output:#?}");
}

/// Fails unless it ended with 1 and one line that names this.
#[track_caller]
fn expect_failure(output: &Output, names: &str) {
    assert_eq!(output.code, Some(1), "{output:?}");
    let naming = output.lines().into_iter().filter(|line| line.contains(names)).count();
    assert_eq!(naming, 1, "{names} in {output:?}");
    assert!(output.stderr.lines().count() <= 1, "{output:?}");
}

#[test]
fn each_listener_says_where_it_accepts_even_if_logging_is_off() {
    let auth = AuthService::launch(&Launch::auth().var("RUST_LOG", "off"));
    let launch = Launch::business(auth.internal.port).var("RUST_LOG", "off");
    let business = BusinessService::launch(&launch);
    let line = |listener: Listener, name: &str| {
        format!("listening on http://127.0.0.1:{} ({name})", listener.port)
    };
    expect_line(&auth, &line(auth.public, "public"));
    expect_line(&auth, &line(auth.internal, "internal"));
    expect_line(&business, &line(business.public, "business"));
    expect_line(&business, &line(business.internal, "business-internal"));
    business.data(&auth.token()).expect(200);
    assert_eq!(auth.output().len() + business.output().len(), 4, "off is off");
}

#[test]
fn a_port_in_use_ends_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (launch, variable) in [
        (Launch::auth(), "AUTH_PUBLIC_ADDR"),
        (Launch::auth(), "AUTH_INTERNAL_ADDR"),
        (Launch::business(1), "BUSINESS_ADDR"),
        (Launch::business(1), "BUSINESS_INTERNAL_ADDR"),
        (Launch::pair(), "BUSINESS_ADDR"),
    ] {
        expect_failure(&launch.var(variable, &address).run(), &address);
    }
}

#[test]
fn a_database_out_of_reach_ends_the_start_and_its_password_is_not_shown() {
    let nowhere = Launch::auth().var("AUTH_DATABASE_URL", "sqlite:/nonexistent/directory/users.db");
    expect_failure(&nowhere.run(), "/nonexistent/directory/users.db");
    let postgres = format!("postgres://ann:hunter-secret@127.0.0.1:{}/users", unused_port());
    let output = Launch::auth().var("AUTH_DATABASE_URL", postgres).run();
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(!format!("{output:?}").contains("hunter-secret"), "{output:?}");
}

#[test]
fn a_session_store_that_is_something_else_is_named_as_that() {
    let other = AuthService::start();
    let address = format!("127.0.0.1:{}", other.public.port);
    let launch = Launch::auth().var("AUTH_DATABASE_URL", "sqlite:users.db");
    let output = launch.var("AUTH_SESSION_STORE", format!("redis://{address}")).run();
    expect_failure(&output, &format!("{address}: the server there is not Redis"));
}

#[test]
fn help_names_every_setting_by_its_flag_and_its_variable() {
    for (launch, names) in [
        (
            Launch::auth(),
            ["--public-addr", "AUTH_PUBLIC_ADDR", "AUTH_TOKEN_TTL", "--token-ttl", "DRAIN_DELAY"],
        ),
        (
            Launch::business(1),
            ["--addr", "BUSINESS_ADDR", "BUSINESS_AUTH_URL", "--auth-timeout", "DRAIN_DELAY"],
        ),
        (
            Launch::pair(),
            ["AUTH_PUBLIC_ADDR", "BUSINESS_ADDR", "AUTH_TOKEN_TTL", "AUTH_DEMO", "PORT"],
        ),
    ] {
        let output = launch.arg("--help").run();
        assert_eq!(output.code, Some(0), "{output:?}");
        for name in names.into_iter().chain(["--workers", "WORKERS", "a number from 1 to 256"]) {
            assert!(output.stdout.contains(name), "{name} in\n{}", output.stdout);
        }
    }
    let help = Launch::auth().arg("--help").run().stdout;
    assert!(help.contains("AUTH_INTERNAL_KEY"), "{help}");
    assert!(!help.contains("--internal-key"), "a secret has no flag: {help}");
}

#[test]
fn the_version_is_told() {
    for (launch, name) in [
        (Launch::auth(), "auth-service"),
        (Launch::business(1), "business-service"),
        (Launch::pair(), "reinflate"),
    ] {
        let output = launch.arg("--version").run();
        assert_eq!(output.code, Some(0), "{output:?}");
        assert_eq!(output.stdout.trim(), format!("{name} {}", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn a_flag_or_a_command_that_nobody_knows_is_a_mistake_in_one_line() {
    for launch in [Launch::auth(), Launch::business(1), Launch::pair()] {
        for mistake in ["--no-such-flag", "no-such-command"] {
            let output = launch.clone().arg(mistake).run();
            assert_eq!(output.code, Some(2), "{output:?}");
            assert!(format!("{output:?}").contains(mistake), "{output:?}");
            assert_eq!(output.lines().len(), 1, "{output:?}");
        }
    }
}

#[test]
fn a_healthcheck_tells_whether_the_described_service_is_ready() {
    let mut auth = AuthService::start();
    let mut business = BusinessService::start(&auth);
    let address = |listener: Listener| format!("127.0.0.1:{}", listener.port);
    let check_auth = Launch::auth()
        .var("AUTH_PUBLIC_ADDR", address(auth.public))
        .var("AUTH_INTERNAL_ADDR", address(auth.internal))
        .arg("healthcheck");
    let check_business = Launch::business(auth.internal.port)
        .var("BUSINESS_ADDR", address(business.public))
        .var("BUSINESS_INTERNAL_ADDR", address(business.internal))
        .arg("healthcheck");
    assert_eq!(check_auth.run().code, Some(0));
    crate::harness::eventually("healthy", crate::harness::TIMEOUT, || {
        (check_business.run().code == Some(0)).then_some(())
    });
    auth.kill();
    assert_eq!(check_auth.run().code, Some(1));
    crate::harness::eventually("not healthy", crate::harness::TIMEOUT, || {
        (check_business.run().code == Some(1)).then_some(())
    });
    business.kill();
    assert_eq!(check_business.run().code, Some(1));
}

#[test]
fn a_healthcheck_knows_the_port_of_the_platform() {
    let port = unused_port();
    let launch = Launch::auth().without("AUTH_PUBLIC_ADDR").var("PORT", port.to_string());
    let auth = AuthService::launch(&launch);
    assert_eq!(auth.public.port, port);
    let internal = format!("127.0.0.1:{}", auth.internal.port);
    let check = launch.var("AUTH_INTERNAL_ADDR", internal).arg("healthcheck").run();
    assert_eq!(check.code, Some(0), "{check:?}");
}

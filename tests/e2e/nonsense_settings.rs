//! Settings that are nonsense: the process ends before it listens, with 2 and one line that
//! names the setting, the value and what is accepted.

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
fn addresses_and_urls() {
    expect_each_refused(
        &Launch::auth(),
        &[
            ("AUTH_PUBLIC_ADDR", "nonsense"),
            ("AUTH_PUBLIC_ADDR", "127.0.0.1"),
            ("AUTH_INTERNAL_ADDR", "127.0.0.1:99999"),
            ("AUTH_PUBLIC_URL", "not a url"),
            ("AUTH_PUBLIC_URL", "ftp://example.com"),
            ("AUTH_SESSION_STORE", "mysql://h"),
            ("AUTH_SESSION_STORE", "memroy"),
            ("AUTH_DATABASE_URL", "mysql://h/d"),
            ("AUTH_DATABASE_URL", "users.db"),
        ],
    );
}

#[test]
fn durations() {
    expect_each_refused(
        &Launch::auth(),
        &[
            ("AUTH_TOKEN_TTL", "30"),
            ("AUTH_TOKEN_TTL", "thirty"),
            ("AUTH_TOKEN_TTL", "-5s"),
            ("AUTH_TOKEN_TTL", "0s"),
            ("AUTH_TOKEN_TTL", "5 s"),
            ("AUTH_TOKEN_TTL", "99999999999999999999d"),
            ("AUTH_TOKEN_MAX_LIFETIME", "1y"),
            ("AUTH_SESSION_TTL", "s"),
            ("AUTH_SESSION_MAX_LIFETIME", "1.5h"),
            ("AUTH_FIXED_TOKEN_MAX_TTL", "long"),
            ("AUTH_FRESH_FOR", "1H"),
            ("AUTH_SWEEP_INTERVAL", "soon"),
            ("DRAIN_DELAY", "long"),
        ],
    );
}

#[test]
fn rates_numbers_and_words() {
    expect_each_refused(
        &Launch::auth(),
        &[
            ("AUTH_LOGIN_ATTEMPTS", "ten"),
            ("AUTH_LOGIN_ATTEMPTS", "10"),
            ("AUTH_LOGIN_ATTEMPTS", "10/"),
            ("AUTH_LOGIN_ATTEMPTS_PER_ACCOUNT", "/1h"),
            ("AUTH_LOGIN_ATTEMPTS_PER_ADDRESS", "-1/5m"),
            ("AUTH_MINTS_PER_USER", "100"),
            ("AUTH_LOGINS_PER_ADDRESS", "1000"),
            ("AUTH_MAX_SESSIONS_PER_USER", "-1"),
            ("AUTH_MAX_SESSIONS_PER_USER", "many"),
            ("AUTH_PASSWORD_MIN_LENGTH", "7"),
            ("AUTH_PASSWORD_MIN_LENGTH", "129"),
            ("AUTH_COOKIE_SECURE", "maybe"),
            ("AUTH_DEMO", "perhaps"),
            ("AUTH_SIGNUP", "ajar"),
            ("AUTH_BIND_SESSIONS", "shoe-size"),
            ("AUTH_BIND_SESSIONS", "ip,,user-agent"),
            ("LOG_FORMAT", "xml"),
        ],
    );
}

#[test]
fn networks_origins_and_names() {
    expect_each_refused(
        &Launch::auth(),
        &[
            ("AUTH_TRUSTED_PROXIES", "10.0.0.0/33"),
            ("AUTH_TRUSTED_PROXIES", "nonsense"),
            ("AUTH_TRUSTED_PROXIES", "0.0.0.0/0"),
            ("AUTH_TRUSTED_PROXIES", "10.0.0.1,::/0"),
            ("AUTH_TRUSTED_PROXIES", "0.0.0.0/1,128.0.0.0/1"),
            ("AUTH_CLIENT_IP_HEADER", "two words"),
            ("AUTH_ALLOWED_ORIGINS", "*"),
            ("AUTH_ALLOWED_ORIGINS", "app.example"),
            ("AUTH_ALLOWED_ORIGINS", "https://*.example.com"),
            ("AUTH_ALLOWED_ORIGINS", "null"),
            ("AUTH_ALLOWED_ORIGINS", "capacitor://localhost/path"),
            ("AUTH_ALLOWED_ORIGINS", "file://localhost"),
            ("AUTH_ALLOWED_ORIGINS", "https://app.example/path"),
            ("AUTH_REDIRECT_ORIGINS", "https://a.example,*"),
            ("AUTH_REDIRECT_ORIGINS", "javascript:alert"),
            ("AUTH_REDIRECT_ORIGINS", "https://*.example.com"),
            ("AUTH_REDIRECT_ORIGINS", "capacitor://localhost"),
            ("AUTH_COOKIE_NAME", "two words"),
            ("AUTH_COOKIE_DOMAIN", "two words"),
        ],
    );
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
fn a_zero_is_not_offered_where_it_is_refused() {
    for output in [
        Launch::business(1).var("BUSINESS_AUTH_TIMEOUT", "0").run(),
        Launch::auth().var("AUTH_TOKEN_TTL", "0").run(),
        Launch::auth().var("AUTH_TOKEN_MAX_LIFETIME", "0").run(),
        Launch::auth().var("AUTH_SESSION_TTL", "0").run(),
        Launch::auth().var("AUTH_SESSION_MAX_LIFETIME", "0").run(),
        Launch::auth().var("AUTH_FIXED_TOKEN_MAX_TTL", "0").run(),
    ] {
        assert_eq!(output.code, Some(2), "{output:?}");
        assert!(output.lines()[0].contains("a duration above zero"), "{output:?}");
        assert!(!output.lines()[0].contains("or 0"), "{output:?}");
    }
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
fn of_business_service() {
    expect_each_refused(
        &Launch::business(1),
        &[
            ("BUSINESS_ADDR", "nonsense"),
            ("BUSINESS_INTERNAL_ADDR", ":x"),
            ("BUSINESS_AUTH_URL", "nonsense"),
            ("BUSINESS_AUTH_URL", "http://127.0.0.1:8081,ftp://x"),
            ("BUSINESS_AUTH_TIMEOUT", "1"),
            ("BUSINESS_AUTH_TIMEOUT", "0s"),
            ("BUSINESS_AUTH_CLIENT", "hat"),
            ("BUSINESS_TRUSTED_PROXIES", "::1/129"),
            ("BUSINESS_TRUSTED_PROXIES", "0.0.0.0/0"),
            ("BUSINESS_TRUSTED_PROXIES", "::/0"),
            ("BUSINESS_COOKIE_NAME", "a;b"),
            ("BUSINESS_LOGIN_URL", "login"),
            ("BUSINESS_PUBLIC_URL", "localhost"),
            ("DRAIN_DELAY", "x"),
            ("LOG_FORMAT", "xml"),
        ],
    );
}

#[test]
fn of_the_pair() {
    expect_each_refused(
        &Launch::pair(),
        &[("AUTH_TOKEN_TTL", "30"), ("BUSINESS_AUTH_TIMEOUT", "1"), ("AUTH_ALLOWED_ORIGINS", "*")],
    );
}

#[test]
fn a_platforms_port() {
    for launch in [
        Launch::auth().without("AUTH_PUBLIC_ADDR"),
        Launch::business(1).without("BUSINESS_ADDR"),
        Launch::pair().without("AUTH_PUBLIC_ADDR").without("BUSINESS_ADDR"),
    ] {
        expect_each_refused(&launch, &[("PORT", "http"), ("PORT", "70000"), ("PORT", "-1")]);
    }
}

#[test]
fn threads_that_serve() {
    for launch in [Launch::auth(), Launch::business(1), Launch::pair()] {
        let settings = ["0", "257", "-1", "x", "1.5"].map(|value| ("WORKERS", value));
        expect_each_refused(&launch, &settings);
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

//! Settings that are refused: each by its name, with the value and what is accepted.

use std::ffi::OsString;

use server_runtime::Settings;
use server_runtime::settings::COMMON;

use super::{Config, settings};

fn refusal(name: &str, value: &str) -> String {
    let table = [settings::TABLE, COMMON].concat();
    let matches = Settings::command(clap::Command::new("auth-service"), &table)
        .get_matches_from(["auth-service"]);
    let env = |other: &str| (other == name).then(|| OsString::from(value));
    let settings = Settings::read(&table, &matches, &env);
    let read = settings.and_then(|settings| Config::read(&settings).map(drop));
    read.err().map(|bad| bad.to_string()).unwrap_or_default()
}

#[track_caller]
fn expect_refused(settings: &[(&str, &str)]) {
    for (name, value) in settings {
        let line = refusal(name, value);
        assert!(line.starts_with(&format!("{name}: ")), "{name}={value}: {line}");
        assert!(line.contains(value) && line.contains("it takes"), "{name}={value}: {line}");
        assert!(!line.contains('\n'), "{line}");
    }
}

#[test]
fn addresses_and_urls() {
    expect_refused(&[
        ("AUTH_PUBLIC_ADDR", "nonsense"),
        ("AUTH_PUBLIC_ADDR", "127.0.0.1"),
        ("AUTH_INTERNAL_ADDR", "127.0.0.1:99999"),
        ("AUTH_PUBLIC_URL", "not a url"),
        ("AUTH_PUBLIC_URL", "ftp://example.com"),
        ("AUTH_SESSION_STORE", "mysql://h"),
        ("AUTH_SESSION_STORE", "memroy"),
        ("AUTH_DATABASE_URL", "mysql://h/d"),
        ("AUTH_DATABASE_URL", "users.db"),
        ("PORT", "http"),
        ("PORT", "70000"),
        ("PORT", "-1"),
    ]);
}

#[test]
fn durations() {
    expect_refused(&[
        ("AUTH_TOKEN_TTL", "30"),
        ("AUTH_TOKEN_MAX_LIFETIME", "1y"),
        ("AUTH_SESSION_TTL", "s"),
        ("AUTH_SESSION_MAX_LIFETIME", "1.5h"),
        ("AUTH_FIXED_TOKEN_MAX_TTL", "long"),
        ("AUTH_FRESH_FOR", "1H"),
        ("AUTH_SWEEP_INTERVAL", "soon"),
        ("DRAIN_DELAY", "long"),
    ]);
}

#[test]
fn a_zero_is_not_offered_where_it_is_refused() {
    for name in [
        "AUTH_TOKEN_TTL",
        "AUTH_TOKEN_MAX_LIFETIME",
        "AUTH_SESSION_TTL",
        "AUTH_SESSION_MAX_LIFETIME",
        "AUTH_FIXED_TOKEN_MAX_TTL",
    ] {
        let line = refusal(name, "0");
        assert!(line.contains("a duration above zero") && !line.contains("or 0"), "{line}");
    }
}

#[test]
fn rates_numbers_and_words() {
    expect_refused(&[
        ("AUTH_LOGIN_ATTEMPTS", "ten"),
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
        ("WORKERS", "0"),
        ("WORKERS", "257"),
        ("WORKERS", "-1"),
        ("WORKERS", "x"),
        ("WORKERS", "1.5"),
    ]);
}

#[test]
fn networks_origins_and_names() {
    expect_refused(&[
        ("AUTH_TRUSTED_PROXIES", "10.0.0.0/33"),
        ("AUTH_TRUSTED_PROXIES", "0.0.0.0/0"),
        ("AUTH_CLIENT_IP_HEADER", "two words"),
        ("AUTH_ALLOWED_HOSTS", "*.lan"),
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
    ]);
}

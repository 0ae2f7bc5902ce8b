//! What the settings allow, and the operator should hear of when the service begins to serve. What is
//! wrong beyond doubt is refused where it is read.

use std::time::Duration;

use server_runtime::settings::{Row, written};
use server_runtime::{BadSetting, Settings};
use url::{Host, Url};

use super::{Config, SessionBackend, read, settings};
use crate::internal_keys::InternalKeys;

/// The warnings that settings are worth, a line each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Warnings {
    /// A setting that has no effect, or another one than it seems.
    pub(crate) hardly_meant: Vec<String>,
    /// What somebody may have meant, and what lets others in where anybody can reach it.
    pub(crate) for_development_only: Vec<String>,
}

impl Warnings {
    /// The warnings for these settings, as `config` understood them.
    pub(super) fn of(settings: &Settings, config: &Config) -> Result<Self, BadSetting> {
        let mut hardly_meant = browsers(settings, config)?;
        hardly_meant.extend(without_effect(settings, config));
        hardly_meant.extend(transports(config));
        hardly_meant.extend(for_another_store(settings, &config.session_store));
        Ok(Self { hardly_meant, for_development_only: for_development_only(config) })
    }

    /// All of them.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &String> {
        self.hardly_meant.iter().chain(&self.for_development_only)
    }
}

fn for_development_only(config: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    if !config.cookie.secure {
        lines
            .push("AUTH_COOKIE_SECURE is false: session cookies travel over plain HTTP".to_owned());
    }
    if !config.internal_addr.ip().is_loopback() && config.internal_keys.is_none() {
        lines.push(format!(
            "the internal listener, {}, is beyond loopback without AUTH_INTERNAL_KEY: anybody who \
             reaches it may ask",
            config.internal_addr
        ));
    }
    lines.extend(config.internal_keys.iter().flat_map(InternalKeys::warnings));
    if config.demo {
        let line = "AUTH_DEMO is true: the demo user, whose password is public, is an admin";
        lines.push(line.to_owned());
    }
    lines
}

/// What another setting undoes.
fn without_effect(settings: &Settings, config: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    let lifetimes = &config.lifetimes;
    let of_tokens = (&settings::TOKEN_TTL, &settings::TOKEN_MAX_LIFETIME, lifetimes.token);
    let of_cookies = (&settings::SESSION_TTL, &settings::SESSION_MAX_LIFETIME, lifetimes.cookie);
    lines.extend(capped(settings, of_tokens.0, of_tokens.1, of_tokens.2));
    lines.extend(capped(settings, of_cookies.0, of_cookies.1, of_cookies.2));
    if settings.is_set(&settings::CLIENT_IP_HEADER)
        && config.client_addresses.proxies.networks.is_empty()
    {
        lines.push(
            "AUTH_CLIENT_IP_HEADER has no effect: AUTH_TRUSTED_PROXIES names no proxy that may set it"
                .to_owned(),
        );
    }
    let of_mail: [&Row; 4] = [
        &settings::MAIL_USERNAME,
        &settings::MAIL_PASSWORD,
        &settings::MAIL_FROM,
        &settings::MAIL_NEW_DEVICE,
    ];
    if config.mail.is_none() {
        let idle = of_mail.into_iter().filter(|row| settings.is_set(row));
        let line = |row: &Row| format!("{} has no effect: AUTH_MAIL_URL is not set", row.variable);
        lines.extend(idle.map(line));
    }
    if config.allowed_hosts.is_none() && settings.is_set(&settings::ALLOWED_HOSTS) {
        lines.push(
            "AUTH_ALLOWED_HOSTS has no effect: every host is answered beyond loopback without \
             AUTH_DEMO, and where PORT made the address"
                .to_owned(),
        );
    }
    lines
}

/// What is set for another store than the one that was chosen.
fn for_another_store(settings: &Settings, chosen: &SessionBackend) -> Vec<String> {
    let of_redis: [&Row; 3] =
        [&settings::REDIS_USERNAME, &settings::REDIS_PASSWORD, &settings::REDIS_WAIT];
    let of_file: [&Row; 1] = [&settings::SESSION_SYNC];
    let (idle, chosen) = match chosen {
        SessionBackend::Memory => ([&of_redis[..], &of_file[..]], "memory"),
        SessionBackend::File { .. } => ([&of_redis[..], &[]], "a file"),
        SessionBackend::Redis { .. } => ([&[], &of_file[..]], "Redis"),
    };
    let idle = idle.into_iter().flatten().filter(|row| settings.is_set(row));
    idle.map(|row| format!("{} has no effect: AUTH_SESSION_STORE is {chosen}", row.variable))
        .collect()
}

/// What crosses a network where others may read it, or answer instead of the server.
fn transports(config: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    let database = &config.directory.database;
    if let Some(mode) = database.weak_sslmode() {
        lines.push(format!(
            "sslmode={mode} beyond loopback, for {database}: an attacker on the way may read the \
             password, or answer instead of the server; use verify-full"
        ));
    }
    if database.ignores_parameters() {
        lines.push(format!(
            "AUTH_DATABASE_URL has parameters that are not understood, and have no effect, for \
             {database}"
        ));
    }
    if let SessionBackend::Redis { address, .. } = &config.session_store
        && address.exposes_password()
    {
        lines.push(
            "the password for Redis crosses the network in clear: use rediss://, or a network \
             without other users"
                .to_owned(),
        );
    }
    lines
}

fn browsers(settings: &Settings, config: &Config) -> Result<Vec<String>, BadSetting> {
    let (public_url, secure) = (&config.public_url, config.cookie.secure);
    let domain = settings.get(&settings::COOKIE_DOMAIN)?;
    let mut lines = Vec::new();
    let shown = public_url.as_str().trim_end_matches('/');
    if public_url.scheme() == "http" && secure && !is_local(public_url) {
        lines.push(format!(
            "AUTH_PUBLIC_URL is {shown}: over plain HTTP browsers drop the session cookie, which \
             is Secure; use https"
        ));
    }
    if domain.is_some_and(|domain| !read::is_within(public_url, &domain)) {
        lines.push(format!(
            "AUTH_COOKIE_DOMAIN does not fit AUTH_PUBLIC_URL, {shown}: browsers there drop the \
             session cookie; set AUTH_PUBLIC_URL"
        ));
    }
    if public_url.path() != "/" {
        lines.push(format!(
            "AUTH_PUBLIC_URL is {shown}: its path is ignored by all but the redirects to the \
             login; give the service a host of its own"
        ));
    }
    Ok(lines)
}

/// Whether browsers trust this host without TLS.
fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(host)) => host == "localhost" || host.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn capped(
    settings: &Settings,
    ttl: &Row,
    maximum: &Row,
    (given, longest): (Duration, Duration),
) -> Option<String> {
    let (name, maximum) = (ttl.variable, maximum.variable);
    (settings.is_set(ttl) && given > longest).then(|| {
        let (given, longest) = (written(given), written(longest));
        format!("{name} is {given}, but nothing outlives {maximum}, which is {longest}")
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn read(env: &[(&str, &str)]) -> Result<(Config, Settings), String> {
        let table = [settings::TABLE, server_runtime::settings::COMMON].concat();
        let matches = Settings::command(clap::Command::new("auth-service"), &table)
            .get_matches_from(["auth-service"]);
        let env = |name: &str| {
            env.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        let settings = Settings::read(&table, &matches, &env).map_err(|bad| bad.to_string())?;
        let config = Config::read(&settings).map_err(|bad| bad.to_string())?;
        Ok((config, settings))
    }

    fn warnings(env: &[(&str, &str)]) -> Vec<String> {
        read(env).unwrap().0.warnings.hardly_meant
    }

    #[track_caller]
    fn expect_one(env: &[(&str, &str)], part: &str) {
        let warnings = warnings(env);
        assert_eq!(warnings.len(), 1, "{env:?}: {warnings:?}");
        assert!(warnings[0].contains(part), "{part} in {warnings:?}");
    }

    #[test]
    fn a_secure_cookie_over_plain_http_is_reported_unless_the_host_is_local() {
        expect_one(&[("AUTH_PUBLIC_URL", "http://auth.example.com")], "use https");
        for fine in [
            "https://auth.example.com",
            "http://localhost:8080",
            "http://auth.localhost",
            "http://127.0.0.2",
            "http://[::1]:8080",
        ] {
            assert!(warnings(&[("AUTH_PUBLIC_URL", fine)]).is_empty(), "{fine}");
        }
        let url = ("AUTH_PUBLIC_URL", "http://auth.example.com");
        assert!(warnings(&[url, ("AUTH_COOKIE_SECURE", "false")]).is_empty());
    }

    #[test]
    fn a_domain_beside_the_public_url_is_refused_and_told_where_no_url_was_given() {
        let url = ("AUTH_PUBLIC_URL", "https://auth.example.com");
        let refusal = read(&[url, ("AUTH_COOKIE_DOMAIN", "example.org")]).unwrap_err();
        assert!(refusal.starts_with("AUTH_COOKIE_DOMAIN: \"example.org\" is not"), "{refusal}");
        assert!(warnings(&[url, ("AUTH_COOKIE_DOMAIN", "example.com")]).is_empty());
        expect_one(&[("AUTH_COOKIE_DOMAIN", "example.com")], "set AUTH_PUBLIC_URL");
    }

    #[test]
    fn a_path_that_leads_nowhere_is_reported() {
        expect_one(&[("AUTH_PUBLIC_URL", "https://example.com/auth")], "its path is ignored");
        assert!(warnings(&[("AUTH_PUBLIC_URL", "https://example.com/")]).is_empty());
    }

    #[test]
    fn a_time_that_another_one_cuts_is_reported_where_it_was_given() {
        expect_one(&[("AUTH_TOKEN_TTL", "1d")], "1d, but nothing outlives AUTH_TOKEN_MAX_LIFETIME");
        expect_one(&[("AUTH_SESSION_TTL", "31d")], "AUTH_SESSION_MAX_LIFETIME, which is 30d");
        assert!(warnings(&[("AUTH_TOKEN_TTL", "12h"), ("AUTH_SESSION_TTL", "30d")]).is_empty());
        assert!(warnings(&[("AUTH_SESSION_MAX_LIFETIME", "1d")]).is_empty(), "a default gives way");
    }

    #[test]
    fn what_can_have_no_effect_is_reported() {
        let header = ("AUTH_CLIENT_IP_HEADER", "Forwarded");
        expect_one(&[header], "AUTH_TRUSTED_PROXIES");
        assert!(warnings(&[header, ("AUTH_TRUSTED_PROXIES", "127.0.0.1")]).is_empty());
        let hosts = ("AUTH_ALLOWED_HOSTS", "auth.lan");
        expect_one(&[hosts, ("AUTH_PUBLIC_ADDR", "0.0.0.0:1")], "AUTH_ALLOWED_HOSTS");
        expect_one(&[hosts, ("PORT", "5000")], "AUTH_ALLOWED_HOSTS");
        assert!(warnings(&[hosts]).is_empty());
        let demo = [hosts, ("AUTH_PUBLIC_ADDR", "0.0.0.0:1"), ("AUTH_DEMO", "true")];
        assert!(warnings(&demo).is_empty());
    }

    #[test]
    fn settings_of_redis_without_redis_are_told_without_their_values() {
        expect_one(&[("AUTH_REDIS_WAIT", "true")], "AUTH_REDIS_WAIT has no effect");
        let secret = warnings(&[("AUTH_REDIS_PASSWORD", "geheim")]);
        assert!(secret.len() == 1 && !secret[0].contains("geheim"), "{secret:?}");
        let redis = ("AUTH_SESSION_STORE", "redis://127.0.0.1:6379");
        assert!(warnings(&[redis, ("AUTH_REDIS_PASSWORD", "geheim")]).is_empty());
    }

    #[test]
    fn what_crosses_a_network_in_clear_is_reported_once_and_without_it() {
        let remote = ("AUTH_DATABASE_URL", "postgres://ann:geheim@db.example/users");
        assert!(warnings(&[remote]).is_empty(), "verify-full by default");
        assert!(warnings(&[remote, ("PGSSLMODE", "verify-full")]).is_empty());
        expect_one(&[remote, ("PGSSLMODE", "disable")], "sslmode=disable beyond loopback");
        for mode in ["disable", "allow", "prefer", "require", "verify-ca"] {
            let url = format!("{}?sslmode={mode}", remote.1);
            let env = [("AUTH_DATABASE_URL", &*url), ("PGSSLMODE", "verify-full")];
            expect_one(&env, &format!("sslmode={mode} beyond loopback"));
            assert!(!warnings(&env)[0].contains("geheim"));
        }
        let local = "postgres://ann:geheim@127.0.0.1/users?sslmode=disable";
        assert!(warnings(&[("AUTH_DATABASE_URL", local)]).is_empty());
        let ignored = format!("{}?pass=geheim", remote.1);
        expect_one(&[("AUTH_DATABASE_URL", &ignored)], "parameters that are not understood");
        assert!(read(&[("PGSSLMODE", "verify")]).unwrap_err().starts_with("PGSSLMODE: "));

        for store in ["redis://:geheim@cache", "redis-cluster://u:geheim@a:1,b:2"] {
            expect_one(&[("AUTH_SESSION_STORE", store)], "crosses the network in clear");
        }
        let apart = [("AUTH_SESSION_STORE", "redis://cache"), ("AUTH_REDIS_PASSWORD", "geheim")];
        expect_one(&apart, "crosses the network in clear");
        for store in ["rediss://:geheim@cache", "redis://:geheim@127.0.0.1", "redis://cache"] {
            assert!(warnings(&[("AUTH_SESSION_STORE", store)]).is_empty(), "{store}");
        }
    }

    #[test]
    fn what_is_for_development_only_is_distinguished_from_what_is_hardly_meant() {
        for (env, part) in [
            (&[("AUTH_COOKIE_SECURE", "false")][..], "AUTH_COOKIE_SECURE is false"),
            (&[("AUTH_INTERNAL_ADDR", "0.0.0.0:0")], "beyond loopback without AUTH_INTERNAL_KEY"),
            (&[("AUTH_INTERNAL_KEY", "fifteen-letters")], "AUTH_INTERNAL_KEY has fewer than 16"),
            (
                &[("AUTH_INTERNAL_KEY", "sixteen-letters-, and-a-part")],
                "key 2 of AUTH_INTERNAL_KEY has fewer than 16",
            ),
            (&[("AUTH_DEMO", "true"), ("AUTH_COOKIE_SECURE", "true")], "AUTH_DEMO is true"),
        ] {
            let warnings = read(env).unwrap().0.warnings;
            assert!(warnings.hardly_meant.is_empty(), "{env:?}: {warnings:?}");
            assert_eq!(warnings.for_development_only.len(), 1, "{env:?}: {warnings:?}");
            assert!(warnings.for_development_only[0].contains(part), "{part} in {warnings:?}");
        }
        assert_eq!(read(&[]).unwrap().0.warnings.lines().count(), 0);
    }

    #[test]
    fn what_was_worked_out_is_shown_and_means_the_same_when_it_is_given() {
        for env in [&[][..], &[("AUTH_DEMO", "true")], &[("PORT", "5000")]] {
            let (config, settings) = read(env).unwrap();
            let shown = config.in_force(&settings).print();
            let given: Vec<_> = ["SESSION_TTL", "COOKIE_SECURE", "COOKIE_NAME", "PUBLIC_ADDR"]
                .map(|name| format!("AUTH_{name}"))
                .iter()
                .map(|name| {
                    let line =
                        shown.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
                    let value = line.unwrap().strip_suffix("  # default").unwrap();
                    (name.clone(), value.to_owned())
                })
                .collect();
            let given: Vec<_> = given.iter().map(|(name, v)| (name.as_str(), v.as_str())).collect();
            let again = read(&[env, &given].concat()).unwrap().0;
            assert_eq!(again.lifetimes.cookie, config.lifetimes.cookie, "{shown}");
            assert_eq!(again.cookie, config.cookie, "{shown}");
            assert_eq!(again.public_addr, config.public_addr, "{shown}");
        }
    }
}

//! From the single settings to what they mean together.

use std::path::Path;

use server_runtime::{AllowedHosts, BadSetting, Settings};
use session::Lifetimes;
use url::{Host, Url};
use users::{DatabaseUrl, DirectoryOptions, HashingOptions};

use super::settings::{self, DatabaseAddress, SessionStoreAddress};
use super::{AttemptRates, COOKIE_TTL, Config, DEMO_COOKIE_TTL, SINGLE_USE_MAX, SessionBackend};
use crate::http::cookie::SessionCookie;

pub(super) fn session_store(settings: &Settings) -> Result<SessionBackend, BadSetting> {
    let address = settings.get(&settings::SESSION_STORE)?;
    let durability = settings.get(&settings::SESSION_SYNC)?;
    let username = settings.get(&settings::REDIS_USERNAME)?;
    let password = settings.get(&settings::REDIS_PASSWORD)?;
    let wait_for_replica = settings.get(&settings::REDIS_WAIT)?;
    Ok(match address {
        SessionStoreAddress::Memory => SessionBackend::Memory,
        SessionStoreAddress::File(path) => SessionBackend::File { path, durability },
        SessionStoreAddress::Redis(address) => SessionBackend::Redis {
            address: address.with_credentials(username, password),
            wait_for_replica,
        },
    })
}

pub(super) fn directory(settings: &Settings, demo: bool) -> Result<DirectoryOptions, BadSetting> {
    let defaults = HashingOptions::default();
    let permits = settings.get(&settings::PASSWORD_THREADS)?.unwrap_or(defaults.permits);
    Ok(DirectoryOptions {
        database: database(settings)?,
        demo,
        password_min_length: settings.get(&settings::PASSWORD_MIN_LENGTH)?,
        hashing: HashingOptions {
            memory_kib: settings.get(&settings::PASSWORD_MEMORY_KIB)?,
            passes: settings.get(&settings::PASSWORD_PASSES)?,
            permits,
            waiting: 64 * permits,
            ..defaults
        },
    })
}

fn database(settings: &Settings) -> Result<DatabaseUrl, BadSetting> {
    let address = settings.get(&settings::DATABASE_URL)?;
    let sslmode = settings.get(&settings::PGSSLMODE)?;
    match address {
        DatabaseAddress::Url(url) => Ok(url.with_default_sslmode(sslmode)),
        DatabaseAddress::BrokenPostgresUrl => Err(settings.refuse(
            &settings::DATABASE_URL,
            "postgres://USER:PASSWORD@HOST/DATABASE, with the special characters of the \
             password percent-encoded (%2F for /, %3F for ?, %23 for #), and in it no other sslmode \
             than disable, allow, prefer, require, verify-ca or verify-full",
        )),
    }
}

/// Refuses settings that contradict each other. Users in memory would end with the process, and their
/// stored sessions would then belong to the next users with the same ids.
pub(super) fn check_combinations(settings: &Settings, config: &Config) -> Result<(), BadSetting> {
    let outlive = !matches!(config.session_store, SessionBackend::Memory);
    if outlive && config.directory.database.is_in_memory() {
        let accepted = "sqlite:PATH or postgres://…, since sessions in AUTH_SESSION_STORE outlive the \
             process";
        return Err(settings.refuse(&settings::DATABASE_URL, accepted));
    }
    let SessionBackend::File { path, .. } = &config.session_store else {
        return Ok(());
    };
    if config.directory.database.file().is_some_and(|users| is_same_file(users, path)) {
        let accepted = "a file of its own: sqlite:PATH is that of AUTH_DATABASE_URL";
        return Err(settings.refuse(&settings::SESSION_STORE, accepted));
    }
    Ok(())
}

/// Whether two paths lead to one file, as far as it is there.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let plain = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path));
    matches!((plain(one), plain(other)), (Ok(one), Ok(other)) if one == other)
}

pub(super) fn lifetimes(settings: &Settings, demo: bool) -> Result<Lifetimes, BadSetting> {
    let default = if demo { DEMO_COOKIE_TTL } else { COOKIE_TTL };
    let cookie_ttl = settings.get(&settings::SESSION_TTL)?.unwrap_or(default);
    Ok(Lifetimes {
        token: (settings.get(&settings::TOKEN_TTL)?, settings.get(&settings::TOKEN_MAX_LIFETIME)?),
        cookie: (cookie_ttl, settings.get(&settings::SESSION_MAX_LIFETIME)?),
        fixed_max: settings.get(&settings::FIXED_TOKEN_MAX_TTL)?,
        single_use_max: SINGLE_USE_MAX,
        fresh_for: settings.get(&settings::FRESH_FOR)?,
        max_per_subject: settings.get(&settings::MAX_SESSIONS_PER_USER)?,
    })
}

pub(super) fn attempts(settings: &Settings) -> Result<AttemptRates, BadSetting> {
    Ok(AttemptRates {
        pair: settings.get(&settings::LOGIN_ATTEMPTS)?,
        account: settings.get(&settings::LOGIN_ATTEMPTS_PER_ACCOUNT)?,
        address: settings.get(&settings::LOGIN_ATTEMPTS_PER_ADDRESS)?,
        mints: settings.get(&settings::MINTS_PER_USER)?,
        logins: settings.get(&settings::LOGINS_PER_ADDRESS)?,
    })
}

pub(super) fn cookie(
    settings: &Settings,
    demo: bool,
    public_url: &Url,
) -> Result<SessionCookie, BadSetting> {
    let secure = settings.get(&settings::COOKIE_SECURE)?.unwrap_or(!demo);
    let domain = settings.get(&settings::COOKIE_DOMAIN)?;
    let fits = domain.as_deref().is_none_or(|domain| is_within(public_url, domain));
    if !fits && settings.is_set(&settings::PUBLIC_URL) {
        let accepted = "the host of AUTH_PUBLIC_URL or a domain that it is in";
        return Err(settings.refuse(&settings::COOKIE_DOMAIN, accepted));
    }
    let name = settings.get(&settings::COOKIE_NAME)?;
    let cookie = SessionCookie::new(name, domain, secure);
    if cookie.keeps_its_prefix() {
        Ok(cookie)
    } else {
        Err(settings.refuse(
            &settings::COOKIE_NAME,
            "a name whose prefix holds: __Host- wants a secure cookie without a domain, \
             __Secure- a secure one",
        ))
    }
}

pub(super) fn allowed_hosts(
    settings: &Settings,
    demo: bool,
    public_url: &Url,
) -> Result<Option<AllowedHosts>, BadSetting> {
    let (named, address) = (&settings::ALLOWED_HOSTS, &settings::PUBLIC_ADDR);
    let hosts = server_runtime::hosts::read(settings, named, address, demo)?;
    Ok(hosts.map(|hosts| hosts.with_host(public_url.host_str())))
}

/// Whether a browser at this URL takes a cookie for `domain`
/// ([RFC 6265 §5.1.3](https://www.rfc-editor.org/rfc/rfc6265#section-5.1.3)).
pub(super) fn is_within(url: &Url, domain: &str) -> bool {
    match url.host() {
        Some(Host::Domain(host)) => {
            let above = host.strip_suffix(domain);
            above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
        }
        Some(address) => address.to_string() == domain,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_reaches_the_hosts_of_its_domain_and_no_others() {
        let is_within = |url: &str, domain: &str| is_within(&url.parse().unwrap(), domain);
        for (url, domain) in [
            ("https://example.com", "example.com"),
            ("https://Auth.Example.com:8443/a", "example.com"),
            ("http://127.0.0.1:8080", "127.0.0.1"),
        ] {
            assert!(is_within(url, domain), "{url} {domain}");
        }
        for (url, domain) in [
            ("https://example.com", "auth.example.com"),
            ("https://badexample.com", "example.com"),
            ("https://example.org", "example.com"),
            ("http://127.0.0.1:8080", "0.0.1"),
            ("http://localhost:8080", "example.com"),
        ] {
            assert!(!is_within(url, domain), "{url} {domain}");
        }
    }
}

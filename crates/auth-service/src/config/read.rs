//! From the text of a setting to its meaning: what is accepted is decided here.

use std::path::{Path, PathBuf};

use server_runtime::settings::{boolean, duration, list, positive_duration as positive, rate};
use server_runtime::{AllowedHosts, BadSetting, Settings};
use session::{Binding, Durability, Lifetimes, RedisAddress};
use url::{Host, Url};
use users::{DatabaseUrl, DirectoryOptions, HashingOptions, SslMode};
use zeroize::Zeroizing;

use super::{AttemptRates, COOKIE_TTL, Config, DEMO_COOKIE_TTL, SINGLE_USE_MAX, SessionBackend};
use crate::http::cookie::SessionCookie;

pub(super) fn session_store(settings: &Settings) -> Result<SessionBackend, BadSetting> {
    let place = settings.required("AUTH_SESSION_STORE", session_place)?;
    let durability = settings.required("AUTH_SESSION_SYNC", durability)?;
    let username = settings.value("AUTH_REDIS_USERNAME", |text| Some(text.to_owned()))?;
    let password =
        settings.value("AUTH_REDIS_PASSWORD", |text| Some(Zeroizing::new(text.to_owned())))?;
    let wait_for_replica = settings.required("AUTH_REDIS_WAIT", |text| match text {
        "0" => Some(false),
        "1" => Some(true),
        text => boolean(text),
    })?;
    Ok(match place {
        SessionPlace::Memory => SessionBackend::Memory,
        SessionPlace::File(path) => SessionBackend::File { path, durability },
        SessionPlace::Redis(address) => SessionBackend::Redis {
            address: address.with_credentials(username, password),
            wait_for_replica,
        },
    })
}

/// A place as it is written.
enum SessionPlace {
    Memory,
    File(PathBuf),
    Redis(RedisAddress),
}

fn session_place(text: &str) -> Option<SessionPlace> {
    if text == "memory" {
        return Some(SessionPlace::Memory);
    }
    if text.starts_with("sqlite:") {
        let url = text.parse::<DatabaseUrl>().ok()?;
        return url.file().map(|path| SessionPlace::File(path.to_owned()));
    }
    text.parse().ok().map(SessionPlace::Redis)
}

fn durability(text: &str) -> Option<Durability> {
    match text {
        "full" => Some(Durability::Full),
        "normal" => Some(Durability::Normal),
        _ => None,
    }
}

pub(super) fn directory(settings: &Settings, demo: bool) -> Result<DirectoryOptions, BadSetting> {
    let usual = HashingOptions::default();
    let permits = settings
        .value("AUTH_PASSWORD_THREADS", |text| within(text, 1..=256))?
        .unwrap_or(usual.permits);
    Ok(DirectoryOptions {
        database: database(settings)?,
        demo,
        password_min_length: settings
            .required("AUTH_PASSWORD_MIN_LENGTH", |text| within(text, 8..=128))?,
        hashing: HashingOptions {
            memory_kib: settings
                .required("AUTH_PASSWORD_MEMORY_KIB", |text| within(text, 8192..=1_048_576))?,
            passes: settings.required("AUTH_PASSWORD_PASSES", |text| within(text, 1..=50))?,
            permits,
            waiting: 64 * permits,
            ..usual
        },
    })
}

/// A URL that breaks off is most often one with a password as it is.
fn database(settings: &Settings) -> Result<DatabaseUrl, BadSetting> {
    let name = "AUTH_DATABASE_URL";
    let url = settings.required(name, |text| match text.parse::<DatabaseUrl>() {
        Ok(url) => Some(Some(url)),
        Err(_) => text.starts_with("postgres").then_some(None),
    })?;
    let sslmode = settings.value("PGSSLMODE", |text| text.parse::<SslMode>().ok())?;
    url.map(|url| url.with_default_sslmode(sslmode)).ok_or_else(|| {
        let escaped = "postgres://USER:PASSWORD@HOST/DATABASE, with the special characters of the \
             password percent-encoded (%2F for /, %3F for ?, %23 for #), and in it no other sslmode \
             than disable, allow, prefer, require, verify-ca or verify-full";
        settings.refuse(name, escaped)
    })
}

/// Users who are gone with the process would leave their sessions to whoever comes next.
pub(super) fn belonging_together(settings: &Settings, config: &Config) -> Result<(), BadSetting> {
    let outlive = !matches!(config.session_store, SessionBackend::Memory);
    if outlive && config.directory.database.is_in_memory() {
        let accepted = "sqlite:PATH or postgres://…, since sessions in AUTH_SESSION_STORE outlive the \
             process";
        return Err(settings.refuse("AUTH_DATABASE_URL", accepted));
    }
    let SessionBackend::File { path, .. } = &config.session_store else {
        return Ok(());
    };
    if config.directory.database.file().is_some_and(|users| is_same_file(users, path)) {
        let accepted = "a file of its own: sqlite:PATH is that of AUTH_DATABASE_URL";
        return Err(settings.refuse("AUTH_SESSION_STORE", accepted));
    }
    Ok(())
}

/// Whether two paths lead to one file, as far as it is there.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let plain = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path));
    matches!((plain(one), plain(other)), (Ok(one), Ok(other)) if one == other)
}

pub(super) fn lifetimes(settings: &Settings, demo: bool) -> Result<Lifetimes, BadSetting> {
    let usual = if demo { DEMO_COOKIE_TTL } else { COOKIE_TTL };
    let cookie_ttl = settings.value("AUTH_SESSION_TTL", positive)?.unwrap_or(usual);
    Ok(Lifetimes {
        token: (
            settings.required("AUTH_TOKEN_TTL", positive)?,
            settings.required("AUTH_TOKEN_MAX_LIFETIME", positive)?,
        ),
        cookie: (cookie_ttl, settings.required("AUTH_SESSION_MAX_LIFETIME", positive)?),
        fixed_max: settings.required("AUTH_FIXED_TOKEN_MAX_TTL", positive)?,
        single_use_max: SINGLE_USE_MAX,
        fresh_for: settings.required("AUTH_FRESH_FOR", duration)?,
        max_per_subject: settings
            .required("AUTH_MAX_SESSIONS_PER_USER", |text| within(text, 0..=usize::MAX))?,
    })
}

pub(super) fn attempts(settings: &Settings) -> Result<AttemptRates, BadSetting> {
    Ok(AttemptRates {
        pair: settings.required("AUTH_LOGIN_ATTEMPTS", rate)?,
        account: settings.required("AUTH_LOGIN_ATTEMPTS_PER_ACCOUNT", rate)?,
        address: settings.required("AUTH_LOGIN_ATTEMPTS_PER_ADDRESS", rate)?,
        mints: settings.required("AUTH_MINTS_PER_USER", rate)?,
        logins: settings.required("AUTH_LOGINS_PER_ADDRESS", rate)?,
    })
}

pub(super) fn cookie(
    settings: &Settings,
    demo: bool,
    public_url: &Url,
) -> Result<SessionCookie, BadSetting> {
    let secure = settings.value("AUTH_COOKIE_SECURE", boolean)?.unwrap_or(!demo);
    let domain = settings.value("AUTH_COOKIE_DOMAIN", cookie_domain)?;
    let fits = domain.as_deref().is_none_or(|domain| is_within(public_url, domain));
    if !fits && settings.is_set("AUTH_PUBLIC_URL") {
        let accepted = "the host of AUTH_PUBLIC_URL or a domain that it is in";
        return Err(settings.refuse("AUTH_COOKIE_DOMAIN", accepted));
    }
    let name = settings.value("AUTH_COOKIE_NAME", cookie_name)?;
    let cookie = SessionCookie::new(name, domain, secure);
    if cookie.keeps_its_prefix() {
        Ok(cookie)
    } else {
        Err(settings.refuse(
            "AUTH_COOKIE_NAME",
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
    let hosts =
        server_runtime::hosts::read(settings, "AUTH_ALLOWED_HOSTS", "AUTH_PUBLIC_ADDR", demo)?;
    Ok(hosts.map(|hosts| hosts.with_host(public_url.host_str())))
}

pub(super) fn redirect_origins(settings: &Settings) -> Result<Vec<String>, BadSetting> {
    let origins = settings.value("AUTH_REDIRECT_ORIGINS", |text| list(text, origin))?;
    Ok(origins.unwrap_or_default())
}

pub(super) fn allowed_origins(settings: &Settings) -> Result<Vec<String>, BadSetting> {
    let either = |text: &str| origin(text).or_else(|| shell_origin(text));
    let origins = settings.value("AUTH_ALLOWED_ORIGINS", |text| list(text, either))?;
    Ok(origins.unwrap_or_default())
}

pub(super) fn binding(text: &str) -> Option<Binding> {
    let parts = list(text, |part| matches!(part, "ip" | "user-agent").then(|| part.to_owned()))?;
    let has = |wanted: &str| parts.iter().any(|part| part == wanted);
    Some(Binding { ip: has("ip"), user_agent: has("user-agent") })
}

pub(super) fn signup(text: &str) -> Option<bool> {
    match text {
        "open" => Some(true),
        "closed" => Some(false),
        _ => None,
    }
}

pub(super) fn key(text: &str) -> Option<Zeroizing<String>> {
    let sendable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    sendable.then(|| Zeroizing::new(text.to_owned()))
}

/// An `http` or `https` URL without query and fragment, and without a password in it.
pub(super) fn url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    plain.then_some(url)
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

/// An origin as browsers write it ([RFC 6454 §6.2](https://www.rfc-editor.org/rfc/rfc6454#section-6.2)).
fn origin(text: &str) -> Option<String> {
    let url = url(text)?;
    let written = url.origin().ascii_serialization();
    let exact = url.path() == "/" && text.trim_end_matches('/').eq_ignore_ascii_case(&written);
    (exact && !written.contains('*')).then_some(written)
}

/// The origin of a native shell, `capacitor://localhost`, kept as it is written: such schemes have
/// no rules of their own. Those that browsers know otherwise are no shell's.
fn shell_origin(text: &str) -> Option<String> {
    const NO_SHELL: [&str; 12] = [
        "http",
        "https",
        "ws",
        "wss",
        "ftp",
        "file",
        "filesystem",
        "blob",
        "data",
        "javascript",
        "about",
        "null",
    ];
    let (scheme, authority) = text.strip_suffix('/').unwrap_or(text).split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let begins = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    let fits =
        begins && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let (host, port) = authority.split_once(':').unwrap_or((authority, "0"));
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let host_fits = !host.is_empty() && host.bytes().all(named);
    let port_fits = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    (fits && host_fits && port_fits && !NO_SHELL.contains(&&*scheme))
        .then(|| format!("{scheme}://{authority}"))
}

fn within<N: std::str::FromStr + PartialOrd>(
    text: &str,
    range: std::ops::RangeInclusive<N>,
) -> Option<N> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && range.contains(number))
}

fn cookie_name(text: &str) -> Option<String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (!text.is_empty() && text.len() <= 64 && text.bytes().all(token)).then(|| text.to_owned())
}

pub(super) fn cookie_domain(text: &str) -> Option<String> {
    let text = text.strip_prefix('.').unwrap_or(text);
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.split('.').all(label).then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port_and_nothing_else() {
        assert_eq!(origin("https://app.example.com").unwrap(), "https://app.example.com");
        assert_eq!(origin("http://localhost:8090/").unwrap(), "http://localhost:8090");
        for bad in [
            "*",
            "example.com",
            "https://a.example/path",
            "ftp://a.example",
            "https://u@a.example",
            "https://*.example.com",
            "https://*",
            "capacitor://localhost",
            "null",
        ] {
            assert_eq!(origin(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_origin_of_a_native_shell_has_a_scheme_of_its_own_and_no_path() {
        for (text, expected) in [
            ("capacitor://localhost", "capacitor://localhost"),
            ("ionic://localhost/", "ionic://localhost"),
            ("tauri://localhost", "tauri://localhost"),
            ("app://My.App:8080", "app://My.App:8080"),
            ("Chrome-Extension://abcdef", "chrome-extension://abcdef"),
        ] {
            assert_eq!(shell_origin(text).as_deref(), Some(expected), "{text}");
        }
        for bad in [
            "capacitor:",
            "capacitor://",
            "capacitor:///",
            "capacitor:localhost",
            "capacitor://localhost/path",
            "capacitor://localhost//",
            "capacitor://localhost?a",
            "capacitor://u@localhost",
            "capacitor://localhost:",
            "capacitor://localhost:x",
            "capacitor://localhost:65536",
            "capacitor://*",
            "app://*.example.com",
            "://localhost",
            "1app://localhost",
            "a b://localhost",
            "file://localhost",
            "javascript://localhost",
            "data://x",
            "blob://x",
            "wss://a.example",
            "https://*.example.com",
            "null",
            "null://",
            "null://x",
            "*",
        ] {
            assert_eq!(shell_origin(bad), None, "{bad}");
        }
    }

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

    #[test]
    fn bounds_are_kept_and_signs_refused() {
        assert_eq!(within("8", 8..=128), Some(8));
        for bad in ["7", "129", "+9", "-9", "", "9.0"] {
            assert_eq!(within(bad, 8..=128), None::<i32>, "{bad}");
        }
    }

    #[test]
    fn a_binding_names_what_it_knows() {
        let both = binding("ip,user-agent").unwrap();
        assert!(both.ip && both.user_agent);
        assert!(binding("ip,phase-of-the-moon").is_none());
    }
}

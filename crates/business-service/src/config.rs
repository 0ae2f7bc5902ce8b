//! The settings of this service, read once, at the start.

pub mod settings;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use auth_client::{AuthClientOptions, InternalKey, Url};
use http::request::Parts;
use server_runtime::hosts;
use server_runtime::settings::{COMMON, DRAIN_DELAY, Row, WORKERS};
use server_runtime::{
    AllowedHosts, BadSetting, RequestId, RequestInfo, Settings, TraceParent, workers,
};

/// Every setting of this service, those that all processes have included.
pub fn settings_table() -> Vec<Row> {
    [settings::TABLE, COMMON].concat()
}

/// What the settings say.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the service listens.
    pub addr: SocketAddr,
    /// Where metrics and probes are served.
    pub internal_addr: SocketAddr,
    /// How the client of the auth service is set up.
    pub auth: AuthClientOptions,
    /// Where a browser is sent to log in.
    pub login_url: Url,
    /// Where people reach this service.
    pub public_url: Url,
    /// The hosts that the public listener answers for; `None` for every one.
    pub allowed_hosts: Option<AllowedHosts>,
    /// How long new requests are served after the signal to end.
    pub drain_delay: Duration,
    /// How many threads serve connections.
    pub workers: usize,
}

/// Whether the demo user of an auth service, whose password is public, may be at work here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DemoUser {
    /// As far as this process knows, there is none.
    Absent,
    /// The auth service of the same process has it.
    InThisProcess,
}

impl Config {
    /// Reads the settings of [`settings_table`], for a process that serves nothing else.
    ///
    /// # Errors
    ///
    /// The first setting that is not acceptable.
    pub fn read(settings: &Settings) -> Result<Self, BadSetting> {
        Self::read_beside(settings, DemoUser::Absent)
    }

    /// Reads the settings of [`settings_table`], for a process that may serve the auth service too.
    ///
    /// # Errors
    ///
    /// The first setting that is not acceptable.
    pub fn read_beside(settings: &Settings, demo: DemoUser) -> Result<Self, BadSetting> {
        let workers = workers::count(settings)?;
        let public_url = settings.get(&settings::PUBLIC_URL)?;
        let (named, address) = (&settings::ALLOWED_HOSTS, &settings::ADDR);
        let demo = demo == DemoUser::InThisProcess;
        let allowed_hosts = hosts::read(settings, named, address, demo)?
            .map(|hosts| hosts.with_host(public_url.host_str()));
        Ok(Self {
            addr: settings.public_addr(&settings::ADDR)?,
            internal_addr: settings.get(&settings::INTERNAL_ADDR)?,
            auth: AuthClientOptions { shards: workers, ..read_auth(settings, &public_url)? },
            login_url: settings.get(&settings::LOGIN_URL)?,
            public_url,
            allowed_hosts,
            drain_delay: settings.get(&DRAIN_DELAY)?,
            workers,
        })
    }

    /// The settings, with what was worked out for those that were not given.
    #[must_use]
    pub fn in_force(&self, settings: &Settings) -> Settings {
        let mut settings = settings.clone();
        settings.set_default(&settings::ADDR, self.addr.to_string());
        settings.set_default(&WORKERS, self.workers.to_string());
        settings.set_default(&settings::COOKIE_NAME, self.auth.cookie_name.clone());
        settings
    }
}

fn read_auth(settings: &Settings, public_url: &Url) -> Result<AuthClientOptions, BadSetting> {
    let defaults = AuthClientOptions::new(settings.get(&settings::AUTH_URL)?);
    let batches_in_flight = settings.get(&settings::AUTH_CALLS)?;
    let cookie_name = settings.get(&settings::COOKIE_NAME)?;
    let cookie_name = cookie_name.unwrap_or_else(|| strictest_name(public_url).to_owned());
    Ok(AuthClientOptions {
        keys: settings.get(&settings::AUTH_KEY)?.unwrap_or_default(),
        timeout: settings.get(&settings::AUTH_TIMEOUT)?,
        batching: batches_in_flight > 0,
        batches_in_flight,
        client_fields: settings.get(&settings::AUTH_CLIENT)?.unwrap_or_default(),
        trusted_proxies: settings.get(&settings::TRUSTED_PROXIES)?.unwrap_or_default(),
        cookie_name,
        peer,
        hint,
        request_id: |parts| RequestId::of(&parts.extensions),
        traceparent: |parts| parts.extensions.get().and_then(traceparent),
        ..defaults
    })
}

fn peer(parts: &Parts) -> Option<IpAddr> {
    RequestInfo::peer_of(&parts.extensions).map(|peer| peer.ip())
}

/// What the operator should hear of these keys, where they were given as a list and can be guessed.
pub(crate) fn key_warnings(keys: &[InternalKey]) -> Vec<String> {
    let short = keys.iter().enumerate().filter(|(_, key)| keys.len() > 1 && key.is_short());
    let line = |number: usize| {
        format!(
            "key {number} of BUSINESS_AUTH_KEY has fewer than 16 characters: it can be guessed; a \
             comma separates keys, and cannot be a part of one"
        )
    };
    short.map(|(index, _)| line(index + 1)).collect()
}

/// The most likely cause of a reply that is no answer.
fn hint(status: u16) -> Option<&'static str> {
    match status {
        401 => Some("is BUSINESS_AUTH_KEY its AUTH_INTERNAL_KEY?"),
        404 | 405 => Some("is BUSINESS_AUTH_URL its internal address?"),
        _ => None,
    }
}

fn traceparent(trace: &TraceParent) -> Option<&str> {
    trace.header().to_str().ok()
}

/// The strictest cookie name that browsers accept at this URL: they store a Secure cookie over TLS,
/// and from hosts of their own machine.
fn strictest_name(url: &Url) -> &'static str {
    let local = url.host_str().is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let loopback = address.is_ok_and(|address| address.is_loopback());
        loopback || host == "localhost" || host.ends_with(".localhost")
    });
    if local || url.scheme() == "https" { "__Host-reinflate" } else { "reinflate" }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use auth_client::ClientFields;

    use super::*;

    fn read(env: &[(&str, &str)]) -> Result<Config, String> {
        let table = settings_table();
        let matches = Settings::command(clap::Command::new("business-service"), &table)
            .get_matches_from(["business-service"]);
        let env = |name: &str| {
            env.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        let settings = Settings::read(&table, &matches, &env).map_err(|bad| bad.to_string())?;
        Config::read(&settings).map_err(|bad| bad.to_string())
    }

    #[test]
    fn without_any_setting_the_defaults_hold() {
        let config = read(&[]).unwrap();
        assert_eq!(config.addr.to_string(), "127.0.0.1:8090");
        assert_eq!(config.internal_addr.to_string(), "127.0.0.1:8091");
        assert_eq!(config.auth.urls.len(), 1);
        assert_eq!(config.auth.timeout, Duration::from_secs(1));
        assert!(config.auth.batching);
        assert_eq!(config.auth.batches_in_flight, 2);
        assert_eq!(config.auth.client_fields, ClientFields::default());
        assert_eq!(config.auth.cookie_name, "__Host-reinflate");
        assert_eq!(config.login_url.as_str(), "http://localhost:8080/login");
    }

    #[test]
    fn what_is_given_is_taken() {
        let config = read(&[
            ("PORT", "5000"),
            ("BUSINESS_AUTH_URL", "http://10.0.0.1:8081, https://auth.internal/a"),
            ("BUSINESS_AUTH_KEY", "geheim"),
            ("BUSINESS_AUTH_TIMEOUT", "300ms"),
            ("BUSINESS_AUTH_CLIENT", "ip,user-agent"),
            ("BUSINESS_TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
            ("BUSINESS_COOKIE_NAME", "sid"),
        ])
        .unwrap();
        assert_eq!(config.addr.to_string(), "0.0.0.0:5000");
        assert_eq!(config.auth.urls.len(), 2);
        assert_eq!(config.auth.timeout, Duration::from_millis(300));
        assert_eq!(config.auth.client_fields, ClientFields { ip: true, user_agent: true });
        assert_eq!(config.auth.trusted_proxies.len(), 2);
        assert_eq!(config.auth.cookie_name, "sid");
        assert!(!format!("{config:?}").contains("geheim"));
    }

    #[test]
    fn a_bad_setting_is_refused_by_name_and_shows_no_secret() {
        for (name, value) in [
            ("BUSINESS_ADDR", "8090"),
            ("BUSINESS_INTERNAL_ADDR", "localhost"),
            ("BUSINESS_AUTH_URL", "127.0.0.1:8081"),
            ("BUSINESS_AUTH_URL", "http://a:8081,,http://b:8081"),
            ("BUSINESS_AUTH_URL", "http://user:geheim@auth:8081"),
            ("BUSINESS_AUTH_URL", "ftp://auth"),
            ("BUSINESS_AUTH_KEY", "ge\nheim"),
            ("BUSINESS_AUTH_KEY", "geheim,"),
            ("BUSINESS_AUTH_KEY", " , geheim"),
            ("BUSINESS_AUTH_TIMEOUT", "0"),
            ("BUSINESS_AUTH_TIMEOUT", "1"),
            ("BUSINESS_AUTH_CALLS", "-1"),
            ("BUSINESS_AUTH_CALLS", "65"),
            ("BUSINESS_AUTH_CLIENT", "mac"),
            ("BUSINESS_TRUSTED_PROXIES", "10.0.0.0/33"),
            ("BUSINESS_TRUSTED_PROXIES", "0.0.0.0/0"),
            ("BUSINESS_TRUSTED_PROXIES", "10.0.0.0/8,::/0"),
            ("BUSINESS_COOKIE_NAME", "a b"),
            ("BUSINESS_LOGIN_URL", "/login"),
            ("BUSINESS_LOGIN_URL", "javascript:alert(1)"),
            ("BUSINESS_PUBLIC_URL", "http://app/?a=b"),
            ("BUSINESS_PUBLIC_URL", "localhost"),
            ("BUSINESS_ALLOWED_HOSTS", "::1"),
            ("BUSINESS_TRUSTED_PROXIES", "::1/129"),
            ("WORKERS", "257"),
            ("BUSINESS_ALLOWED_HOSTS", "app:8090"),
            ("BUSINESS_ALLOWED_HOSTS", "*.example.com"),
            ("DRAIN_DELAY", "soon"),
            ("PORT", "http"),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert!(error.starts_with(&format!("{name}: ")), "{name}={value}: {error}");
            assert!(!error.contains("geheim") && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn the_cookie_has_one_name_the_strictest_that_the_public_url_allows() {
        const STRICTEST: &str = "__Host-reinflate";
        for (url, given, name) in [
            ("https://app.example.com", None, STRICTEST),
            ("https://203.0.113.9:8443/", None, STRICTEST),
            ("http://localhost:8090", None, STRICTEST),
            ("http://LocalHost", None, STRICTEST),
            ("http://app.localhost:8090", None, STRICTEST),
            ("http://127.0.0.1:8090", None, STRICTEST),
            ("http://127.8.9.1", None, STRICTEST),
            ("http://[::1]:8090", None, STRICTEST),
            ("http://app.example.com", None, "reinflate"),
            ("http://10.0.0.1:8090", None, "reinflate"),
            ("http://[2001:db8::1]", None, "reinflate"),
            ("http://localhost.example.com", None, "reinflate"),
            ("http://notlocalhost", None, "reinflate"),
            ("https://app.example.com", Some("__Secure-reinflate"), "__Secure-reinflate"),
            ("https://app.example.com", Some("reinflate"), "reinflate"),
            ("http://localhost:8090", Some("reinflate"), "reinflate"),
            ("http://app.example.com", Some(STRICTEST), STRICTEST),
            ("http://app.example.com", Some("sid"), "sid"),
        ] {
            let given = given.map(|name| ("BUSINESS_COOKIE_NAME", name));
            let env: Vec<_> = [("BUSINESS_PUBLIC_URL", url)].into_iter().chain(given).collect();
            assert_eq!(read(&env).unwrap().auth.cookie_name, name, "{url}, {given:?}");
        }
    }

    #[test]
    fn a_budget_of_nothing_is_not_offered_where_it_is_refused() {
        let error = read(&[("BUSINESS_AUTH_TIMEOUT", "0")]).unwrap_err();
        assert!(error.ends_with("it takes a duration above zero such as 300ms, 30s, 12h or 7d"));
    }

    #[test]
    fn a_hint_names_the_settings_that_are_to_be_looked_at() {
        assert!(hint(401).unwrap().contains("BUSINESS_AUTH_KEY"));
        assert!(hint(404).unwrap().contains("BUSINESS_AUTH_URL") && hint(405) == hint(404));
        assert_eq!(hint(503), None);
    }
}

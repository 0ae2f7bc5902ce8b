//! The settings of this service, read once, at the start.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use auth_client::{AuthClientOptions, InternalKey, Tell, Url, parse_base_url};
use axum::extract::ConnectInfo;
use http::request::Parts;
use server_runtime::hosts::{self, HOSTS};
use server_runtime::settings::{self, COMMON, POSITIVE_DURATION, PROXY_NETWORKS, SOCKET_ADDR};
use server_runtime::{
    AllowedHosts, BadSetting, RequestId, Setting, Settings, TraceParent, workers,
};

const ADDR: &str = "BUSINESS_ADDR";
const INTERNAL_ADDR: &str = "BUSINESS_INTERNAL_ADDR";
const AUTH_URL: &str = "BUSINESS_AUTH_URL";
const AUTH_KEY: &str = "BUSINESS_AUTH_KEY";
const AUTH_TIMEOUT: &str = "BUSINESS_AUTH_TIMEOUT";
const AUTH_CALLS: &str = "BUSINESS_AUTH_CALLS";
const AUTH_CLIENT: &str = "BUSINESS_AUTH_CLIENT";
const TRUSTED_PROXIES: &str = "BUSINESS_TRUSTED_PROXIES";
const COOKIE_NAME: &str = "BUSINESS_COOKIE_NAME";
const LOGIN_URL: &str = "BUSINESS_LOGIN_URL";
const PUBLIC_URL: &str = "BUSINESS_PUBLIC_URL";
const ALLOWED_HOSTS: &str = "BUSINESS_ALLOWED_HOSTS";

const OWN: &[Setting] = &[
    Setting::variable(ADDR, SOCKET_ADDR, "Where the service listens")
        .with_flag("addr")
        .with_default("127.0.0.1:8090"),
    Setting::variable(INTERNAL_ADDR, SOCKET_ADDR, "Where metrics and probes are served")
        .with_flag("internal-addr")
        .with_default("127.0.0.1:8091"),
    Setting::variable(
        AUTH_URL,
        "http or https base URLs such as http://127.0.0.1:8081, separated by commas",
        "The internal listeners of the auth service; several are one service",
    )
    .with_flag("auth-url")
    .as_url()
    .with_default("http://127.0.0.1:8081"),
    Setting::secret(AUTH_KEY, "printable ASCII", "The key of those listeners, where they want one"),
    Setting::variable(AUTH_TIMEOUT, POSITIVE_DURATION, "The whole budget of one validation")
        .with_flag("auth-timeout")
        .with_default("1s"),
    Setting::variable(
        AUTH_CALLS,
        "a number from 0 to 64",
        "Calls under way at once to each auth service, which share the validations that come \
         meanwhile; 0: a call for each validation",
    )
    .with_flag("auth-calls")
    .with_default("2"),
    Setting::variable(
        AUTH_CLIENT,
        "any of ip, user-agent, separated by commas",
        "What the auth service is told of the client, for sessions that are bound to it",
    )
    .with_flag("auth-client"),
    Setting::variable(
        TRUSTED_PROXIES,
        PROXY_NETWORKS,
        "The proxies that may name the client's address in X-Forwarded-For",
    )
    .with_flag("trusted-proxies"),
    Setting::variable(
        COOKIE_NAME,
        "the name of a cookie",
        "The session cookie, as the auth service sets it; otherwise __Host-reinflate where the public \
         URL is https, localhost or loopback, else reinflate",
    )
    .with_flag("cookie-name"),
    Setting::variable(LOGIN_URL, "an http or https URL", "Where a browser is sent to log in")
        .with_flag("login-url")
        .as_url()
        .with_default("http://localhost:8080/login"),
    Setting::variable(
        PUBLIC_URL,
        "an http or https base URL such as https://app.example.com",
        "Where people reach this service, and come back to after a login",
    )
    .with_flag("public-url")
    .as_url()
    .with_default("http://localhost:8090"),
    Setting::variable(
        ALLOWED_HOSTS,
        HOSTS,
        "Hosts beside localhost and that of BUSINESS_PUBLIC_URL that a request may name, on loopback",
    )
    .with_flag("allowed-hosts"),
];

/// Every setting of this service, those that all processes have included.
pub fn settings_table() -> Vec<Setting> {
    [OWN, COMMON].concat()
}

/// What the settings say.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the service listens.
    pub addr: SocketAddr,
    /// Where metrics and probes are served.
    pub internal_addr: SocketAddr,
    /// How the auth service is asked.
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

impl Config {
    /// Reads the settings of [`settings_table`].
    ///
    /// # Errors
    ///
    /// The first setting that is not acceptable.
    pub fn read(settings: &Settings) -> Result<Self, BadSetting> {
        let workers = workers::count(settings)?;
        let public_url = settings.required(PUBLIC_URL, parse_base_url)?;
        // A setting of the auth service, which is there where one process is both.
        let demo = settings.value("AUTH_DEMO", settings::boolean)?.unwrap_or(false);
        let allowed_hosts = hosts::read(settings, ALLOWED_HOSTS, ADDR, demo)?
            .map(|hosts| hosts.with_host(public_url.host_str()));
        Ok(Self {
            addr: settings.public_addr(ADDR)?,
            internal_addr: settings.required(INTERNAL_ADDR, settings::socket_addr)?,
            auth: AuthClientOptions { shards: workers, ..read_auth(settings, &public_url)? },
            login_url: settings.required(LOGIN_URL, login_url)?,
            public_url,
            allowed_hosts,
            drain_delay: settings.required("DRAIN_DELAY", settings::duration)?,
            workers,
        })
    }

    /// The settings, with what was worked out for those that were not given.
    #[must_use]
    pub fn in_force(&self, settings: &Settings) -> Settings {
        let mut settings = settings.clone();
        settings.set_default(ADDR, self.addr.to_string());
        settings.set_default("WORKERS", self.workers.to_string());
        settings.set_default(COOKIE_NAME, self.auth.cookie_name.clone());
        settings
    }
}

fn read_auth(settings: &Settings, public_url: &Url) -> Result<AuthClientOptions, BadSetting> {
    let urls = settings.required(AUTH_URL, |text| settings::list(text, parse_base_url))?;
    let defaults = AuthClientOptions::new(urls);
    let batches_in_flight = settings.required(AUTH_CALLS, calls)?;
    let cookie_name = settings.value(COOKIE_NAME, cookie_name)?;
    let cookie_name = cookie_name.unwrap_or_else(|| strictest_name(public_url).to_owned());
    Ok(AuthClientOptions {
        key: settings.value(AUTH_KEY, |text| InternalKey::new(text).ok())?,
        timeout: settings.required(AUTH_TIMEOUT, settings::positive_duration)?,
        batching: batches_in_flight > 0,
        batches_in_flight,
        tell: settings.value(AUTH_CLIENT, |text| text.parse::<Tell>().ok())?.unwrap_or_default(),
        trusted_proxies: settings
            .value(TRUSTED_PROXIES, settings::proxy_networks)?
            .unwrap_or_default(),
        cookie_name,
        peer,
        hint,
        request_id: |parts| parts.extensions.get().map(RequestId::as_str),
        traceparent: |parts| parts.extensions.get().and_then(traceparent),
        ..defaults
    })
}

fn peer(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get().map(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| peer.ip())
}

/// What an answer that is none most likely comes of.
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

fn calls(text: &str) -> Option<usize> {
    text.parse().ok().filter(|calls| *calls <= 64)
}

fn login_url(text: &str) -> Option<Url> {
    let url: Url = text.parse().ok()?;
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    (web && url.username().is_empty() && url.password().is_none()).then_some(url)
}

/// A token of [RFC 9110 §5.6.2], as the name of a cookie is one.
///
/// [RFC 9110 §5.6.2]: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
fn cookie_name(text: &str) -> Option<String> {
    let token = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
    (token && !text.is_empty()).then(|| text.to_owned())
}

/// The strictest name that browsers take a cookie by at this URL: they keep a Secure one over TLS,
/// and on hosts of their own machine.
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
        assert_eq!(config.auth.tell, Tell::default());
        assert_eq!(config.auth.cookie_name, "__Host-reinflate");
        assert_eq!(config.login_url.as_str(), "http://localhost:8080/login");
    }

    #[test]
    fn what_is_given_is_taken() {
        let config = read(&[
            ("PORT", "5000"),
            (AUTH_URL, "http://10.0.0.1:8081, https://auth.internal/a"),
            (AUTH_KEY, "geheim"),
            (AUTH_TIMEOUT, "300ms"),
            (AUTH_CLIENT, "ip,user-agent"),
            (TRUSTED_PROXIES, "10.0.0.0/8, ::1"),
            (COOKIE_NAME, "sid"),
        ])
        .unwrap();
        assert_eq!(config.addr.to_string(), "0.0.0.0:5000");
        assert_eq!(config.auth.urls.len(), 2);
        assert_eq!(config.auth.timeout, Duration::from_millis(300));
        assert_eq!(config.auth.tell, Tell { ip: true, user_agent: true });
        assert_eq!(config.auth.trusted_proxies.len(), 2);
        assert_eq!(config.auth.cookie_name, "sid");
        assert!(!format!("{config:?}").contains("geheim"));
    }

    #[test]
    fn a_bad_setting_is_refused_by_name_and_shows_no_secret() {
        for (name, value) in [
            (ADDR, "8090"),
            (INTERNAL_ADDR, "localhost"),
            (AUTH_URL, "127.0.0.1:8081"),
            (AUTH_URL, "http://a:8081,,http://b:8081"),
            (AUTH_URL, "http://user:geheim@auth:8081"),
            (AUTH_URL, "ftp://auth"),
            (AUTH_KEY, "geheim\n"),
            (AUTH_TIMEOUT, "0"),
            (AUTH_TIMEOUT, "1"),
            (AUTH_CALLS, "-1"),
            (AUTH_CALLS, "65"),
            (AUTH_CLIENT, "mac"),
            (TRUSTED_PROXIES, "10.0.0.0/33"),
            (TRUSTED_PROXIES, "0.0.0.0/0"),
            (TRUSTED_PROXIES, "10.0.0.0/8,::/0"),
            (COOKIE_NAME, "a b"),
            (LOGIN_URL, "/login"),
            (LOGIN_URL, "javascript:alert(1)"),
            (PUBLIC_URL, "http://app/?a=b"),
            (ALLOWED_HOSTS, "app:8090"),
            (ALLOWED_HOSTS, "*.example.com"),
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
            let given = given.map(|name| (COOKIE_NAME, name));
            let env: Vec<_> = [(PUBLIC_URL, url)].into_iter().chain(given).collect();
            assert_eq!(read(&env).unwrap().auth.cookie_name, name, "{url}, {given:?}");
        }
    }

    #[test]
    fn a_budget_of_nothing_is_not_offered_where_it_is_refused() {
        let error = read(&[(AUTH_TIMEOUT, "0")]).unwrap_err();
        assert!(error.ends_with("it takes a duration above zero such as 300ms, 30s, 12h or 7d"));
    }

    #[test]
    fn a_hint_names_the_settings_that_are_to_be_looked_at() {
        assert!(hint(401).unwrap().contains(AUTH_KEY));
        assert!(hint(404).unwrap().contains(AUTH_URL) && hint(405) == hint(404));
        assert_eq!(hint(503), None);
    }
}

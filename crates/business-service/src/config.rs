//! The settings of this service, read once, at the start.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use auth_client::{AuthClientOptions, InternalKey, Tell, Url, parse_base_url};
use axum::extract::ConnectInfo;
use http::request::Parts;
use ipnet::IpNet;
use server_runtime::settings::{self, COMMON, POSITIVE_DURATION, SOCKET_ADDR};
use server_runtime::{BadSetting, RequestId, Setting, Settings, TraceParent, workers};

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
        "networks such as 10.0.0.0/8 or addresses, separated by commas",
        "The proxies that may name the client's address in X-Forwarded-For",
    )
    .with_flag("trusted-proxies"),
    Setting::variable(
        COOKIE_NAME,
        "the name of a cookie",
        "The session cookie; otherwise the first of __Host-reinflate, __Secure-reinflate, reinflate",
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
        Ok(Self {
            addr: settings.public_addr(ADDR)?,
            internal_addr: settings.required(INTERNAL_ADDR, settings::socket_addr)?,
            auth: AuthClientOptions { lanes: workers, ..read_auth(settings)? },
            login_url: settings.required(LOGIN_URL, login_url)?,
            public_url: settings.required(PUBLIC_URL, parse_base_url)?,
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
        settings
    }
}

fn read_auth(settings: &Settings) -> Result<AuthClientOptions, BadSetting> {
    let urls = settings.required(AUTH_URL, |text| settings::list(text, parse_base_url))?;
    let defaults = AuthClientOptions::new(urls);
    let calls_under_way = settings.required(AUTH_CALLS, calls)?;
    let cookie_name = settings.value(COOKIE_NAME, cookie_name)?;
    Ok(AuthClientOptions {
        key: settings.value(AUTH_KEY, |text| InternalKey::new(text).ok())?,
        timeout: settings.required(AUTH_TIMEOUT, settings::positive_duration)?,
        batching: calls_under_way > 0,
        calls_under_way,
        tell: settings.value(AUTH_CLIENT, |text| text.parse::<Tell>().ok())?.unwrap_or_default(),
        trusted_proxies: settings
            .value(TRUSTED_PROXIES, |text| settings::list(text, network))?
            .unwrap_or_default(),
        cookie_names: cookie_name.map_or(defaults.cookie_names, |name| vec![name]),
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

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
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
        assert_eq!(config.auth.calls_under_way, 2);
        assert_eq!(config.auth.tell, Tell::default());
        assert_eq!(config.auth.cookie_names.len(), 3);
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
        assert_eq!(config.auth.cookie_names, ["sid"]);
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
            (COOKIE_NAME, "a b"),
            (LOGIN_URL, "/login"),
            (LOGIN_URL, "javascript:alert(1)"),
            (PUBLIC_URL, "http://app/?a=b"),
            ("DRAIN_DELAY", "soon"),
            ("PORT", "http"),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert!(error.starts_with(&format!("{name}: ")), "{name}={value}: {error}");
            assert!(!error.contains("geheim") && !error.contains('\n'), "{error}");
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

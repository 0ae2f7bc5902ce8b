//! The table of this service's settings: their names, what they are for, what they accept.

use std::net::SocketAddr;
use std::time::Duration;

use auth_client::{ClientFields, InternalKey, Url, parse_base_url};
use ipnet::IpNet;
use server_runtime::AllowedHosts;
use server_runtime::hosts::HOSTS;
use server_runtime::settings::{
    Optional, POSITIVE_DURATION, PROXY_NETWORKS, Parser, SOCKET_ADDR, Setting, list,
};

server_runtime::settings_table! {
    /// The settings of this service, in the order in which `--help` shows them.
    pub TABLE;

    ADDR: Setting<SocketAddr> =
        Setting::new("BUSINESS_ADDR", SOCKET_ADDR, "Where the service listens")
            .with_flag("addr")
            .with_default("127.0.0.1:8090");
    INTERNAL_ADDR: Setting<SocketAddr> = Setting::new(
        "BUSINESS_INTERNAL_ADDR",
        SOCKET_ADDR,
        "Where metrics and probes are served",
    )
    .with_flag("internal-addr")
    .with_default("127.0.0.1:8091");
    AUTH_URL: Setting<Vec<Url>> = Setting::new(
        "BUSINESS_AUTH_URL",
        Parser::new(
            "http or https base URLs such as http://127.0.0.1:8081, separated by commas",
            |text| list(text, parse_base_url),
        ),
        "The internal listeners of the auth service; several are one service",
    )
    .with_flag("auth-url")
    .as_url()
    .with_default("http://127.0.0.1:8081");
    AUTH_KEY: Optional<Vec<InternalKey>> = Setting::secret(
        "BUSINESS_AUTH_KEY",
        Parser::new("printable ASCII; several separated by commas", |text| {
            list(text, |key| InternalKey::new(key).ok())
        }),
        "The key of those listeners, where they want one; of several the first is sent, the next \
         after a 401",
    )
    .with_note(
        "what `AUTH_INTERNAL_KEY` is there; [changed without a restart](operating.md#the-internal-key)",
    );
    AUTH_TIMEOUT: Setting<Duration> = Setting::new(
        "BUSINESS_AUTH_TIMEOUT",
        POSITIVE_DURATION,
        "The whole budget of one validation",
    )
    .with_flag("auth-timeout")
    .with_default("1s");
    AUTH_CALLS: Setting<usize> = Setting::new(
        "BUSINESS_AUTH_CALLS",
        Parser::new("a number from 0 to 64", |text| {
            text.parse().ok().filter(|batches| *batches <= 64)
        }),
        "Batches of validations in flight at once to each auth service, at most; 0: a request for \
         each validation",
    )
    .with_flag("auth-calls")
    .with_default("2")
    .with_note("of each thread; one at a time while a round trip takes less than about 0.25 ms");
    AUTH_CLIENT: Optional<ClientFields> = Setting::new(
        "BUSINESS_AUTH_CLIENT",
        Parser::new("any of ip, user-agent, separated by commas", |text| text.parse().ok()),
        "What the auth service learns about the client, for sessions that are bound to it",
    )
    .with_flag("auth-client");
    TRUSTED_PROXIES: Optional<Vec<IpNet>> = Setting::new(
        "BUSINESS_TRUSTED_PROXIES",
        PROXY_NETWORKS,
        "The proxies that may name the client's address in X-Forwarded-For",
    )
    .with_flag("trusted-proxies");
    COOKIE_NAME: Optional<String> = Setting::new(
        "BUSINESS_COOKIE_NAME",
        Parser::new("the name of a cookie", cookie_name),
        "The session cookie, as the auth service sets it; otherwise __Host-reinflate where the public \
         URL is https, localhost or loopback, else reinflate",
    )
    .with_flag("cookie-name")
    .with_note("the one that is read; in `reinflate` what its auth service sets");
    LOGIN_URL: Setting<Url> = Setting::new(
        "BUSINESS_LOGIN_URL",
        Parser::new("an http or https URL", login_url),
        "Where a browser is sent to log in",
    )
    .with_flag("login-url")
    .as_url()
    .with_default("http://localhost:8080/login");
    PUBLIC_URL: Setting<Url> = Setting::new(
        "BUSINESS_PUBLIC_URL",
        Parser::new("an http or https base URL such as https://app.example.com", parse_base_url),
        "Where people reach this service, and come back to after a login",
    )
    .with_flag("public-url")
    .as_url()
    .with_default("http://localhost:8090");
    ALLOWED_HOSTS: Optional<AllowedHosts> = Setting::new(
        "BUSINESS_ALLOWED_HOSTS",
        HOSTS,
        "Hosts beside localhost and that of BUSINESS_PUBLIC_URL that a request may name, on loopback",
    )
    .with_flag("allowed-hosts")
    .with_note("where `PORT` made the address, every host is answered");
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

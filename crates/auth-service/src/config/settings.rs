//! The table of the service's settings: what each is called, what it is for, what it accepts.

use std::net::SocketAddr;
use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;
use server_runtime::hosts::HOSTS;
use server_runtime::settings::{
    BOOLEAN, DURATION, Optional, POSITIVE_DURATION as POSITIVE, PROXY_NETWORKS, Parser, RATE,
    SOCKET_ADDR, Setting, within,
};
use server_runtime::{AllowedHosts, Rate};
use session::{Binding, Durability};
use url::Url;
use users::SslMode;
use zeroize::Zeroizing;

pub use super::mail::{MailSender, MailServer};
pub use super::parse::{DatabaseAddress, SessionStoreAddress};
pub use super::webhooks::{WebhookKeys, WebhookTypes, WebhookUrls};
use super::{mail, origins, parse, webhooks};
use crate::internal_keys::InternalKeys;

server_runtime::settings_table! {
    /// The settings of the auth service, in the order in which `--help` shows them.
    pub TABLE;

    PUBLIC_ADDR: Setting<SocketAddr> =
        Setting::new("AUTH_PUBLIC_ADDR", SOCKET_ADDR, "Where everybody may ask")
            .with_flag("public-addr")
            .with_default("127.0.0.1:8080");
    INTERNAL_ADDR: Setting<SocketAddr> = Setting::new(
        "AUTH_INTERNAL_ADDR",
        SOCKET_ADDR,
        "Where backends and proxies ask; never published",
    )
    .with_flag("internal-addr")
    .with_default("127.0.0.1:8081");
    INTERNAL_KEY: Optional<InternalKeys> = Setting::secret(
        "AUTH_INTERNAL_KEY",
        Parser::new(
            "printable ASCII without spaces, better 32 characters or more; several separated by \
             commas",
            InternalKeys::read,
        ),
        "What callers of the internal listener must show; of several, any one",
    )
    .with_note(
        "`auth-service generate-key FILE` makes one; [changed without a restart](operating.md#the-internal-key)",
    );
    PUBLIC_URL: Setting<Url> = Setting::new(
        "AUTH_PUBLIC_URL",
        Parser::new("an http or https URL", parse::url),
        "Where people reach the public listener; https adds HSTS",
    )
    .with_flag("public-url")
    .with_default("http://localhost:8080")
    .as_url();
    SESSION_STORE: Setting<SessionStoreAddress> = Setting::new(
        "AUTH_SESSION_STORE",
        Parser::new(
            "memory, sqlite:PATH, redis://HOST:PORT, rediss://HOST:PORT or redis-cluster://HOST:PORT,HOST:PORT",
            parse::session_store,
        ),
        "Where sessions live, and the counts of failed logins",
    )
    .with_flag("session-store")
    .with_default("memory")
    .as_url()
    .with_note("`sqlite:` is memory that survives a restart");
    SESSION_SYNC: Setting<Durability> = Setting::new(
        "AUTH_SESSION_SYNC",
        Parser::new("full or normal", parse::session_sync),
        "What sessions in a file survive: the loss of power, or that of the process only",
    )
    .with_flag("session-sync")
    .with_default("full");
    REDIS_USERNAME: Optional<String> = Setting::new(
        "AUTH_REDIS_USERNAME",
        Parser::new("the name of an ACL user", |text| Some(text.to_owned())),
        "Who we are to Redis, where the address does not say",
    )
    .with_flag("redis-username");
    REDIS_PASSWORD: Optional<Zeroizing<String>> = Setting::secret(
        "AUTH_REDIS_PASSWORD",
        Parser::new("a password", |text| Some(Zeroizing::new(text.to_owned()))),
        "The password for Redis, rather than within the address",
    );
    REDIS_WAIT: Setting<bool> = Setting::new(
        "AUTH_REDIS_WAIT",
        Parser::new(BOOLEAN.accepted, parse::boolean_or_digit),
        "A logout or revocation succeeds only once a replica of Redis has it",
    )
    .with_flag("redis-wait")
    .with_default("false");
    DATABASE_URL: Setting<DatabaseAddress> = Setting::new(
        "AUTH_DATABASE_URL",
        Parser::new("sqlite:PATH, sqlite::memory: or postgres://…", parse::database),
        "Where users are stored",
    )
    .with_flag("database-url")
    .with_default("sqlite:reinflate.db")
    .as_url()
    .with_note("`sqlite::memory:` only with sessions in memory too");
    PGSSLMODE: Optional<SslMode> = Setting::new(
        "PGSSLMODE",
        Parser::new("disable, allow, prefer, require, verify-ca or verify-full", |text| {
            text.parse().ok()
        }),
        "How PostgreSQL is connected to where AUTH_DATABASE_URL has no sslmode; by default \
         verify-full, on loopback and sockets prefer",
    )
    .with_note("[certificates](operating.md#certificates)");
    TOKEN_TTL: Setting<Duration> =
        Setting::new("AUTH_TOKEN_TTL", POSITIVE, "Idle time of a sliding bearer token")
            .with_flag("token-ttl")
            .with_default("30s");
    TOKEN_MAX_LIFETIME: Setting<Duration> = Setting::new(
        "AUTH_TOKEN_MAX_LIFETIME",
        POSITIVE,
        "What no sliding bearer token outlives",
    )
    .with_flag("token-max-lifetime")
    .with_default("12h");
    SESSION_TTL: Optional<Duration> = Setting::new(
        "AUTH_SESSION_TTL",
        POSITIVE,
        "Idle time of a browser session (7d; 30s with AUTH_DEMO)",
    )
    .with_flag("session-ttl");
    SESSION_MAX_LIFETIME: Setting<Duration> = Setting::new(
        "AUTH_SESSION_MAX_LIFETIME",
        POSITIVE,
        "What no browser session outlives",
    )
    .with_flag("session-max-lifetime")
    .with_default("30d");
    FIXED_TOKEN_MAX_TTL: Setting<Duration> = Setting::new(
        "AUTH_FIXED_TOKEN_MAX_TTL",
        POSITIVE,
        "The longest a fixed token may be asked for",
    )
    .with_flag("fixed-token-max-ttl")
    .with_default("90d");
    FRESH_FOR: Setting<Duration> = Setting::new(
        "AUTH_FRESH_FOR",
        DURATION,
        "How long after its login a session may mint tokens",
    )
    .with_flag("fresh-for")
    .with_default("15m")
    .with_note("a minted session counts from its maker's login");
    MAX_SESSIONS_PER_USER: Setting<usize> = Setting::new(
        "AUTH_MAX_SESSIONS_PER_USER",
        Parser::new("a whole number, 0 for no limit", |text| within(text, 0..=usize::MAX)),
        "Past it, a new session ends the one that would end soonest",
    )
    .with_flag("max-sessions-per-user")
    .with_default("100");
    EVENTS_KEEP: Setting<Duration> =
        Setting::new("AUTH_EVENTS_KEEP", POSITIVE, "How long events are stored")
            .with_flag("events-keep")
            .with_default("7d");
    EVENTS_LIMIT: Setting<usize> = Setting::new(
        "AUTH_EVENTS_LIMIT",
        Parser::new("a whole number from 100 to 10000000", |text| within(text, 100..=10_000_000)),
        "How many events are stored; past it, the oldest go",
    )
    .with_flag("events-limit")
    .with_default("100000")
    .with_note("up to a fifth more; each takes some 330 bytes of memory");
    WEBHOOK_URL: Optional<WebhookUrls> = Setting::new(
        "AUTH_WEBHOOK_URL",
        Parser::new("http or https URLs, separated by commas, none of them twice or with port 0", webhooks::urls),
        "Where events are posted; without it they are not",
    )
    .with_flag("webhook-url")
    .as_url_with_secret_path()
    .with_note("[webhooks](webhooks.md)");
    WEBHOOK_SECRET: Optional<WebhookKeys> = Setting::secret(
        "AUTH_WEBHOOK_SECRET",
        Parser::new(
            "whsec_ and the base64 of 24 to 64 bytes; several separated by commas",
            WebhookKeys::read,
        ),
        "What posts are signed with; of several, with each",
    )
    .with_note("needed with `AUTH_WEBHOOK_URL`; [changed without a restart](webhooks.md#the-secret)");
    WEBHOOK_TYPES: Setting<WebhookTypes> = Setting::new(
        "AUTH_WEBHOOK_TYPES",
        Parser::new(
            "types of events such as session.ended, groups such as user.*, or a type with a cause such as session.ended:expired, separated by commas",
            WebhookTypes::read,
        ),
        "Which events are posted",
    )
    .with_flag("webhook-types")
    .with_default("session.ended,user.*,password.*,email.*")
    .with_note("`expired` is posted only where it is named");
    SWEEP_INTERVAL: Setting<Duration> = Setting::new(
        "AUTH_SWEEP_INTERVAL",
        DURATION,
        "How often what has expired is swept; 0 for never",
    )
    .with_flag("sweep-interval")
    .with_default("1s")
    .with_note("it gives memory back and decides nothing");
    REDIRECT_ORIGINS: Optional<Vec<String>> = Setting::new(
        "AUTH_REDIRECT_ORIGINS",
        Parser::new(
            "origins such as https://app.example.com, separated by commas",
            origins::of_sites,
        ),
        "Origins beside our own to which `next` may lead",
    )
    .with_flag("redirect-origins")
    .with_note("their pages may also post to us");
    ALLOWED_ORIGINS: Optional<Vec<String>> = Setting::new(
        "AUTH_ALLOWED_ORIGINS",
        Parser::new(
            "origins such as https://app.example.com or capacitor://localhost, \
             separated by commas, each written out",
            origins::of_sites_and_shells,
        ),
        "Origins whose scripts may call us with credentials (CORS)",
    )
    .with_flag("allowed-origins");
    ALLOWED_HOSTS: Optional<AllowedHosts> = Setting::new(
        "AUTH_ALLOWED_HOSTS",
        HOSTS,
        "Hosts beside localhost and that of AUTH_PUBLIC_URL that a request may name, on loopback and with AUTH_DEMO",
    )
    .with_flag("allowed-hosts")
    .with_note("where `PORT` made the address, every host is answered");
    COOKIE_SECURE: Optional<bool> = Setting::new(
        "AUTH_COOKIE_SECURE",
        BOOLEAN,
        "false only for development over plain HTTP (true; false with AUTH_DEMO)",
    )
    .with_flag("cookie-secure");
    COOKIE_NAME: Optional<String> = Setting::new(
        "AUTH_COOKIE_NAME",
        Parser::new("a cookie name", parse::cookie_name),
        "The session cookie (__Host-reinflate, __Secure-reinflate or reinflate, as the other two allow)",
    )
    .with_flag("cookie-name");
    COOKIE_DOMAIN: Optional<String> = Setting::new(
        "AUTH_COOKIE_DOMAIN",
        Parser::new("a domain such as example.com", parse::cookie_domain),
        "Shares the session cookie with sub-domains",
    )
    .with_flag("cookie-domain");
    OPEN_SIGNUP: Setting<bool> = Setting::new(
        "AUTH_SIGNUP",
        Parser::new("open or closed", parse::signup),
        "Who may create accounts: anyone, or admins only",
    )
    .with_flag("signup")
    .with_default("closed")
    .with_note("by `POST /api/v1/users`; with mail, each confirms the account by one");
    MAIL_URL: Optional<MailServer> = Setting::new(
        "AUTH_MAIL_URL",
        Parser::new(
            "smtp://HOST:PORT, smtps://HOST:PORT, file:DIR or, on loopback, smtp://HOST:PORT?tls=none",
            mail::server,
        ),
        "Where mails go: STARTTLS wanted, TLS, or a file each; without it none are sent",
    )
    .with_flag("mail-url")
    .as_url()
    .with_note("[mail](mail.md)");
    MAIL_USERNAME: Optional<String> = Setting::new(
        "AUTH_MAIL_USERNAME",
        Parser::new("a user name", |text| Some(text.to_owned())),
        "Who we are to the mail server",
    )
    .with_flag("mail-username");
    MAIL_PASSWORD: Optional<Zeroizing<String>> = Setting::secret(
        "AUTH_MAIL_PASSWORD",
        Parser::new("a password", |text| Some(Zeroizing::new(text.to_owned()))),
        "The password for the mail server",
    );
    MAIL_FROM: Optional<MailSender> = Setting::new(
        "AUTH_MAIL_FROM",
        Parser::new("an address, or Name <address>", mail::sender),
        "Who mails are from; needed with AUTH_MAIL_URL",
    )
    .with_flag("mail-from");
    MAIL_NEW_DEVICE: Setting<bool> = Setting::new(
        "AUTH_MAIL_NEW_DEVICE",
        BOOLEAN,
        "Owners are told of logins from an address and user agent not seen within 30 days",
    )
    .with_flag("mail-new-device")
    .with_default("false");
    SITE_NAME: Setting<String> = Setting::new(
        "AUTH_SITE_NAME",
        Parser::new("1 to 60 characters on one line", mail::site_name),
        "What pages and mails call the place",
    )
    .with_flag("site-name")
    .with_default("Reinflate");
    PASSWORD_MIN_LENGTH: Setting<usize> = Setting::new(
        "AUTH_PASSWORD_MIN_LENGTH",
        Parser::new("a whole number from 8 to 128", |text| within(text, 8..=128)),
        "Characters of a new password at least",
    )
    .with_flag("password-min-length")
    .with_default("15")
    .with_note("128 at most");
    PASSWORD_MEMORY_KIB: Setting<u32> = Setting::new(
        "AUTH_PASSWORD_MEMORY_KIB",
        Parser::new("a whole number from 8192 to 1048576", |text| within(text, 8192..=1_048_576)),
        "Memory of one Argon2id hash",
    )
    .with_flag("password-memory-kib")
    .with_default("19456");
    PASSWORD_PASSES: Setting<u32> = Setting::new(
        "AUTH_PASSWORD_PASSES",
        Parser::new("a whole number from 1 to 50", |text| within(text, 1..=50)),
        "Passes of one Argon2id hash",
    )
    .with_flag("password-passes")
    .with_default("2");
    PASSWORD_THREADS: Optional<usize> = Setting::new(
        "AUTH_PASSWORD_THREADS",
        Parser::new("a whole number from 1 to 256", |text| within(text, 1..=256)),
        "Passwords hashed at once (one fewer than there are cores, at least one)",
    )
    .with_flag("password-threads");
    LOGIN_ATTEMPTS: Setting<Rate> = Setting::new(
        "AUTH_LOGIN_ATTEMPTS",
        RATE,
        "Wrong passwords for one account from one address",
    )
    .with_flag("login-attempts")
    .with_default("10/5m")
    .with_note("a success clears them; an IPv6 /48 has ten times each limit");
    LOGIN_ATTEMPTS_PER_ACCOUNT: Setting<Rate> = Setting::new(
        "AUTH_LOGIN_ATTEMPTS_PER_ACCOUNT",
        RATE,
        "Wrong passwords for one account from everywhere",
    )
    .with_flag("login-attempts-per-account")
    .with_default("100/1h")
    .with_note("an address that has logged in to it within 30 days is exempt");
    LOGIN_ATTEMPTS_PER_ADDRESS: Setting<Rate> = Setting::new(
        "AUTH_LOGIN_ATTEMPTS_PER_ADDRESS",
        RATE,
        "Wrong passwords and sign-ups from one address",
    )
    .with_flag("login-attempts-per-address")
    .with_default("100/5m");
    MINTS_PER_USER: Setting<Rate> =
        Setting::new("AUTH_MINTS_PER_USER", RATE, "Tokens that one user mints")
            .with_flag("mints-per-user")
            .with_default("100/1h")
            .with_note("on all nodes together; past it 429");
    LOGINS_PER_ADDRESS: Setting<Rate> = Setting::new(
        "AUTH_LOGINS_PER_ADDRESS",
        RATE,
        "Logins from one address, right ones too",
    )
    .with_flag("logins-per-address")
    .with_default("1000/5m");
    TRUSTED_PROXIES: Optional<Vec<IpNet>> = Setting::new(
        "AUTH_TRUSTED_PROXIES",
        PROXY_NETWORKS,
        "Proxies that may name the client's address",
    )
    .with_flag("trusted-proxies");
    CLIENT_IP_HEADER: Setting<HeaderName> = Setting::new(
        "AUTH_CLIENT_IP_HEADER",
        Parser::new("a header name", |text| text.parse().ok()),
        "The one header that they name it in",
    )
    .with_flag("client-ip-header")
    .with_default("X-Forwarded-For")
    .with_note("also `Forwarded` (RFC 7239); read from right to left past trusted addresses");
    BIND_SESSIONS: Optional<Binding> = Setting::new(
        "AUTH_BIND_SESSIONS",
        Parser::new("any of ip,user-agent", parse::binding),
        "A session used from another one ends at once",
    )
    .with_flag("bind-sessions");
    DEMO: Setting<bool> = Setting::new(
        "AUTH_DEMO",
        BOOLEAN,
        "The demo user exists, and browser sessions idle out after 30s",
    )
    .with_flag("demo")
    .with_default("false")
    .with_note(
        "cookies travel over plain HTTP unless AUTH_COOKIE_SECURE says otherwise; with `false` a demo user \
         that is stored is disabled, and its sessions end",
    );
}

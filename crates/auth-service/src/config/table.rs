//! The table of the service's settings: what each is called, what it is for, what it accepts.

use server_runtime::Setting;
use server_runtime::hosts::HOSTS;
use server_runtime::settings::{
    BOOLEAN, DURATION, POSITIVE_DURATION as POSITIVE, PROXY_NETWORKS, RATE, SOCKET_ADDR,
};

const ORIGINS: &str = "origins such as https://app.example.com, separated by commas";
const ALLOWED_ORIGINS: &str = "origins such as https://app.example.com or capacitor://localhost, \
    separated by commas, each written out";

const fn flag(
    variable: &'static str,
    flag: &'static str,
    accepted: &'static str,
    help: &'static str,
) -> Setting {
    Setting::variable(variable, accepted, help).with_flag(flag)
}

/// The settings of the auth service, in the order in which `--help` shows them.
pub const TABLE: &[Setting] = &[
    flag("AUTH_PUBLIC_ADDR", "public-addr", SOCKET_ADDR, "Where everybody may ask")
        .with_default("127.0.0.1:8080"),
    flag(
        "AUTH_INTERNAL_ADDR",
        "internal-addr",
        SOCKET_ADDR,
        "Where backends and proxies ask; never published",
    )
    .with_default("127.0.0.1:8081"),
    Setting::secret(
        "AUTH_INTERNAL_KEY",
        "printable ASCII without spaces, better 32 characters or more",
        "What callers of the internal listener must show",
    ),
    flag(
        "AUTH_PUBLIC_URL",
        "public-url",
        "an http or https URL",
        "Where people reach the public listener; https adds HSTS",
    )
    .with_default("http://localhost:8080")
    .as_url(),
    flag(
        "AUTH_SESSION_STORE",
        "session-store",
        "memory, sqlite:PATH, redis://HOST:PORT, rediss://HOST:PORT or redis-cluster://HOST:PORT,HOST:PORT",
        "Where sessions live, and the counts of failed logins",
    )
    .with_default("memory")
    .as_url(),
    flag(
        "AUTH_SESSION_SYNC",
        "session-sync",
        "full or normal",
        "What sessions in a file survive: the loss of power, or that of the process only",
    )
    .with_default("full"),
    flag(
        "AUTH_REDIS_USERNAME",
        "redis-username",
        "the name of an ACL user",
        "Who we are to Redis, where the address does not say",
    ),
    Setting::secret(
        "AUTH_REDIS_PASSWORD",
        "a password",
        "The password for Redis, rather than within the address",
    ),
    flag(
        "AUTH_REDIS_WAIT",
        "redis-wait",
        BOOLEAN,
        "A logout or revocation succeeds only once a replica of Redis has it",
    )
    .with_default("false"),
    flag(
        "AUTH_DATABASE_URL",
        "database-url",
        "sqlite:PATH, sqlite::memory: or postgres://…",
        "Where users are stored",
    )
    .with_default("sqlite:reinflate.db")
    .as_url(),
    Setting::variable(
        "PGSSLMODE",
        "disable, allow, prefer, require, verify-ca or verify-full",
        "How PostgreSQL is connected to where AUTH_DATABASE_URL has no sslmode; by default \
         verify-full, on loopback and sockets prefer",
    ),
    flag("AUTH_TOKEN_TTL", "token-ttl", POSITIVE, "Idle time of a sliding bearer token")
        .with_default("30s"),
    flag(
        "AUTH_TOKEN_MAX_LIFETIME",
        "token-max-lifetime",
        POSITIVE,
        "What no sliding bearer token outlives",
    )
    .with_default("12h"),
    flag(
        "AUTH_SESSION_TTL",
        "session-ttl",
        POSITIVE,
        "Idle time of a browser session (7d; 30s with AUTH_DEMO)",
    ),
    flag(
        "AUTH_SESSION_MAX_LIFETIME",
        "session-max-lifetime",
        POSITIVE,
        "What no browser session outlives",
    )
    .with_default("30d"),
    flag(
        "AUTH_FIXED_TOKEN_MAX_TTL",
        "fixed-token-max-ttl",
        POSITIVE,
        "The longest a fixed token may be asked for",
    )
    .with_default("90d"),
    flag(
        "AUTH_FRESH_FOR",
        "fresh-for",
        DURATION,
        "How long after its login a session may mint tokens",
    )
    .with_default("15m"),
    flag(
        "AUTH_MAX_SESSIONS_PER_USER",
        "max-sessions-per-user",
        "a whole number, 0 for no limit",
        "Past it, a new session ends the one that would end soonest",
    )
    .with_default("100"),
    flag(
        "AUTH_SWEEP_INTERVAL",
        "sweep-interval",
        DURATION,
        "How often what has expired is swept; 0 for never",
    )
    .with_default("1s"),
    flag(
        "AUTH_REDIRECT_ORIGINS",
        "redirect-origins",
        ORIGINS,
        "Origins beside our own to which `next` may lead",
    ),
    flag(
        "AUTH_ALLOWED_ORIGINS",
        "allowed-origins",
        ALLOWED_ORIGINS,
        "Origins whose scripts may call us with credentials (CORS)",
    ),
    flag(
        "AUTH_ALLOWED_HOSTS",
        "allowed-hosts",
        HOSTS,
        "Hosts beside localhost and that of AUTH_PUBLIC_URL that a request may name, on loopback and with AUTH_DEMO",
    ),
    flag(
        "AUTH_COOKIE_SECURE",
        "cookie-secure",
        BOOLEAN,
        "false only for development over plain HTTP (true; false with AUTH_DEMO)",
    ),
    flag(
        "AUTH_COOKIE_NAME",
        "cookie-name",
        "a cookie name",
        "The session cookie (__Host-reinflate, __Secure-reinflate or reinflate, as the other two allow)",
    ),
    flag(
        "AUTH_COOKIE_DOMAIN",
        "cookie-domain",
        "a domain such as example.com",
        "Shares the session cookie with sub-domains",
    ),
    flag(
        "AUTH_SIGNUP",
        "signup",
        "open or closed",
        "Who may create accounts: anyone, or admins only",
    )
    .with_default("closed"),
    flag(
        "AUTH_PASSWORD_MIN_LENGTH",
        "password-min-length",
        "a whole number from 8 to 128",
        "Characters of a new password at least",
    )
    .with_default("15"),
    flag(
        "AUTH_PASSWORD_MEMORY_KIB",
        "password-memory-kib",
        "a whole number from 8192 to 1048576",
        "Memory of one Argon2id hash",
    )
    .with_default("19456"),
    flag(
        "AUTH_PASSWORD_PASSES",
        "password-passes",
        "a whole number from 1 to 50",
        "Passes of one Argon2id hash",
    )
    .with_default("2"),
    flag(
        "AUTH_PASSWORD_THREADS",
        "password-threads",
        "a whole number from 1 to 256",
        "Passwords hashed at once (one fewer than there are cores, at least one)",
    ),
    flag(
        "AUTH_LOGIN_ATTEMPTS",
        "login-attempts",
        RATE,
        "Wrong passwords for one account from one address",
    )
    .with_default("10/5m"),
    flag(
        "AUTH_LOGIN_ATTEMPTS_PER_ACCOUNT",
        "login-attempts-per-account",
        RATE,
        "Wrong passwords for one account from everywhere",
    )
    .with_default("100/1h"),
    flag(
        "AUTH_LOGIN_ATTEMPTS_PER_ADDRESS",
        "login-attempts-per-address",
        RATE,
        "Wrong passwords and sign-ups from one address",
    )
    .with_default("100/5m"),
    flag("AUTH_MINTS_PER_USER", "mints-per-user", RATE, "Tokens that one user mints")
        .with_default("100/1h"),
    flag(
        "AUTH_LOGINS_PER_ADDRESS",
        "logins-per-address",
        RATE,
        "Logins from one address, right ones too",
    )
    .with_default("1000/5m"),
    flag(
        "AUTH_TRUSTED_PROXIES",
        "trusted-proxies",
        PROXY_NETWORKS,
        "Proxies that may name the client's address",
    ),
    flag(
        "AUTH_CLIENT_IP_HEADER",
        "client-ip-header",
        "a header name",
        "The one header that they name it in",
    )
    .with_default("X-Forwarded-For"),
    flag(
        "AUTH_BIND_SESSIONS",
        "bind-sessions",
        "any of ip,user-agent",
        "A session used from another one ends at once",
    ),
    flag(
        "AUTH_DEMO",
        "demo",
        BOOLEAN,
        "The demo user exists, and browser sessions idle out after 30s",
    )
    .with_default("false"),
];

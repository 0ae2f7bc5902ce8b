//! The URL of a PostgreSQL: which parameters are understood, how the connection is protected, and
//! what of it may be seen.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use url::Url;

/// What the driver understands. It would log the others, with their values.
const UNDERSTOOD: [&str; 18] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// How a connection to PostgreSQL is protected, in the words of
/// [libpq](https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SslMode(&'static str);

impl SslMode {
    const PREFER: Self = Self("prefer");
    const VERIFY_FULL: Self = Self("verify-full");
    const ALL: [Self; 6] = [
        Self("disable"),
        Self("allow"),
        Self::PREFER,
        Self("require"),
        Self("verify-ca"),
        Self::VERIFY_FULL,
    ];
}

/// It is none of the six modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an sslmode")]
pub struct BadSslMode;

impl FromStr for SslMode {
    type Err = BadSslMode;

    fn from_str(text: &str) -> Result<Self, BadSslMode> {
        Self::ALL.into_iter().find(|mode| mode.0.eq_ignore_ascii_case(text)).ok_or(BadSslMode)
    }
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PostgresUrl {
    /// With the parameters that are understood, and no `sslmode`.
    url: Url,
    /// What the URL or a setting says.
    sslmode: Option<SslMode>,
    is_local: bool,
    ignores_parameters: bool,
    shown: String,
}

impl PostgresUrl {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        if !matches!(scheme, "postgres" | "postgresql") || breaks_off_in_the_password(rest) {
            return None;
        }
        let mut url = Url::parse(text).ok().filter(|url| url.fragment().is_none())?;
        let given: Vec<(String, String)> =
            url.query_pairs().map(|(name, value)| (name.into(), value.into())).collect();
        let (understood, ignored): (Vec<_>, Vec<_>) =
            given.into_iter().partition(|(name, _)| is_understood(name));
        let (modes, others): (Vec<_>, Vec<_>) =
            understood.into_iter().partition(|(name, _)| matches!(&**name, "sslmode" | "ssl-mode"));
        let sslmode = match modes.last() {
            Some((_, mode)) => Some(mode.parse().ok()?),
            None => None,
        };
        url.set_query(None);
        if !others.is_empty() {
            url.query_pairs_mut().extend_pairs(others);
        }
        let options = PgConnectOptions::from_str(url.as_str()).ok()?;
        let (is_local, shown) = (is_local(&options), shown(&options));
        Some(Self { url, sslmode, is_local, ignores_parameters: !ignored.is_empty(), shown })
    }

    pub(crate) fn with_default_sslmode(mut self, default: SslMode) -> Self {
        self.sslmode.get_or_insert(default);
        self
    }

    pub(crate) fn weak_sslmode(&self) -> Option<SslMode> {
        Some(self.sslmode()).filter(|mode| !self.is_local && *mode != SslMode::VERIFY_FULL)
    }

    pub(crate) fn ignores_parameters(&self) -> bool {
        self.ignores_parameters
    }

    /// What is connected to. INVARIANT: it says an `sslmode`, so that the driver's own default,
    /// which sends the password to any server that answers, never holds beyond loopback.
    pub(crate) fn target(&self) -> String {
        let mut url = self.url.clone();
        url.query_pairs_mut().append_pair("sslmode", self.sslmode().0);
        url.into()
    }

    fn sslmode(&self) -> SslMode {
        let default = if self.is_local { SslMode::PREFER } else { SslMode::VERIFY_FULL };
        self.sslmode.unwrap_or(default)
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

fn is_understood(name: &str) -> bool {
    UNDERSTOOD.contains(&name) || name.starts_with("options[") && name.ends_with(']')
}

/// Whether the password seems to have a bare `/`, `?` or `#` in it, so that its rest would be taken
/// for a database or for parameters.
fn breaks_off_in_the_password(rest: &str) -> bool {
    let (authority, after) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    after.contains('@') && !authority.contains('@') && authority.contains(':')
        || after.starts_with(['?', '#']) && after.contains('@')
}

/// Whether the connection stays on this machine.
fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host().trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<IpAddr>().map(|address| address.to_canonical());
    options.get_socket().is_some()
        || host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.is_loopback())
}

/// Host, port and database, and nothing else.
fn shown(options: &PgConnectOptions) -> String {
    let (host, port) = (options.get_host(), options.get_port());
    let database = options.get_database().unwrap_or_default();
    match options.get_socket() {
        Some(socket) => format!("postgres:///{database}?host={}", socket.display()),
        None if host.starts_with('/') => format!("postgres:///{database}?host={host}"),
        None => format!("postgres://{host}:{port}/{database}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> PostgresUrl {
        PostgresUrl::read(url).unwrap_or_else(|| panic!("{url}"))
    }

    #[test]
    fn only_host_port_and_database_are_shown() {
        for (url, shown) in [
            ("postgres://ann:s3cret@db/users", "postgres://db:5432/users"),
            ("postgresql://s3cret@db:6432/users", "postgres://db:6432/users"),
            ("postgres://db/users?password=s3cret", "postgres://db:5432/users"),
            ("postgres://db/users?pass=s3cret&sslpassword=s3cret", "postgres://db:5432/users"),
            ("postgres://db/users?s3cret", "postgres://db:5432/users"),
            ("postgres://ann:s3%40cret@[::1]/users", "postgres://[::1]:5432/users"),
            (
                "postgres://ann:s3cret@localhost/users?host=/tmp/pg",
                "postgres:///users?host=/tmp/pg",
            ),
            ("postgres://ann:s3cret@%2Ftmp%2Fpg/users", "postgres:///users?host=/tmp/pg"),
        ] {
            assert_eq!(read(url).to_string(), shown, "{url}");
        }
    }

    #[test]
    fn what_is_not_understood_does_not_reach_the_driver_which_would_log_it() {
        let url = read("postgres://db/users?pass=s3cret&sslpassword=s3cret&application_name=a+b");
        assert!(url.ignores_parameters());
        assert!(!url.target().contains("s3cret"), "{}", url.target());
        assert!(url.target().contains("application_name=a+b"));
        assert!(!read("postgres://db/users?options[search_path]=a").ignores_parameters());
    }

    #[test]
    fn beyond_loopback_a_certificate_is_verified_unless_something_else_is_said() {
        let mode = |url: &str, default: Option<&str>| {
            let url = read(url);
            let default = default.map(|mode| mode.parse().unwrap());
            let url = default.into_iter().fold(url, PostgresUrl::with_default_sslmode);
            let target = Url::parse(&url.target()).unwrap();
            let modes = target.query_pairs().filter(|(name, _)| name.starts_with("ssl"));
            let modes: Vec<_> = modes.map(|(_, mode)| mode.into_owned()).collect();
            assert_eq!(modes.len(), 1, "{target}");
            (modes[0].clone(), url.weak_sslmode().is_some())
        };
        let full = || ("verify-full".to_owned(), false);
        for remote in [
            "postgres://a:b@db/u",
            "postgres://a:b@0.0.0.0/u",
            "postgres://a:b@192.0.2.1/u",
            "postgres://a:b@[2001:db8::1]/u",
            "postgres://a:b@localhost.example/u",
            "postgres://a:b@localhost/u?host=db",
            "postgres://a:b@localhost/u?hostaddr=192.0.2.1",
        ] {
            assert_eq!(mode(remote, None), full(), "{remote}");
            assert_eq!(mode(remote, Some("Disable")), ("disable".to_owned(), true), "{remote}");
            let joint = if remote.contains('?') { '&' } else { '?' };
            let url = format!("{remote}{joint}sslmode=require");
            assert_eq!(mode(&url, None), ("require".to_owned(), true), "{url}");
            assert_eq!(mode(&url, Some("verify-full")), ("require".to_owned(), true), "{url}");
            let url = format!("{remote}{joint}ssl-mode=verify-full");
            assert_eq!(mode(&url, Some("disable")), full(), "{url}");
        }
        for local in [
            "postgres://a:b@localhost/u",
            "postgres://a:b@127.1.2.3/u",
            "postgres://a:b@[::1]/u",
            "postgres://a:b@[::ffff:127.0.0.1]/u",
            "postgres://a:b@%2Fvar%2Frun/u",
            "postgres://a:b@db/u?host=/var/run",
        ] {
            assert_eq!(mode(local, None), ("prefer".to_owned(), false), "{local}");
            assert_eq!(mode(local, Some("disable")), ("disable".to_owned(), false), "{local}");
        }
        assert!(PostgresUrl::read("postgres://db/u?sslmode=verify").is_none());
    }
}

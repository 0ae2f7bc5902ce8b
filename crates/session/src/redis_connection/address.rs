//! The address of a Redis, as people write it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use parking_lot::RwLock;
use percent_encoding::percent_decode_str;
use redis::RedisConnectionInfo;
use url::Url;
use zeroize::Zeroizing;

/// Where Redis or Valkey is: `redis://user:password@host:6379/0`, the same with `rediss` for TLS,
/// or `redis-cluster://host:6379,host:6379`. Clones share one password, which can be replaced.
#[derive(Clone)]
pub struct RedisAddress {
    pub(super) hosts: Vec<Host>,
    pub(super) is_cluster: bool,
    tls: bool,
    database: i64,
    username: Option<String>,
    password: Arc<RwLock<Option<Zeroizing<String>>>>,
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Host(pub(super) String, pub(super) u16);

/// It is no address of a Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the address of a Redis")]
pub struct InvalidRedisAddress;

impl RedisAddress {
    /// The same with the name of an ACL user and a password, each where one is given.
    #[must_use]
    pub fn with_credentials(
        mut self,
        username: Option<String>,
        password: Option<Zeroizing<String>>,
    ) -> Self {
        self.username = username.or(self.username);
        if let Some(password) = password {
            self.password = Arc::new(RwLock::new(Some(password)));
        }
        self
    }

    /// Has connections that are made from now on use this password, those by a clone of this address
    /// too. The open ones stay as they are: Redis has let them in.
    pub fn replace_password(&self, password: Zeroizing<String>) {
        *self.password.write() = Some(password);
    }

    /// Who we are there, and which database is meant.
    pub(super) fn redis(&self) -> RedisConnectionInfo {
        let mut redis = RedisConnectionInfo::default().set_db(self.database);
        if let Some(username) = &self.username {
            redis = redis.set_username(username);
        }
        if let Some(password) = &*self.password.read() {
            redis = redis.set_password(password.as_str());
        }
        redis
    }

    /// Whether the password crosses a network in clear: beyond loopback without TLS.
    pub fn exposes_password(&self) -> bool {
        !self.tls && self.password.read().is_some() && !self.hosts.iter().all(Host::is_loopback)
    }

    /// Whether it is reached through TLS.
    pub(super) const fn is_encrypted(&self) -> bool {
        self.tls
    }
}

impl FromStr for RedisAddress {
    type Err = InvalidRedisAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read(text).ok_or(InvalidRedisAddress)
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisAddress")
            .field("hosts", &self.hosts)
            .field("is_cluster", &self.is_cluster)
            .field("tls", &self.tls)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

impl Host {
    /// The host in `name:port`, where the name may be an address of IPv6.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (name, port) = text.rsplit_once(':')?;
        let name = name.trim_start_matches('[').trim_end_matches(']');
        (!name.is_empty()).then_some(())?;
        Some(Self(name.to_owned(), port.parse().ok()?))
    }
}

impl Host {
    fn is_loopback(&self) -> bool {
        let address = self.0.parse::<IpAddr>().map(|address| address.to_canonical());
        self.0.eq_ignore_ascii_case("localhost") || address.is_ok_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name, port) = self;
        if name.contains(':') { write!(f, "[{name}]:{port}") } else { write!(f, "{name}:{port}") }
    }
}

fn read(text: &str) -> Option<RedisAddress> {
    let (scheme, rest) = text.split_once("://")?;
    let is_cluster = scheme == "redis-cluster";
    let tls = match scheme {
        "redis" | "redis-cluster" => false,
        "rediss" => true,
        _ => return None,
    };
    let (credentials, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
    let (hosts, database) = rest.split_once('/').unwrap_or((rest, ""));
    let database = match database {
        "" => 0,
        number => number.parse().ok().filter(|number| *number >= 0)?,
    };
    let hosts = hosts.split(',').map(host).collect::<Option<Vec<_>>>()?;
    if !is_cluster && hosts.len() != 1 || is_cluster && database != 0 {
        return None;
    }
    let (username, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let decoded = |text: &str| match percent_decode_str(text).decode_utf8().ok()?.into_owned() {
        text if text.is_empty() => Some(None),
        text => Some(Some(text)),
    };
    Some(RedisAddress {
        hosts,
        is_cluster,
        tls,
        database,
        username: decoded(username)?,
        password: Arc::new(RwLock::new(decoded(password)?.map(Zeroizing::new))),
    })
}

/// A host with or without a port, as a URL would have it.
fn host(text: &str) -> Option<Host> {
    let url = Url::parse(&format!("http://{}/", text.trim())).ok()?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    let name = url.host_str().filter(|_| plain)?;
    let name = name.trim_start_matches('[').trim_end_matches(']');
    // Port 80 is the default of the scheme that this was read as.
    let port = if text.ends_with(":80") { 80 } else { url.port().unwrap_or(6379) };
    Some(Host(name.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str) -> Vec<String> {
        let address: RedisAddress = text.parse().unwrap();
        address.hosts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_address_is_read_as_people_write_it() {
        assert_eq!(hosts("redis://cache"), ["cache:6379"]);
        assert_eq!(hosts("redis://127.0.0.1:7000/3"), ["127.0.0.1:7000"]);
        assert_eq!(hosts("rediss://[::1]:80"), ["[::1]:80"]);
        assert_eq!(hosts("redis-cluster://u:p%40@a:1,b:2, c"), ["a:1", "b:2", "c:6379"]);
    }

    fn password(address: &RedisAddress) -> String {
        address.password.read().as_ref().unwrap().to_string()
    }

    #[test]
    fn a_password_that_is_replaced_is_replaced_in_every_clone() {
        let address: RedisAddress = "redis://:old@cache".parse().unwrap();
        let clone = address.clone();
        address.replace_password(Zeroizing::new("new".to_owned()));
        assert_eq!(password(&clone), "new");
    }

    #[test]
    fn credentials_are_read_and_not_shown() {
        let address: RedisAddress = "redis://ann:ge%2Fheim@cache/2".parse().unwrap();
        assert_eq!(address.username.as_deref(), Some("ann"));
        assert_eq!(password(&address), "ge/heim");
        assert!(!format!("{address:?}").contains("heim"));
        let other = Some(Zeroizing::new("other".to_owned()));
        let address = address.with_credentials(None, other);
        assert_eq!(address.username.as_deref(), Some("ann"));
        assert_eq!(password(&address), "other");
        let anonymous: RedisAddress = "redis://:geheim@cache".parse().unwrap();
        assert_eq!(anonymous.username, None);
    }

    #[test]
    fn a_password_is_exposed_beyond_loopback_without_tls() {
        let exposed = |text: &str| text.parse::<RedisAddress>().unwrap().exposes_password();
        for text in [
            "redis://:p@cache",
            "redis://ann:p@192.0.2.1",
            "redis://:p@0.0.0.0",
            "redis://:p@[2001:db8::1]:1",
            "redis-cluster://:p@127.0.0.1:1,cache:2",
        ] {
            assert!(exposed(text), "{text}");
        }
        for text in [
            "redis://cache",
            "redis://ann@cache",
            "rediss://:p@cache",
            "redis://:p@localhost",
            "redis://:p@127.1.1.1:1",
            "redis://:p@[::1]",
            "redis-cluster://:p@127.0.0.1:1,[::ffff:127.0.0.1]:2",
        ] {
            assert!(!exposed(text), "{text}");
        }
        let apart = Some(Zeroizing::new("p".to_owned()));
        assert!(
            "redis://cache"
                .parse::<RedisAddress>()
                .unwrap()
                .with_credentials(None, apart)
                .exposes_password()
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "redis",
            "redis:/x",
            "redis://",
            "redis://a,b",
            "redis://a:x",
            "redis://a:70000",
            "redis://a/x",
            "redis://a/-1",
            "redis-cluster://a/1",
            "redis-cluster://a,,b",
            "redis+unix://x",
            "http://a",
            "redis://a/0?x=1",
        ] {
            assert!(text.parse::<RedisAddress>().is_err(), "{text}");
        }
    }
}

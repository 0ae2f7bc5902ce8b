//! Where users are stored, as an operator writes it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use crate::OpenError;

const ACCEPTED: &str = "accepted are sqlite:PATH, sqlite::memory: and postgres://…";

/// The URL of a database: `sqlite:PATH`, `sqlite::memory:` or `postgres://…`.
///
/// Shown with its password masked.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Place);

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Memory,
    File(PathBuf),
    Postgres(String),
}

impl DatabaseUrl {
    /// A database that lives as long as its directory.
    pub fn in_memory() -> Self {
        Self(Place::Memory)
    }

    /// Whether what is stored there ends with its directory.
    pub fn is_in_memory(&self) -> bool {
        self.0 == Place::Memory
    }

    pub(crate) fn place(&self) -> &Place {
        &self.0
    }
}

impl FromStr for DatabaseUrl {
    type Err = OpenError;

    fn from_str(url: &str) -> Result<Self, OpenError> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            return sqlite_place(path).map(Self);
        }
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        // The parser's own message could repeat the password.
        if !matches!(scheme, "postgres" | "postgresql")
            || breaks_off_in_the_password(url)
            || PgConnectOptions::from_str(url).is_err()
        {
            return Err(OpenError::Setting(format!("this is no database URL; {ACCEPTED}")));
        }
        Ok(Self(Place::Postgres(url.to_owned())))
    }
}

/// Whether the password seems to have a bare `?` in it, so that its rest would be taken for
/// parameters, which are named in the log.
fn breaks_off_in_the_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    parameters.contains('@') && !place.contains(['@', '/'])
}

fn sqlite_place(path: &str) -> Result<Place, OpenError> {
    let path = path.strip_suffix("?mode=rwc").unwrap_or(path);
    let path = path.strip_prefix("//").unwrap_or(path);
    match path {
        ":memory:" => Ok(Place::Memory),
        "" => Err(OpenError::Setting(format!("the path of the database is missing; {ACCEPTED}"))),
        _ if path.contains(['?', '\0']) => {
            Err(OpenError::Setting("the path of a database has no '?' in it".to_owned()))
        }
        _ => Ok(Place::File(PathBuf::from(path))),
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Memory => f.write_str("sqlite::memory:"),
            Place::File(path) => write!(f, "sqlite:{}", path.display()),
            Place::Postgres(url) => f.write_str(&masked(url)),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The URL without its password, and without its parameters, which can hold one as well.
fn masked(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let (place, parameters) = rest.split_once('?').map_or((rest, ""), |(place, _)| (place, "?***"));
    match place.rsplit_once('@') {
        Some((login, host)) => match login.split_once(':') {
            Some((user, _)) => format!("{scheme}://{user}:***@{host}{parameters}"),
            None => format!("{scheme}://{login}@{host}{parameters}"),
        },
        None => format!("{scheme}://{place}{parameters}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        url.parse::<DatabaseUrl>().unwrap().to_string()
    }

    #[test]
    fn what_is_accepted_is_shown_as_it_was_written() {
        for url in ["sqlite::memory:", "sqlite:reinflate.db", "sqlite:/var/lib/a b.db"] {
            assert_eq!(shown(url), url);
        }
        assert_eq!(shown("sqlite:///var/lib/a.db?mode=rwc"), "sqlite:/var/lib/a.db");
        assert_eq!(shown("postgres://ann@db/users"), "postgres://ann@db/users");
    }

    #[test]
    fn a_password_is_masked_wherever_it_stands() {
        for url in ["postgres://ann:s3cret@db:5432/users", "postgresql://db/users?password=s3cret"]
        {
            let url: DatabaseUrl = url.parse().unwrap();
            assert!(!format!("{url} {url:?}").contains("s3cret"));
        }
    }

    #[test]
    fn other_urls_are_refused_without_being_repeated() {
        for url in [
            "",
            "sqlite:",
            "mysql://a:s3cret@b/c",
            "postgres://a:s3cret@b:notaport/c",
            "postgres://a:12?s3cret@b/c",
            "users.db",
            "sqlite:a.db?vfs=s3cret",
        ] {
            let error = url.parse::<DatabaseUrl>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{url}");
        }
    }
}

//! Where users are stored, as an operator writes it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::OpenError;
use crate::postgres_url::{PostgresUrl, SslMode};

const ACCEPTED: &str = "accepted are sqlite:PATH, sqlite::memory: and postgres://…";

/// The URL of a database: `sqlite:PATH`, `sqlite::memory:` or `postgres://…`.
///
/// Shown with nothing in it that could be a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(DatabaseLocation);

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum DatabaseLocation {
    Memory,
    File(PathBuf),
    Postgres(PostgresUrl),
}

impl DatabaseUrl {
    /// A database that lives as long as its directory.
    pub fn in_memory() -> Self {
        Self(DatabaseLocation::Memory)
    }

    /// Whether what is stored there ends with its directory.
    pub fn is_in_memory(&self) -> bool {
        self.0 == DatabaseLocation::Memory
    }

    /// The path of the file that it is, where it is one.
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            DatabaseLocation::File(path) => Some(path),
            DatabaseLocation::Memory | DatabaseLocation::Postgres(_) => None,
        }
    }

    /// The same, protected like this where the URL does not say how. Where nothing does, a server
    /// beyond loopback must show a certificate that is its own.
    #[must_use]
    pub fn with_default_sslmode(self, default: Option<SslMode>) -> Self {
        match (self.0, default) {
            (DatabaseLocation::Postgres(url), Some(mode)) => {
                Self(DatabaseLocation::Postgres(url.with_default_sslmode(mode)))
            }
            (location, _) => Self(location),
        }
    }

    /// How a connection beyond loopback is protected, where somebody on the way may read or
    /// answer instead of the server.
    pub fn weak_sslmode(&self) -> Option<SslMode> {
        match &self.0 {
            DatabaseLocation::Postgres(url) => url.weak_sslmode(),
            DatabaseLocation::Memory | DatabaseLocation::File(_) => None,
        }
    }

    /// Whether it has parameters that are not understood, and have no effect.
    pub fn ignores_parameters(&self) -> bool {
        matches!(&self.0, DatabaseLocation::Postgres(url) if url.ignores_parameters())
    }

    pub(crate) fn location(&self) -> &DatabaseLocation {
        &self.0
    }
}

impl FromStr for DatabaseUrl {
    type Err = OpenError;

    fn from_str(url: &str) -> Result<Self, OpenError> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            return sqlite_location(path).map(Self);
        }
        // The parser's own message could repeat the password.
        let refused = || OpenError::Setting(format!("this is no database URL; {ACCEPTED}"));
        PostgresUrl::read(url).map(|url| Self(DatabaseLocation::Postgres(url))).ok_or_else(refused)
    }
}

fn sqlite_location(path: &str) -> Result<DatabaseLocation, OpenError> {
    let path = path.strip_suffix("?mode=rwc").unwrap_or(path);
    let path = path.strip_prefix("//").unwrap_or(path);
    match path {
        ":memory:" => Ok(DatabaseLocation::Memory),
        "" => Err(OpenError::Setting(format!("the path of the database is missing; {ACCEPTED}"))),
        _ if path.contains(['?', '\0']) => {
            Err(OpenError::Setting("the path of a database has no '?' in it".to_owned()))
        }
        _ => Ok(DatabaseLocation::File(PathBuf::from(path))),
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            DatabaseLocation::Memory => f.write_str("sqlite::memory:"),
            DatabaseLocation::File(path) => write!(f, "sqlite:{}", path.display()),
            DatabaseLocation::Postgres(url) => url.fmt(f),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_shown_as_they_were_written() {
        let shown = |url: &str| url.parse::<DatabaseUrl>().unwrap().to_string();
        for url in ["sqlite::memory:", "sqlite:reinflate.db", "sqlite:/var/lib/a b.db"] {
            assert_eq!(shown(url), url);
        }
        assert_eq!(shown("sqlite:///var/lib/a.db?mode=rwc"), "sqlite:/var/lib/a.db");
    }

    #[test]
    fn other_urls_are_refused_without_being_repeated() {
        for url in [
            "",
            "sqlite:",
            "mysql://a:s3cret@b/c",
            "postgres:a:s3cret@b/c",
            "postgres//a:s3cret@b/c",
            "host=b password=s3cret",
            "postgres://a:s3cret@b:notaport/c",
            "postgres://a:12?s3cret@b/c",
            "postgres://a:12/s3cret@b/c",
            "postgres://a:12#s3cret@b/c",
            "postgres://a@b/c#s3cret",
            "postgres://a@b/c?sslmode=s3cret",
            "users.db",
            "sqlite:a.db?vfs=s3cret",
        ] {
            let error = url.parse::<DatabaseUrl>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{url}");
        }
    }
}

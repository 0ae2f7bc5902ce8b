//! Why a question was not answered. None of it says anything about the token.

/// No clear yes and no clear no came back: "don't know".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum AuthUnavailable {
    /// Too many questions are in flight or waiting; this one was not sent.
    #[error("too many validations are in flight or waiting")]
    Overloaded,
    /// The circuit breaker of every auth service is open; this question was not sent.
    #[error("the circuit breaker of every auth service is open")]
    BreakerOpen,
    /// No auth service could be connected to; this question was not received.
    #[error("no auth service could be reached")]
    Unreachable,
    /// The budget was spent before a reply came.
    #[error("no auth service answered in time")]
    TimedOut,
    /// The connection ended before the reply did.
    #[error("the connection to the auth service broke")]
    Broken,
    /// What came back was neither a clear yes nor a clear no.
    #[error("the auth service gave no clear answer")]
    Unclear,
}

impl AuthUnavailable {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 6] = [
        Self::Overloaded,
        Self::BreakerOpen,
        Self::Unreachable,
        Self::TimedOut,
        Self::Broken,
        Self::Unclear,
    ];

    /// A short name for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::BreakerOpen => "breaker_open",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Broken => "broken",
            Self::Unclear => "unclear",
        }
    }
}

/// Why no client could be made of the options.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// No URL was given.
    #[error("at least one URL of an auth service is needed")]
    NoUrl,
    /// A URL that no auth service can stand behind.
    #[error("`{0}` is no base URL of an auth service: expected http(s)://host[:port][/path]")]
    BadUrl(String),
    /// A key that cannot stand in a header.
    #[error("the internal key must be printable ASCII")]
    BadKey,
    /// The HTTP client could not be set up, for instance for want of root certificates.
    #[error("the HTTP client could not be set up")]
    Http(#[from] reqwest::Error),
}

//! Asks the auth service whether a session token is alive.
//!
//! [`AuthClient::validate`] validates one token. An [`Answer`] is a clear yes or a clear no;
//! everything else is [`AuthUnavailable`], "don't know", which must lead neither to data nor to a
//! refusal of the token, but to a 503. Nothing is cached: every question is sent.
//!
//! Questions that arrive while a request to the auth service is in flight are batched in the next
//! one. Each has an answer and a deadline of its own, and none is answered by a request that was
//! sent before it arrived. A question that arrives while nothing is in flight is sent at once, alone.
//! One request at a time is in flight while a round trip takes less than about a quarter of a
//! millisecond, and otherwise two.
//! They are packed where a service has answered so, and in JSON elsewhere; there is nothing to set.
//! Where the auth service is in the same process, a [`Validator`] answers instead, and nothing is sent.
//!
//! On top of it stand [`AuthClient::authenticate`], which takes the token from a request by the
//! rules of [`credential`], the tower layer [`RequireSession`], and, with the feature `axum`, the
//! extractor `Authenticated`. They refuse a request with a [`Refusal`].
//!
//! A service with users of its own asks for their sessions by [`AuthClient::issue`] and ends them by
//! [`AuthClient::end_all`].
//!
//! [`AuthClient::events`] tells what happened: which sessions ended, and why.
//!
//! [`AuthClient::values`] reads and writes the values that a service stores in a session.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use auth_client::{Answer, AuthClient, AuthClientOptions, Question};
//!
//! let options = AuthClientOptions::new(vec!["http://127.0.0.1:8081".parse()?]);
//! let client = AuthClient::new(options, std::sync::Arc::new(clock::SystemClock::new()))?;
//! match client.validate(Question::new("rfl_…")).await {
//!     Ok(Answer::Alive(session)) => println!("hello {}", session.user.username),
//!     Ok(Answer::Dead(reason)) => println!("log in again: {}", reason.as_str()),
//!     Err(unavailable) => println!("try again in a moment: {unavailable}"),
//! }
//! # Ok(()) }
//! ```

mod admission;
mod authenticate;
mod balancer;
mod breaker;
mod client;
mod connections;
mod dispatch;
mod error;
mod events;
#[cfg(feature = "axum")]
mod extract;
mod grants;
mod key_ring;
mod layer;
mod message;
mod options;
mod probe;
mod question;
mod refusal;
mod session_locks;
mod shard;
mod stats;
mod transport;
mod upstream;
mod url_part;
mod validator;
mod values;
mod verdicts;

pub use auth_api_types::{
    Client, ErrorCode, EventBy, EventClient, EventSession, EventUser, EventView, ExternalUser,
    Kind, Reason, SessionUser, SessionView, Transport, UserId,
};
pub use auth_http::{Problem, client_address, credential};
pub use client::AuthClient;
pub use clock::SystemClock;
pub use error::{AuthUnavailable, SetupError};
pub use events::{EventItem, EventStream, EventsFrom, EventsRefused};
#[cfg(feature = "axum")]
pub use extract::Authenticated;
pub use grants::{Credential, GrantError, IssuedSession, SessionRequest};
pub use layer::{RequireSession, RequireSessionService};
pub use options::{AuthClientOptions, ClientFields, InternalKey, parse_base_url};
pub use question::{Answer, Question};
pub use refusal::Refusal;
pub use reqwest::Url;
pub use stats::{BatchSizes, Stats, UpstreamStats};
pub use validator::{Validating, Validator};
pub use values::{SessionValues, ValuesError, Versioned};

/// The examples of the README, which must compile.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;

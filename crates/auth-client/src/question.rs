//! The validation of one token as its caller sees it: the question, and the answer.

use std::fmt;

use auth_api_types::Client;

/// Asks whether one token is alive.
#[derive(Clone)]
pub struct Question<'a> {
    /// The token, as it came.
    pub token: &'a str,
    /// Whether this is a use, which re-inflates the session, or only a look.
    pub touch: bool,
    /// Where the request came from, if the auth service is to learn it.
    pub client: Option<Client>,
    /// The id of the request that the token came with, for the logs of both services.
    pub request_id: Option<&'a str>,
    /// The trace that the request belongs to, as in its W3C header.
    pub traceparent: Option<&'a str>,
}

impl<'a> Question<'a> {
    /// A use of the token, with nothing about the client.
    pub const fn new(token: &'a str) -> Self {
        Self { token, touch: true, client: None, request_id: None, traceparent: None }
    }
}

impl fmt::Debug for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("touch", &self.touch)
            .field("client", &self.client)
            .field("request_id", &self.request_id)
            .finish_non_exhaustive()
    }
}

/// A clear answer: the session of a live token, or why it opens nothing.
pub type Answer = auth_http::Answer<'static>;

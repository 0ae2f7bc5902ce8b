//! What is read from a request before it is acted upon. Each reads one thing, in one way.

pub(crate) mod body;
pub(crate) mod caller;
pub(crate) mod client;
pub(crate) mod keyed_backend;
pub(crate) mod page_limit;
pub(crate) mod path;
pub(crate) mod session_filter;
pub(crate) mod submitted;

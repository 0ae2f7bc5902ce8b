//! What the service does, one file a use case, whoever asked for it: the API, a page, a proxy.

pub(crate) mod endings;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod throttle;

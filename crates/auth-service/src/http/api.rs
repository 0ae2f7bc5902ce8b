//! For programs, one file an endpoint: take the request apart, call one operation, reply.

pub(crate) mod admin_sessions;
pub(crate) mod backup;
pub(crate) mod docs;
pub(crate) mod email;
pub(crate) mod events;
pub(crate) mod forward_auth;
pub(crate) mod grants;
pub(crate) mod introspect;
pub(crate) mod login;
pub(crate) mod metrics;
pub(crate) mod password;
pub(crate) mod probes;
pub(crate) mod revoke;
pub(crate) mod rotate;
pub(crate) mod selection;
pub(crate) mod service_tokens;
pub(crate) mod session;
pub(crate) mod session_data;
pub(crate) mod sessions;
pub(crate) mod status;
pub(crate) mod tokens;
pub(crate) mod users;
pub(crate) mod validate_token;

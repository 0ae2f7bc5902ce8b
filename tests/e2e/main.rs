//! The services as their callers meet them: real processes, real HTTP, one module a behaviour.
//! Nothing here looks inside: what is not visible from outside is tested where it lives.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "the log of a failed test and why one was skipped")]

use testkit as harness;

mod accounts;
mod acknowledged_users;
mod batched_validations;
mod batches;
mod body_limits;
mod bound_sessions;
mod browser;
mod business;
mod cookie_names;
mod cors;
mod credentials;
mod cross_site;
mod crowd;
mod database_transport;
mod described;
mod draining;
mod environment_proxy;
mod every_endpoint;
mod expiry;
mod freed_memory;
mod full_output;
mod held_requests;
mod hosts;
mod internal_key;
mod introspection_key;
mod killed_sessions;
mod logging;
mod login;
mod login_bodies;
mod login_shares;
mod login_storm;
mod login_timing;
mod logout;
mod malformed_requests;
mod masked_urls;
mod metrics;
mod minting;
mod monitoring;
mod nonsense_settings;
mod object_bodies;
mod optional_credentials;
mod outages;
mod pair;
mod postman;
mod probes;
mod proxies;
mod recipes;
mod redis;
mod request_ids;
mod rotated_tokens;
mod rotation;
mod session_disk;
mod session_file;
mod session_lists;
mod session_values;
mod settings;
mod several_credentials;
mod single_use;
mod starting;
mod strict_origins;
mod suspended;
mod throttling;
mod token_format;
mod traces;
mod transport_security;
mod unclear_answers;
mod unread_log;
mod user_database_outages;
mod users_command;
mod validation;
mod wall_clock;

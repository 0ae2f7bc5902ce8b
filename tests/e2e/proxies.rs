//! In front of any backend: the forward-auth doors asked as each proxy asks them, and nginx and
//! Caddy themselves with the configuration that `auth-service proxy` prints.

mod application;
mod caddy;
mod check;
mod forged;
mod forward_auth;
mod front;
mod large_heads;
mod nginx;
mod printed;
mod replayed;
mod through;
mod upgrades;

pub(crate) use front::{NGINX, Stage};

/// What the application behind a proxy hears.
const IDENTITY: [&str; 8] = [
    "remote-user",
    "remote-name",
    "remote-email",
    "remote-groups",
    "remote-scopes",
    "remote-external",
    "x-auth-user-id",
    "x-auth-session-id",
];

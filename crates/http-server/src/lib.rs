//! Accepts HTTP/1 connections on hyper-util, bounds what clients may take of them, and drains them
//! without losing an answer.
//!
//! [`Listener`] binds an address and serves an [`axum::Router`] under a [`Lifecycle`]; [`Limits`]
//! says how long a client may keep us waiting and how much it may hold. HTTP/1 only, without TLS: a
//! proxy in front has that. What a router cannot see is decided here: deadlines for heads and
//! bodies, idle connections, how many connections there are and which one ends when there are too
//! many, and how a connection ends.
//!
//! It knows no settings, no metrics and nothing of what the routes do.

mod accept;
mod activity;
mod body;
mod chunk_scan;
mod connection;
mod eviction;
mod head_scan;
mod lazy_timer;
mod lifecycle;
mod limits;
mod listener;
mod listener_group;
mod network;
mod refuse;
mod registry;
mod request_info;
mod service;
mod stream;
mod workers;

pub use body::BodyTimedOut;
pub use lifecycle::Lifecycle;
pub use limits::Limits;
pub use listener::{Listener, StartError};
pub use request_info::RequestInfo;
pub use workers::{on_own_thread, runtime};

/// The target of the log lines that tell of the process itself: no filter should silence them.
pub const PROCESS_LOG_TARGET: &str = "process";

#[cfg(test)]
mod tests;

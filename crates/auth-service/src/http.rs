//! The service's face: what requests look like, and what is answered.
//!
//! A request goes from `router` through `extract`, which takes it apart, to a handler in `api` or
//! `pages`, which calls one operation and replies; any error becomes an answer in `error`. Those two
//! do not know each other: handlers that serve programs and people by one path are files beside them.

pub(crate) mod api;
pub(crate) mod app;
pub(crate) mod client_addresses;
pub(crate) mod cookie;
pub(crate) mod cors;
pub(crate) mod error;
pub(crate) mod extract;
pub(crate) mod index;
pub(crate) mod internal_key;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod openapi;
pub(crate) mod pages;
pub(crate) mod recovery;
pub(crate) mod redirect;
pub(crate) mod reply;
pub(crate) mod router;

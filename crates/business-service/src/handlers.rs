//! The handlers: extract, look, reply.

pub(crate) mod data;
pub(crate) mod notes;
pub(crate) mod pages;
pub(crate) mod probes;

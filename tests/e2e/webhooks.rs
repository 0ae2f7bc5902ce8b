//! Webhooks, with real receivers on loopback: that fail in every way, that are away, and of which each
//! learns of everything, in order.

mod deliveries;
mod nodes;
pub(crate) mod receiver;
mod recipes;
mod settings;
mod skipped;
mod writes;

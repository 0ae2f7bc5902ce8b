//! Both services in one process: what `cargo run` starts, and enough for a small machine.
//!
//! They stay two services. The business service asks the auth service over HTTP on the internal
//! listener, as it would from another machine; only the process, the signal and the log are one.

mod banner;
mod command;
mod plan;
#[cfg(test)]
mod settings_document;

pub use command::main;

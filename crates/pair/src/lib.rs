//! Both services in one process: what `cargo run` starts, and enough for a small machine.
//!
//! They stay two services, with all their listeners; the process, the signal and the log are one. The
//! business service has tokens validated by a call, without HTTP, unless it was given the URL of an
//! auth service; values of sessions it reads and writes over HTTP on the internal listener, as it would
//! from another machine.

mod banner;
mod command;
mod in_process;
mod plan;
#[cfg(test)]
mod settings_document;

pub use command::main;

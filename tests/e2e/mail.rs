//! Mail: accounts that people make, verify and win back by themselves, and what becomes of mails while
//! whoever takes them is away.

mod addresses;
mod attacks;
mod devices;
mod journeys;
pub(crate) mod mailbox;
mod outages;
mod recovery;
mod sameness;
mod server;
mod settings;
mod signup;

//! What both ends of HTTP must agree on, decided once: where a credential stands, who may name a
//! client's address, whose pages and for which hosts a request may be sent, what its id looks like,
//! how a refusal is written, and what a verdict on a token is. It reads and writes heads of requests and answers, and serves nothing.

mod challenge;
pub mod client_address;
pub mod credential;
pub mod cross_site;
pub mod hosts;
mod problem;
pub mod request_id;
mod verdict;

pub use challenge::{Challenge, asks_for_key, describe};
pub use problem::{ErrorCode, Problem};
pub use verdict::Answer;

//! What both ends of HTTP must agree on, decided once: where a credential stands, who may name a
//! client's address, what a request's id looks like, how a refusal is written, and what a verdict
//! on a token is. It reads and writes heads of requests and answers, and serves nothing.

mod challenge;
pub mod client_address;
pub mod credential;
mod problem;
pub mod request_id;
mod verdict;

pub use challenge::{Challenge, describe};
pub use problem::{ErrorCode, Problem};
pub use verdict::Answer;

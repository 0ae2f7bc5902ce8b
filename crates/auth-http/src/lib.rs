//! What both ends of HTTP must agree on, decided once: where a credential stands and who may name
//! a client's address. It reads and writes heads of requests and answers, and serves nothing.

pub mod client_address;
pub mod credential;

//! The users API: who may do what to whom, and what of it is obeyed.

mod changing;
mod creating;
mod hostile_text;
mod last_admin;
mod listing;
mod passwords;
mod races;
mod rights;
mod sessions;

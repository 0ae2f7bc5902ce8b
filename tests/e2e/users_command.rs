//! `auth-service users …`: accounts from the command line, and the running node that obeys.

mod database;
mod importing;
mod managing;
mod obeyed;
mod renaming;

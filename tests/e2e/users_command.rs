//! `auth-service users …`: accounts from the command line, and the running node that obeys.

mod importing;
mod managing;
mod obeyed;

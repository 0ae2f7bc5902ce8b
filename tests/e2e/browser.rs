//! Browser sessions: what forms and pages answer, header by header, and what a real browser makes
//! of them.

pub(crate) mod accessibility;
mod account;
mod admin;
pub(crate) mod chromium;
mod cookies;
mod journeys;
mod login;
mod logout;
mod next;
mod notes;
mod pages;
mod restart;
pub(crate) mod visitor;

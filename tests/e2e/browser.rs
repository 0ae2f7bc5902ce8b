//! Browser sessions: what forms and pages answer, header by header, and what a real browser makes
//! of them.

mod accessibility;
mod account;
mod admin;
mod chromium;
mod cookies;
mod journeys;
mod login;
mod logout;
mod next;
mod notes;
mod pages;
mod restart;
mod visitor;

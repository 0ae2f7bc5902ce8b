//! Webhooks: how an event is signed, posted and counted. What is posted to whom, and when, is decided
//! in `operations`.

mod metrics;
mod receiver;
mod signature;

pub(crate) use metrics::{Figures, WebhookMetrics};
pub(crate) use receiver::{Failure, Receiver};

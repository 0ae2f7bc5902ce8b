//! What the operations work on.

use std::sync::Arc;

use session::{DurableStore, Sessions};
use tokio_util::task::TaskTracker;
use users::Directory;

use super::throttle::Throttle;
use crate::mail::Mail;
use crate::metrics::AuthMetrics;
use crate::unnamed_proxy::UnnamedProxy;

/// The sessions, the users, and what is counted about them.
pub(crate) struct Domain {
    pub(crate) sessions: Sessions,
    /// Where sessions are in a file: what makes copies of it.
    pub(crate) session_file: Option<DurableStore>,
    pub(crate) users: Directory,
    pub(crate) throttle: Throttle,
    pub(crate) figures: AuthMetrics,
    /// What learns of failed logins, where no proxy is trusted.
    pub(crate) unnamed_proxy: Option<Arc<UnnamedProxy>>,
    /// Whether anybody may create an account.
    pub(crate) open_signup: bool,
    /// How mails are sent; `None` where none are.
    pub(crate) mail: Option<Mail>,
    /// What is to be done even where the client that caused it has gone away.
    pub(crate) tasks: TaskTracker,
}

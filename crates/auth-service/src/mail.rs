//! Mail: what is said, how it is written, how it travels. Who gets what, and when, is decided in
//! `operations`.

mod address;
mod directory;
mod letter;
mod message;
mod metrics;
mod smtp;
mod transport;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::MailSettings;

pub(crate) use address::is_deliverable;
pub(crate) use letter::Site;
pub(crate) use message::{Message, Writer};
pub(crate) use metrics::{MailMetrics, Outcome};
pub(crate) use transport::{Connection, Failure, Transport};

/// Mail as a service has it that sends some.
#[derive(Clone)]
pub(crate) struct Mail(Arc<Inner>);

struct Inner {
    transport: Transport,
    writer: Writer,
    new_device: bool,
    is_away: AtomicBool,
}

impl Mail {
    /// Reads the certificates that servers are held against, and makes the directory where mails go
    /// into one.
    pub(crate) fn open(settings: &MailSettings, site: Site) -> Result<Self, Failure> {
        let transport = Transport::open(settings, &site)?;
        let writer = Writer::new(settings.from.clone(), site);
        let (new_device, is_away) = (settings.new_device, AtomicBool::new(false));
        Ok(Self(Arc::new(Inner { transport, writer, new_device, is_away })))
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.0.transport
    }

    pub(crate) fn writer(&self) -> &Writer {
        &self.0.writer
    }

    /// Whether owners are told of logins from elsewhere.
    pub(crate) fn tells_of_devices(&self) -> bool {
        self.0.new_device
    }

    /// Whether the latest try found nobody who takes mails.
    pub(crate) fn is_away(&self) -> bool {
        self.0.is_away.load(Ordering::Relaxed)
    }

    /// What the latest try found.
    pub(crate) fn set_away(&self, is_away: bool) {
        self.0.is_away.store(is_away, Ordering::Relaxed);
    }
}

//! How mails leave: into a directory, or to a server.

use super::Message;
use super::directory::Directory;
use super::letter::Site;
use super::smtp::{Smtp, SmtpConnection};
use crate::config::{MailServer, MailSettings};

/// Why a mail was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Nobody takes any mail now: again later, with all of them.
    #[error("{0}")]
    Unreachable(String),
    /// This one is not taken now: again later.
    #[error("{0}")]
    Deferred(String),
    /// This one is taken never.
    #[error("{0}")]
    Refused(String),
}

/// Where mails go.
pub(crate) enum Transport {
    Directory(Directory),
    Smtp(Box<Smtp>),
}

/// An open way there, for several mails one after the other.
pub(crate) enum Connection<'a> {
    Directory(&'a Directory),
    Smtp(Box<SmtpConnection>),
}

impl Transport {
    /// Reads what is needed at the start, and speaks to nobody yet.
    pub(super) fn open(settings: &MailSettings, site: &Site) -> Result<Self, Failure> {
        match &settings.server {
            MailServer::Directory(path) => Ok(Self::Directory(Directory::open(path)?)),
            MailServer::Smtp { host, port, security } => {
                let credentials = settings.credentials.as_ref();
                let smtp = Smtp::new(host, *port, *security, credentials, site.host())?;
                Ok(Self::Smtp(Box::new(smtp)))
            }
        }
    }

    /// A way there. The caller sets the limit of its time.
    pub(crate) async fn connect(&self) -> Result<Connection<'_>, Failure> {
        match self {
            Self::Directory(directory) => Ok(Connection::Directory(directory)),
            Self::Smtp(smtp) => Ok(Connection::Smtp(Box::new(smtp.connect().await?))),
        }
    }
}

impl Connection<'_> {
    /// Hands a mail over. Once this answers, whoever took it answers for it.
    pub(crate) async fn send(&mut self, message: &Message) -> Result<(), Failure> {
        match self {
            Self::Directory(directory) => directory.write(message).await,
            Self::Smtp(connection) => connection.send(message).await,
        }
    }

    /// Says goodbye, whatever is answered.
    pub(crate) async fn close(self) {
        if let Self::Smtp(connection) = self {
            connection.close().await;
        }
    }
}

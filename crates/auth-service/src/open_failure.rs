//! Why a start ends before the service listens.

use server_runtime::BadSetting;
use session::{SessionFileError, StoreError};
use users::OpenError;

use crate::operations::endings::{ForeignSessions, Lagging};

/// A store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFailure {
    /// The users' one.
    #[error(transparent)]
    Users(#[from] OpenError),
    /// The sessions' one.
    #[error("the session store cannot be reached: {}", .0.0)]
    Sessions(#[from] StoreError),
    /// The sessions' file.
    #[error(transparent)]
    SessionFile(#[from] SessionFileError),
    /// Mails cannot be sent in the way that the settings say.
    #[error("{0}")]
    Mail(String),
    /// Events cannot be posted in the way that the settings say.
    #[error("{0}")]
    Webhook(String),
    /// The two do not belong to each other.
    #[error(transparent)]
    Foreign(#[from] ForeignSessions),
}

impl From<Lagging> for OpenFailure {
    fn from(error: Lagging) -> Self {
        match error {
            Lagging::Users(error) => OpenError::Unreachable(error.to_string()).into(),
            Lagging::Store(error) => error.into(),
            Lagging::Foreign(error) => error.into(),
        }
    }
}

impl OpenFailure {
    /// The process's: 2 for a setting that is wrong, 1 for a store that is out of reach.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Users(OpenError::Setting(_)) => BadSetting::EXIT_CODE,
            Self::Users(
                OpenError::Missing(_)
                | OpenError::Unreachable(_)
                | OpenError::Migration(_)
                | OpenError::SameName(_),
            )
            | Self::Sessions(_)
            | Self::SessionFile(_)
            | Self::Mail(_)
            | Self::Webhook(_)
            | Self::Foreign(_) => 1,
        }
    }
}

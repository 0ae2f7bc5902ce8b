//! A copy of the session file, while it is in use.

use std::path::Path;

use super::{Domain, Error};

/// Has a copy written to `path`, where nothing is.
pub(crate) async fn copy_sessions(domain: &Domain, path: &Path) -> Result<(), Error> {
    let Some(sessions) = &domain.session_file else {
        return Err(Error::Conflict("AUTH_SESSION_STORE is no file"));
    };
    if !path.is_absolute() {
        return Err(Error::Rule("path must be absolute".to_owned()));
    }
    let copied = sessions.copy_to(path).await;
    copied.map_err(|error| Error::Rule(format!("the copy was not written: {}", error.0)))?;
    tracing::info!(path = %path.display(), "the session file was copied");
    Ok(())
}

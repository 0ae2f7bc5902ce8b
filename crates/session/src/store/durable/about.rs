//! What the store knows of itself: whose users its sessions are of, how far changes to these were
//! followed, and the name of its own history.

use uuid::Uuid;

pub(super) const IDENTITY: &str = "identity";
pub(super) const BOOKMARK: &str = "bookmark";
pub(super) const HISTORY: &str = "history";

/// A copy in memory of the file's table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct About {
    pub(super) identity: Option<Uuid>,
    pub(super) bookmark: Option<String>,
    /// Given to the file when it was made, and never another.
    pub(super) history: Option<String>,
}

impl About {
    /// The contents of these rows. Rows of a later version are ignored and preserved.
    pub(super) fn of(rows: Vec<(String, String)>) -> Self {
        let mut about = Self::default();
        for (name, value) in rows {
            match name.as_str() {
                IDENTITY => about.identity = Uuid::try_parse(&value).ok(),
                BOOKMARK => about.bookmark = Some(value),
                HISTORY => about.history = Some(value),
                _ => {}
            }
        }
        about
    }
}

//! The visitor's notes: an example of values that are stored in the session itself.

use auth_client::{SessionValues, ValuesError};

/// The longest note, in characters.
pub(crate) const NOTE_CHARS: usize = 200;
/// How many notes are stored; the oldest is dropped first.
const MAX_NOTES: usize = 15;
/// The key of the value that holds them.
const KEY: &str = "business.notes";

/// A note that may be stored: not empty, not too long, one line.
pub(crate) struct Note(String);

impl Note {
    /// The typed text as a note, if it is valid.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = (1..=NOTE_CHARS).contains(&text.chars().count());
        (fits && !text.contains(char::is_control)).then(|| Self(text.to_owned()))
    }
}

/// The notes of a session, the newest first.
///
/// # Errors
///
/// Why they could not be read.
pub(crate) async fn list(values: &SessionValues<'_>) -> Result<Vec<String>, ValuesError> {
    let found = values.get::<Vec<String>>(KEY).await?;
    let mut notes = found.map(|found| found.value).unwrap_or_default();
    notes.reverse();
    Ok(notes)
}

/// Adds a note. Of two that are added at once neither is lost.
///
/// # Errors
///
/// Why it could not be written.
pub(crate) async fn add(values: &SessionValues<'_>, note: &Note) -> Result<(), ValuesError> {
    let added = |before: Option<Vec<String>>| {
        let mut notes = before.unwrap_or_default();
        notes.push(note.0.clone());
        let surplus = notes.len().saturating_sub(MAX_NOTES);
        notes.drain(..surplus);
        notes
    };
    values.update(KEY, added).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_one_line_that_is_neither_empty_nor_long() {
        assert_eq!(Note::read("  milk ").unwrap().0, "milk");
        assert!(Note::read(&"ü".repeat(NOTE_CHARS)).is_some());
        for bad in ["", "  ", "a\nb", "a\u{0}", &"x".repeat(NOTE_CHARS + 1)] {
            assert!(Note::read(bad).is_none(), "{bad:?}");
        }
    }
}

//! How far endings were carried out, as it is remembered and as the store keeps it.

use users::SessionEnding;
use uuid::Uuid;

/// The last ending that was carried out, and in which history of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) seq: i64,
    user: Uuid,
    generation: i64,
    /// The name of the history; none where the store could not name it.
    pub(super) history: Option<String>,
}

impl Position {
    /// That ending, in this history.
    pub(super) fn of(ending: SessionEnding, history: Option<String>) -> Self {
        let SessionEnding { seq, user_id, generation, .. } = ending;
        Self { seq, user: user_id, generation, history }
    }

    /// Before the first ending, where there was none yet.
    pub(super) fn beginning(history: Option<String>) -> Self {
        Self { seq: 0, user: Uuid::nil(), generation: 0, history }
    }

    /// Whether it is before the first ending.
    pub(super) const fn is_beginning(&self) -> bool {
        self.seq == 0
    }

    /// Whether it is this ending: in a database that was restored, another one may have its number.
    pub(super) fn is(&self, ending: &SessionEnding) -> bool {
        (self.seq, self.user, self.generation) == (ending.seq, ending.user_id, ending.generation)
    }

    /// Whether what was carried out then is still so. A history that cannot be named now is taken
    /// for the same until it is: a store that does not answer has lost nothing yet.
    pub(super) fn is_of(&self, history: Option<&str>, outlives_process: bool) -> bool {
        !outlives_process || history.is_none() || self.history.as_deref() == history
    }

    /// What to write down; nothing where the history has no name.
    pub(super) fn written(&self) -> Option<String> {
        let history = self.history.as_deref()?;
        Some(format!("{} {} {} {history}", self.seq, self.user, self.generation))
    }

    /// What was written down; `None` if it is anything else.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let position = Self {
            seq: parts.next()?.parse().ok()?,
            user: parts.next()?.parse().ok()?,
            generation: parts.next()?.parse().ok()?,
            history: Some(parts.next().filter(|history| !history.is_empty())?.to_owned()),
        };
        parts.next().is_none().then_some(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(history: Option<&str>) -> Position {
        let ending = SessionEnding {
            seq: 7,
            user_id: Uuid::from_u128(9),
            generation: 3,
            spared_session: None,
            cause: None,
        };
        Position::of(ending, history.map(str::to_owned))
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let written = position(Some("8371b4,fb73")).written().unwrap();
        assert_eq!(Position::read(&written), Some(position(Some("8371b4,fb73"))));
        assert_eq!(position(None).written(), None);
        let beginning = Position::beginning(Some("8371b4".to_owned()));
        assert_eq!(Position::read(&beginning.written().unwrap()), Some(beginning.clone()));
        assert!(beginning.is_beginning() && !position(None).is_beginning());
        for none in [
            "",
            "7",
            &written[1..],
            &format!("{written} "),
            written.trim_end_matches("8371b4,fb73"),
        ] {
            assert_eq!(Position::read(none), None, "{none:?}");
        }
    }

    #[test]
    fn another_history_of_the_store_is_noticed_and_none_is_waited_for() {
        for (then, now, same) in [
            (Some("a"), Some("a"), true),
            (Some("a"), Some("b"), false),
            (Some("a"), None, true),
            (None, Some("a"), false),
            (None, None, true),
        ] {
            assert_eq!(position(then).is_of(now, true), same, "{then:?} {now:?}");
            assert!(position(then).is_of(now, false), "in memory there is only one");
        }
    }
}

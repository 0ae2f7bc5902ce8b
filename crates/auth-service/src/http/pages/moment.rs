//! Moments as people read them.

use std::time::Duration;

use auth_api_types::Timestamp;
use server_runtime::page::in_words;
use time::OffsetDateTime;
use time::macros::format_description;

/// A moment in both forms that a `<time>` wants.
pub(crate) struct Moment {
    /// For programs: RFC 3339.
    pub(crate) datetime: String,
    /// For people.
    pub(crate) shown: String,
}

impl Moment {
    /// The date and the time of day.
    pub(crate) fn date(unix_ms: i64) -> Self {
        let format = format_description!(
            "[day padding:none] [month repr:short] [year], [hour]:[minute] UTC"
        );
        let datetime = Timestamp::from_unix_ms(unix_ms).to_string();
        let shown = OffsetDateTime::from_unix_timestamp(unix_ms.div_euclid(1000))
            .ok()
            .and_then(|moment| moment.format(format).ok());
        Self { shown: shown.unwrap_or_else(|| datetime.clone()), datetime }
    }

    /// How long ago it was.
    pub(crate) fn ago(unix_ms: i64, now_ms: i64) -> Self {
        let passed = u64::try_from(now_ms.saturating_sub(unix_ms)).unwrap_or_default();
        let shown = match passed / 1000 {
            0..5 => "just now".to_owned(),
            seconds => format!("{} ago", in_words(Duration::from_secs(seconds))),
        };
        Self { shown, ..Self::date(unix_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_or_a_while_ago() {
        let moment = Moment::date(1_795_176_007_120);
        assert_eq!(moment.datetime, "2026-11-20T12:00:07.120Z");
        assert_eq!(moment.shown, "20 Nov 2026, 12:00 UTC");
        let ago = |passed| Moment::ago(0, passed).shown;
        assert_eq!(ago(4_999), "just now");
        assert_eq!(ago(-60_000), "just now");
        assert_eq!(ago(65_000), "1 min 5 s ago");
    }
}

//! A moment as people are shown it; never what an expiry is decided by.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment of the wall clock in whole milliseconds, written as
/// [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339) UTC with three decimals:
/// `2026-11-20T12:00:07.120Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    unix_ms: i64,
}

impl Timestamp {
    /// The moment `unix_ms` milliseconds after 1970-01-01T00:00:00Z.
    pub const fn from_unix_ms(unix_ms: i64) -> Self {
        Self { unix_ms }
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn unix_ms(self) -> i64 {
        self.unix_ms
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Out of the years that a date can be written in (0..=9999), the nearest one is shown.
        let ms = self.unix_ms.clamp(-62_167_219_200_000, 253_402_300_799_999);
        let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (date, time) = (moment.date(), moment.time());
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            date.year(),
            u8::from(date.month()),
            date.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.millisecond()
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let moment = OffsetDateTime::parse(&text, &Rfc3339)
            .map_err(|_| de::Error::custom("expected an RFC 3339 time"))?;
        i64::try_from(moment.unix_timestamp_nanos().div_euclid(1_000_000))
            .map(Self::from_unix_ms)
            .map_err(de::Error::custom)
    }
}

#[cfg(feature = "openapi")]
mod schema {
    use utoipa::openapi::RefOr;
    use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};

    impl utoipa::PartialSchema for super::Timestamp {
        fn schema() -> RefOr<Schema> {
            ObjectBuilder::new()
                .schema_type(Type::String)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
                .examples(["2026-11-20T12:00:07.120Z"])
                .into()
        }
    }

    impl utoipa::ToSchema for super::Timestamp {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_with_milliseconds_and_read_back() {
        let moment = Timestamp::from_unix_ms(1_795_176_007_120);
        let text = serde_json::to_string(&moment).unwrap();
        assert_eq!(text, "\"2026-11-20T12:00:07.120Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), moment);
    }

    #[test]
    fn a_moment_before_1970_is_read_and_written_alike() {
        let moment = Timestamp::from_unix_ms(-1);
        assert_eq!(moment.to_string(), "1969-12-31T23:59:59.999Z");
        let text = serde_json::to_string(&moment).unwrap();
        assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), moment);
    }
}

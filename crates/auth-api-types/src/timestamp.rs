//! A moment as people are shown it; never what an expiry is decided by.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime};

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

    /// What it is written as. By hand, since every validation writes four of them.
    pub(crate) fn text(self) -> [u8; 24] {
        // Out of the years that a date can be written in (0..=9999), the nearest one is shown.
        let ms = self.unix_ms.clamp(-62_167_219_200_000, 253_402_300_799_999);
        let moment = OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = moment.to_calendar_date();
        let (hour, minute, second) = moment.to_hms();
        let mut text = *b"0000-00-00T00:00:00.000Z";
        digits(&mut text[..4], year.unsigned_abs());
        digits(&mut text[5..7], u8::from(month).into());
        digits(&mut text[8..10], day.into());
        digits(&mut text[11..13], hour.into());
        digits(&mut text[14..16], minute.into());
        digits(&mut text[17..19], second.into());
        digits(&mut text[20..23], u32::try_from(ms.rem_euclid(1000)).unwrap_or_default());
        text
    }

    /// The moment that exactly what [`text`](Self::text) writes stands for; `None` for any other
    /// form, which may still be one of the standard's.
    fn of_text(text: &[u8]) -> Option<Self> {
        let text: &[u8; 24] = text.try_into().ok()?;
        let around = [text[4], text[7], text[10], text[13], text[16], text[19], text[23]];
        if &around != b"--T::.Z" {
            return None;
        }
        let small = |range: Range<usize>| u8::try_from(number(&text[range])?).ok();
        let year = i32::try_from(number(&text[..4])?).ok()?;
        let date = Date::from_calendar_date(year, small(5..7)?.try_into().ok()?, small(8..10)?);
        let time = date.ok()?.with_hms(small(11..13)?, small(14..16)?, small(17..19)?).ok()?;
        let seconds = time.assume_utc().unix_timestamp();
        Some(Self { unix_ms: seconds * 1000 + i64::from(number(&text[20..23])?) })
    }
}

/// A moment's text, which is all ASCII.
fn as_str(text: &[u8; 24]) -> &str {
    std::str::from_utf8(text).unwrap_or_default()
}

/// Writes the last digits of a number, as many as there is room for.
fn digits(room: &mut [u8], mut number: u32) {
    for digit in room.iter_mut().rev() {
        *digit = b"0123456789"[(number % 10) as usize];
        number /= 10;
    }
}

/// A number of digits and nothing else.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
    })
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(as_str(&self.text()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(as_str(&self.text()))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 time")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
                if let Some(moment) = Timestamp::of_text(text.as_bytes()) {
                    return Ok(moment);
                }
                let moment = OffsetDateTime::parse(text, &Rfc3339)
                    .map_err(|_| E::custom("expected an RFC 3339 time"))?;
                i64::try_from(moment.unix_timestamp_nanos().div_euclid(1_000_000))
                    .map(Timestamp::from_unix_ms)
                    .map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
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

    #[test]
    fn every_day_and_every_form_reads_as_the_standard_says() {
        for day in -719_528_i64..=2_932_896 {
            let moment = Timestamp::from_unix_ms(day * 86_400_000 + day.rem_euclid(86_400_000));
            let text = moment.to_string();
            assert_eq!(Timestamp::of_text(text.as_bytes()), Some(moment), "{text}");
            if day % 97 == 0 {
                let by_the_book = OffsetDateTime::parse(&text, &Rfc3339).unwrap();
                assert_eq!(
                    by_the_book.unix_timestamp_nanos(),
                    i128::from(moment.unix_ms) * 1_000_000
                );
            }
        }
        for (other, same) in [
            ("2026-11-20T13:00:07.12+01:00", "2026-11-20T12:00:07.120Z"),
            ("2026-11-20t12:00:07.1209z", "2026-11-20T12:00:07.120Z"),
        ] {
            let read: Timestamp = serde_json::from_value(other.into()).unwrap();
            assert_eq!(read.to_string(), same);
        }
        for wrong in
            ["2026-02-29T00:00:00.000Z", "2026-01-01T24:00:00.000Z", "+026-01-01T00:00:00.000Z"]
        {
            assert!(serde_json::from_value::<Timestamp>(wrong.into()).is_err(), "{wrong}");
        }
    }
}

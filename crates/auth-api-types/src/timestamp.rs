//! A moment as people are shown it; never what an expiry is decided by.

use std::fmt;
use std::ops::Range;

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

    /// What it is written as. By hand, since every validation writes four of them.
    pub(crate) fn text(self) -> [u8; 24] {
        // Out of the years that a date can be written in (0..=9999), the nearest one is shown.
        let ms = self.unix_ms.clamp(-62_167_219_200_000, 253_402_300_799_999);
        let small = |number: i64| u32::try_from(number).unwrap_or_default();
        let (day, ms) =
            (small(ms.div_euclid(DAY_MS) + BEFORE_1970 + CYCLE), small(ms.rem_euclid(DAY_MS)));
        let (year, month, day) = date_of(day);
        let (minutes, ms) = (ms / 60_000, ms % 60_000);
        let [c, y] = [year / 100, year % 100].map(two);
        let [m, d] = [month, day].map(two);
        let [hour, minute, second] = [minutes / 60, minutes % 60, ms / 1000].map(two);
        let (tenths, [_, thousandth]) = (two(ms / 10 % 100), two(ms % 10));
        [
            c[0], c[1], y[0], y[1], b'-', m[0], m[1], b'-', d[0], d[1], b'T', hour[0], hour[1],
            b':', minute[0], minute[1], b':', second[0], second[1], b'.', tenths[0], tenths[1],
            thousandth, b'Z',
        ]
    }

    /// The moment that exactly what [`text`](Self::text) writes stands for; `None` for any other
    /// form, which may still be one of the standard's.
    pub(crate) fn of_text(text: &[u8]) -> Option<Self> {
        let text: &[u8; 24] = text.try_into().ok()?;
        let around = [text[4], text[7], text[10], text[13], text[16], text[19], text[23]];
        if &around != b"--T::.Z" {
            return None;
        }
        let below = |range: Range<usize>, limit| number(&text[range]).filter(|n| *n < limit);
        let day = day_of(number(&text[..4])?, number(&text[5..7])?, number(&text[8..10])?)?;
        let (hour, minute) = (below(11..13, 24)?, below(14..16, 60)?);
        let seconds = (hour * 60 + minute) * 60 + below(17..19, 60)?;
        let ms = i64::from(seconds) * 1000 + i64::from(number(&text[20..23])?);
        Some(Self { unix_ms: day * DAY_MS + ms })
    }
}

const DAY_MS: i64 = 86_400_000;
/// From the first of March of the year 0 to 1970-01-01: years that end with February end with the
/// day that not all of them have.
const BEFORE_1970: i64 = 719_468;
/// The days of 400 years, after which the calendar repeats itself.
const CYCLE: i64 = 146_097;

/// The year, the month and the day of a day in the years 0 to 9999, counted from the first of March 400
/// years before them.
fn date_of(day: u32) -> (u32, u32, u32) {
    let (cycle, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year + cycle * 400 + next_year - 400, month, day)
}

/// How many days after 1970-01-01 this date is; `None` for one that is in no calendar.
fn day_of(year: u32, month: u32, day: u32) -> Option<i64> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(is_leap),
        _ => return None,
    };
    if !(1..=days).contains(&day) {
        return None;
    }
    let (year, month) =
        if month > 2 { (year.into(), month - 3) } else { (i64::from(year) - 1, month + 9) };
    let (cycle, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day = i64::from((153 * month + 2) / 5 + day - 1);
    Some(cycle * CYCLE + year * 365 + year / 4 - year / 100 + day - BEFORE_1970)
}

/// A moment's text, which is all ASCII.
fn as_str(text: &[u8; 24]) -> &str {
    std::str::from_utf8(text).unwrap_or_default()
}

/// The last two digits of a number.
fn two(number: u32) -> [u8; 2] {
    let digit = |number: u32| b"0123456789"[(number % 10) as usize];
    [digit(number / 10), digit(number)]
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

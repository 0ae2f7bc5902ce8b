//! The date of an HTTP answer, whatever the wall clock says: in place of the crate of that name, for
//! hyper.
//!
//! That crate panics where the clock says a date that an HTTP date cannot say, before 1970 or after
//! 9999: every request would die of a battery that is empty. Here such a date is the nearest one that
//! can be said. There is no more of the crate here than hyper, the exporter of traces and the
//! writer of mails use.

use std::error;
use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;
/// The last second of the year 9999.
const LAST: u64 = 253_402_300_799;
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A date, shown as an
/// [IMF-fixdate](https://www.rfc-editor.org/rfc/rfc9110#name-date-time-formats) of 29 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HttpDate {
    /// Seconds since the beginning of 1970.
    seconds: u64,
}

impl From<SystemTime> for HttpDate {
    fn from(time: SystemTime) -> Self {
        let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { seconds: seconds.min(LAST) }
    }
}

impl Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.seconds / DAY, self.seconds % DAY);
        let (year, month, day) = civil(days);
        let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
        let weekday = name(&WEEKDAYS, days % 7);
        let month = name(&MONTHS, month - 1);
        write!(f, "{weekday}, {day:02} {month} {year:04} {hours:02}:{minutes:02}:{seconds:02} GMT")
    }
}

/// A text that is no date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error;

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no date that HTTP sends")
    }
}

impl error::Error for Error {}

impl FromStr for HttpDate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        seconds(text).map(|seconds| Self { seconds }).ok_or(Error)
    }
}

impl From<HttpDate> for SystemTime {
    fn from(date: HttpDate) -> Self {
        UNIX_EPOCH + Duration::from_secs(date.seconds)
    }
}

/// Reads a date in the one form that is still sent. The day of the week is not looked at.
///
/// # Errors
///
/// It is in another form, or there is no such day or time.
pub fn parse_http_date(text: &str) -> Result<SystemTime, Error> {
    seconds(text).map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds)).ok_or(Error)
}

fn seconds(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once(", ")?;
    let parts: Vec<&str> = rest.split([' ', ':']).collect();
    let [day, month, year, hours, minutes, seconds, "GMT"] = parts[..] else { return None };
    let number = |digits: &str| digits.parse::<u64>().ok();
    let month = MONTHS.into_iter().position(|name| name == month)?;
    let date = (number(year)?, u64::try_from(month).ok()? + 1, number(day)?);
    let (hours, minutes, seconds) = (number(hours)?, number(minutes)?, number(seconds)?);
    // No year has more days; which one it is, is found by the function that this turns round.
    let first = date.0.checked_sub(1970)?.checked_mul(365)?;
    let days = (first..first.checked_add(2500)?).find(|days| civil(*days) == date)?;
    let in_range = hours < 24 && minutes < 60 && seconds < 60;
    in_range.then_some(days * DAY + hours * 3600 + minutes * 60 + seconds).filter(|at| *at <= LAST)
}

fn name(names: &[&'static str], number: u64) -> &'static str {
    usize::try_from(number).ok().and_then(|number| names.get(number)).copied().unwrap_or_default()
}

/// Year, month and day of a day since the beginning of 1970, by Howard Hinnant's
/// [`civil_from_days`](https://howardhinnant.github.io/date_algorithms.html#civil_from_days): years
/// begin with March, so that a leap day is a year's last.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn shown(seconds: u64) -> String {
        HttpDate::from(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
    }

    #[test]
    fn dates_are_shown_as_the_standard_says() {
        for (seconds, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_799, "Tue, 29 Feb 2000 23:59:59 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
            (1_798_761_599, "Thu, 31 Dec 2026 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (LAST, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(shown(seconds), date);
        }
    }

    #[test]
    fn a_date_that_cannot_be_said_is_the_nearest_that_can() {
        for before in [1, 86_400, 2_000_000_000] {
            let time = UNIX_EPOCH - Duration::from_secs(before);
            assert_eq!(HttpDate::from(time).to_string(), shown(0));
        }
        for after in [LAST + 1, LAST * 7] {
            assert_eq!(shown(after), shown(LAST));
        }
    }

    #[test]
    fn a_date_is_read_as_it_is_shown_and_no_other() {
        for seconds in [0, 784_111_777, 951_782_400, 1_798_761_599, LAST] {
            let read = parse_http_date(&shown(seconds));
            assert_eq!(read, Ok(UNIX_EPOCH + Duration::from_secs(seconds)));
        }
        for text in [
            "",
            "120",
            "Sun, 06 Nov 1994",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 30 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 06 Nov 18446744073709551615 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
        ] {
            assert_eq!(parse_http_date(text), Err(Error), "{text}");
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        for days in 1..=LAST / DAY {
            let ((year, month, day), (next_year, next_month, next_day)) =
                (civil(days - 1), civil(days));
            let same_month = (next_year, next_month, next_day) == (year, month, day + 1);
            let next = next_day == 1
                && ((next_year, next_month) == (year, month + 1)
                    || (next_year, next_month, month) == (year + 1, 1, 12));
            assert!(same_month != next && (1..=31).contains(&day), "{days}");
            assert!(day >= 28 || same_month, "{days}");
        }
    }
}

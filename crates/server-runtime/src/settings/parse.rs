//! How values are written: durations, rates, booleans, lists and addresses.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

/// How the text of a setting is parsed, and how the accepted texts are described.
#[derive(Debug)]
pub struct Parser<T> {
    /// What it accepts, for `--help` and for errors: "a duration such as 30s".
    pub accepted: &'static str,
    /// Its meaning; `None` for what it does not accept.
    pub parse: fn(&str) -> Option<T>,
}

/// Whatever `T` is: a derived one would ask that of `T`.
impl<T> Clone for Parser<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Parser<T> {}

impl<T> Parser<T> {
    /// A parser that takes what `accepted` says.
    pub const fn new(accepted: &'static str, parse: fn(&str) -> Option<T>) -> Self {
        Self { accepted, parse }
    }
}

/// A [`duration`].
pub const DURATION: Parser<Duration> =
    Parser::new("a duration such as 300ms, 30s, 12h or 7d, or 0", duration);
/// A [`duration`] above zero.
pub const POSITIVE_DURATION: Parser<Duration> =
    Parser::new("a duration above zero such as 300ms, 30s, 12h or 7d", positive_duration);
/// A [`Rate`].
pub const RATE: Parser<Rate> = Parser::new("a rate such as 10/5m, or 0 for no limit", rate);
/// `true` or `false`.
pub const BOOLEAN: Parser<bool> = Parser::new("true or false", |text| text.parse().ok());
/// An IP address and a port.
pub const SOCKET_ADDR: Parser<SocketAddr> =
    Parser::new("an address with a port such as 127.0.0.1:8080 or [::]:8080", socket_addr);
/// Any text, as it is.
pub const TEXT: Parser<String> = Parser::new("any text", |text| Some(text.to_owned()));
/// Networks of proxies that are believed, never everybody's.
pub const PROXY_NETWORKS: Parser<Vec<IpNet>> = Parser::new(
    "networks such as 10.0.0.0/8 or addresses, separated by commas, none wider than /8 (IPv6: \
     /7): whoever is in them is believed",
    proxy_networks,
);

/// The longest duration that is accepted: it can be added to any clock without overflow.
const LONGEST: Duration = Duration::from_hours(24 * 365 * 1000);

/// A number of occurrences in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many; 0 where there is no limit.
    pub count: u32,
    /// In which period; above zero unless there is no limit.
    pub per: Duration,
}

impl Rate {
    /// No limit at all, written `0`.
    pub const OFF: Self = Self { count: 0, per: Duration::ZERO };

    /// Whether there is no limit.
    pub const fn is_off(&self) -> bool {
        self.count == 0
    }
}

/// A whole number followed by `ms`, `s`, `m`, `h` or `d`, or a bare `0`.
pub fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let duration = Duration::from_millis(number.checked_mul(unit_ms)?);
    (duration <= LONGEST).then_some(duration)
}

/// The same, above zero.
fn positive_duration(text: &str) -> Option<Duration> {
    duration(text).filter(|duration| !duration.is_zero())
}

/// A duration of whole milliseconds as [`duration`] reads it, in the largest unit without a rest.
pub fn written(duration: Duration) -> String {
    let ms = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let unit = units.into_iter().find(|(unit_ms, _)| ms > 0 && ms.is_multiple_of(*unit_ms));
    let (unit_ms, unit) = unit.unwrap_or((1, "ms"));
    format!("{}{unit}", ms / unit_ms)
}

/// A count and a period, `10/5m`; `0` is no limit.
fn rate(text: &str) -> Option<Rate> {
    if text == "0" {
        return Some(Rate::OFF);
    }
    let (count, per) = text.split_once('/')?;
    let all_digits = count.bytes().all(|b| b.is_ascii_digit());
    let count: u32 = count.parse().ok().filter(|_| all_digits)?;
    let per = positive_duration(per)?;
    Some(if count == 0 { Rate::OFF } else { Rate { count, per } })
}

/// A whole number within `range`, in digits alone.
pub fn within<N: FromStr + PartialOrd>(text: &str, range: RangeInclusive<N>) -> Option<N> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && range.contains(number))
}

/// Items separated by commas, white space around them ignored; none of them may be empty.
pub fn list<T>(text: &str, item: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split(',')
        .map(str::trim)
        .map(|one| if one.is_empty() { None } else { item(one) })
        .collect()
}

/// An IP address and a port; `localhost` stands for `127.0.0.1`.
fn socket_addr(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?))),
        None => text.parse().ok(),
    }
}

/// Networks of proxies that are believed; an address is a network of its own. One that is wider
/// than any organisation's would have everybody believed, and is none.
fn proxy_networks(text: &str) -> Option<Vec<IpNet>> {
    list(text, |item| {
        let network = item.parse().ok().or_else(|| item.parse::<IpAddr>().ok().map(IpNet::from))?;
        let narrow = match network {
            IpNet::V4(network) => network.prefix_len() >= 8,
            IpNet::V6(network) => network.prefix_len() >= 7,
        };
        narrow.then_some(network)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_with_a_unit() {
        for (text, ms) in [
            ("0", 0),
            ("300ms", 300),
            ("30s", 30_000),
            ("5m", 300_000),
            ("12h", 43_200_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn whatever_else_is_no_duration() {
        for text in [
            "",
            "s",
            "30",
            "-1s",
            "+1s",
            "1.5s",
            "30 s",
            "30S",
            "1w",
            " 30s",
            "30s ",
            "٣s",
            "18446744073709551615d",
            "99999999999999999999s",
            "18446744073709551615ms",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_is_written_as_it_is_read() {
        for text in ["0ms", "300ms", "1500ms", "30s", "90s", "5m", "12h", "7d", "30d"] {
            assert_eq!(written(duration(text).unwrap()), text);
        }
        assert_eq!(written(Duration::from_hours(24)), "1d");
    }

    #[test]
    fn a_duration_above_zero_is_not_zero_and_its_description_does_not_offer_it() {
        assert_eq!(positive_duration("1ms"), Some(Duration::from_millis(1)));
        for text in ["0", "0s", "0ms", "soon"] {
            assert_eq!(positive_duration(text), None, "{text}");
        }
        assert!(!POSITIVE_DURATION.accepted.ends_with(" 0"));
    }

    #[test]
    fn a_rate_is_a_count_and_a_period() {
        let five_minutes = Duration::from_mins(5);
        assert_eq!(rate("10/5m"), Some(Rate { count: 10, per: five_minutes }));
        assert_eq!(rate("0"), Some(Rate::OFF));
        assert_eq!(rate("0/5m"), Some(Rate::OFF));
        for text in ["", "10", "/5m", "10/", "10/0", "10/5", "-1/5m", "+1/5m", "4294967296/1s"] {
            assert_eq!(rate(text), None, "{text}");
        }
    }

    #[test]
    fn bounds_are_kept_and_signs_refused() {
        assert_eq!(within("8", 8..=128), Some(8));
        for bad in ["7", "129", "+9", "-9", "", "9.0"] {
            assert_eq!(within(bad, 8..=128), None::<i32>, "{bad}");
        }
    }

    #[test]
    fn a_list_has_no_empty_items() {
        let number = |text: &str| text.parse::<u8>().ok();
        assert_eq!(list("1, 2 ,3", number), Some(vec![1, 2, 3]));
        for text in ["", "1,", ",1", "1,,2", "1,x"] {
            assert_eq!(list(text, number), None, "{text}");
        }
    }

    #[test]
    fn who_is_believed_is_never_everybody() {
        for text in ["10.0.0.0/8", "192.0.2.1", "::1", "fc00::/7, 127.0.0.0/8", "2001:db8::/32"] {
            assert!(proxy_networks(text).is_some(), "{text}");
        }
        for text in [
            "0.0.0.0/0",
            "::/0",
            "0::0/0",
            "10.0.0.0/0",
            "127.0.0.1, 0.0.0.0/0",
            "0.0.0.0/1, 128.0.0.0/1",
            "64.0.0.0/7",
            "2000::/3",
            "::/1",
            "10.0.0.0/33",
            "10.0.0.0/8,",
            "",
        ] {
            assert_eq!(proxy_networks(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_has_a_port() {
        assert_eq!(socket_addr("localhost:80"), Some(SocketAddr::from(([127, 0, 0, 1], 80))));
        assert!(socket_addr("[::]:0").is_some());
        for text in ["", "127.0.0.1", ":80", "host:80", "127.0.0.1:65536", "localhost:"] {
            assert_eq!(socket_addr(text), None, "{text}");
        }
    }
}

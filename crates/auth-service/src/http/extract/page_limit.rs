//! How many entries one page of a list has.

use std::ops::RangeInclusive;

use crate::http::error::ApiError;
use crate::operations::{Fault, Field};

const ACCEPTED: RangeInclusive<u16> = 1..=500;
const DEFAULT: u16 = 50;

/// Reads the parameter `limit`, which may be left out.
pub(crate) fn page_limit(text: Option<&str>) -> Result<u16, ApiError> {
    let Some(text) = text else { return Ok(DEFAULT) };
    let limit = text.parse().ok().filter(|limit| ACCEPTED.contains(limit));
    limit.ok_or_else(|| {
        ApiError::Parameter(Field::new("limit", Fault::Unreadable("is a number from 1 to 500")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_1_to_500_entries_and_50_where_nothing_is_said() {
        assert_eq!(page_limit(None).unwrap(), 50);
        assert_eq!(page_limit(Some("1")).unwrap(), 1);
        assert_eq!(page_limit(Some("500")).unwrap(), 500);
        for text in ["", "0", "501", "-1", "1e2", " 5", "18446744073709551616"] {
            assert_eq!(page_limit(Some(text)).unwrap_err().status(), 400, "{text}");
        }
    }
}

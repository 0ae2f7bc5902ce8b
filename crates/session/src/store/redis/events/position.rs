//! Positions: the name of a history, and of each stream the number of an event. A number is written as
//! digits of five bits, the lowest first, and the sixth bit says that more follow; numbers of 64 streams
//! take some 200 characters then.

use crate::store::redis::key::BASE64URL;

/// The bits of a digit, and the one that says that another follows.
const BITS: u32 = 5;
const MORE: u64 = 1 << BITS;

/// The largest number that is read, and that an event can have.
pub(super) const LARGEST: u64 = (1 << (u64::BITS - 2 * BITS + 1)) - 1;

/// Behind the event of this number in each stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StreamPosition<'a> {
    pub(super) history: &'a str,
    pub(super) numbers: Vec<u64>,
}

impl<'a> StreamPosition<'a> {
    /// What was written; `None` for anything else, or where there are not so many streams.
    pub(super) fn read(text: &'a str, streams: usize) -> Option<Self> {
        let (history, digits) = text.split_once('.')?;
        let mut digits = digits.bytes();
        let mut numbers = Vec::with_capacity(streams);
        while digits.len() > 0 {
            numbers.push(number(&mut digits)?);
        }
        (numbers.len() == streams).then_some(Self { history, numbers })
    }
}

/// The history and the number of a position of a single server; `None` for anything else.
pub(crate) fn only_number(text: &str) -> Option<(&str, u64)> {
    let position = StreamPosition::read(text, 1)?;
    Some((position.history, *position.numbers.first()?))
}

/// A position as text.
pub(super) fn written(history: &str, numbers: &[u64]) -> Box<str> {
    let mut text = String::with_capacity(history.len() + 1 + 4 * numbers.len());
    text.push_str(history);
    text.push('.');
    for number in numbers {
        push(&mut text, *number);
    }
    text.into()
}

fn push(text: &mut String, mut number: u64) {
    loop {
        let (digit, rest) = (number % MORE, number / MORE);
        let digit = if rest > 0 { digit + MORE } else { digit };
        text.push(char::from(BASE64URL[usize::try_from(digit).unwrap_or_default()]));
        if rest == 0 {
            return;
        }
        number = rest;
    }
}

/// INVARIANT: each number is read from one text alone, and none is too large to be counted on.
fn number(digits: &mut std::str::Bytes<'_>) -> Option<u64> {
    let (mut number, mut shift) = (0, 0);
    loop {
        let digit = digits.next()?;
        let digit = BASE64URL.iter().position(|other| *other == digit)? as u64;
        if shift > u64::BITS - 2 * BITS {
            return None;
        }
        number |= (digit % MORE) << shift;
        if digit < MORE {
            return (digit > 0 || shift == 0).then_some(number);
        }
        shift += BITS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        for numbers in [vec![0], vec![31, 32, 1_023, 1_024, 0, 1 << 53], vec![1_500; 64]] {
            let text = written("h", &numbers);
            let read = StreamPosition::read(&text, numbers.len()).unwrap();
            assert_eq!((read.history, &read.numbers), ("h", &numbers));
            assert_eq!(StreamPosition::read(&text, numbers.len() + 1), None);
            assert_eq!(StreamPosition::read(&format!("{text}A"), numbers.len()), None);
            assert_eq!(StreamPosition::read(&text[..text.len() - 1], numbers.len()), None);
        }
        assert_eq!(written("h", &[1_500; 64]).len(), 2 + 64 * 3);
        for text in
            ["", "h", "h.", ".", "h.gA", "h.g", "h.é", "h.+", "h.A.A", "h.__________________B"]
        {
            assert_eq!(StreamPosition::read(text, 1), None, "{text}");
        }
    }
}

//! Names and user agents as nodes of version 1 packed them. Nothing is packed any more: it froze the
//! phrases of one year's browsers into stored data. This can go once no session of such a node lives,
//! at the latest when their longest lifetime has passed.
//!
//! A text that was not packed, as `unpack_phrases` meets it in a record of version 2, unpacks to itself:
//! the codes are bytes that no UTF-8 has.

/// The characters of a packed name, three to two bytes. A digit is a number from 1; 0 fills up.
const ALPHABET: &[u8; 39] = b"abcdefghijklmnopqrstuvwxyz0123456789.@-";
/// One more than there are characters.
const BASE: u16 = 40;

/// Bytes that no UTF-8 text has, each with the text that it replaces.
const PHRASES: [(u8, &str); 13] = [
    (0xc0, "Mozilla/5.0 ("),
    (0xc1, "Windows NT 10.0; Win64; x64) "),
    (0xf5, "Macintosh; Intel Mac OS X 10_15_7) "),
    (0xf6, "X11; Linux x86_64) "),
    (0xf7, "Linux; Android 10; K) "),
    (0xf8, "iPhone; CPU iPhone OS "),
    (0xf9, " like Mac OS X) "),
    (0xfa, "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/"),
    (0xfb, "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/"),
    (0xfc, ".0.0.0 "),
    (0xfd, "Safari/537.36"),
    (0xfe, "Gecko/20100101 Firefox/"),
    (0xff, "Mobile"),
];

/// The name that was packed; `None` if none was.
pub(super) fn unpack_name(packed: &[u8]) -> Option<String> {
    let mut name = String::with_capacity(packed.len() * 3 / 2 + 1);
    for two in packed.chunks(2) {
        let digits = match *two {
            [high, low] => {
                let number = u16::from_be_bytes([high, low]);
                [number / BASE / BASE, number / BASE % BASE, number % BASE]
            }
            [alone] => [alone.into(), 0, 0],
            _ => return None,
        };
        for digit in digits.into_iter().filter(|digit| *digit > 0) {
            name.push((*ALPHABET.get(usize::from(digit) - 1)?).into());
        }
    }
    Some(name)
}

/// The words that were packed; `None` if none were.
pub(super) fn unpack_title(packed: &[u8]) -> Option<String> {
    let mut begins = true;
    let capital = |letter: char| {
        let letter = if letter == '@' { ' ' } else { letter };
        let shown = if begins { letter.to_ascii_uppercase() } else { letter };
        begins = matches!(letter, ' ' | '-');
        shown
    };
    Some(unpack_name(packed)?.chars().map(capital).collect())
}

/// The text with its phrases written out; `None` if it is no text.
pub(super) fn unpack_phrases(packed: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(packed.len() * 2);
    let mut rest = packed;
    while let Some(at) = rest.iter().position(|byte| phrase_of(*byte).is_some()) {
        text.push_str(std::str::from_utf8(&rest[..at]).ok()?);
        text.push_str(phrase_of(rest[at])?);
        rest = &rest[at + 1..];
    }
    text.push_str(std::str::from_utf8(rest).ok()?);
    Some(text)
}

fn phrase_of(byte: u8) -> Option<&'static str> {
    if byte < PHRASES[0].0 {
        return None;
    }
    PHRASES.iter().find(|(code, _)| *code == byte).map(|(_, phrase)| *phrase)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_version_1_packed_is_read() {
        let name = |packed: &[u8]| unpack_name(packed).unwrap();
        assert_eq!(name(&[0x08, 0x7e]), "ann");
        assert_eq!(name(&[0x08, 0x7e, 0xed, 0xf5, 0x03]), "ann@b.c");
        assert_eq!(unpack_title(&[0x08, 0x7e]).unwrap(), "Ann");
        let agent = unpack_phrases(b"\xc0\xf6\xfa142\xfc\xfd").unwrap();
        let kit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        assert_eq!(
            agent,
            format!("Mozilla/5.0 (X11; Linux x86_64) {kit} Chrome/142.0.0.0 Safari/537.36")
        );
    }

    proptest! {
        #[test]
        fn a_text_that_was_not_packed_unpacks_to_itself(text in ".{0,40}") {
            prop_assert_eq!(unpack_phrases(text.as_bytes()), Some(text));
        }

        #[test]
        fn whatever_stands_there_unpacks_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let _ = (unpack_name(&bytes), unpack_title(&bytes), unpack_phrases(&bytes));
        }
    }
}

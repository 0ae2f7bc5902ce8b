//! Texts that many sessions have, in fewer bytes: names of plain letters, and user agents, which are
//! all made of the same phrases.
//!
//! INVARIANT: what is packed unpacks to the same text. Codes and alphabet are kept as they are, since
//! records with them are in servers.

/// The characters of a packed name, three to two bytes. A place is a number from 1; 0 fills up.
const ALPHABET: &[u8; 39] = b"abcdefghijklmnopqrstuvwxyz0123456789.@-";
/// One more than there are characters.
const BASE: u16 = 40;

/// Bytes that no UTF-8 text has, each with what it stands for.
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

/// A name in two thirds of its bytes; `None` where it has other characters.
pub(super) fn pack_name(name: &str) -> Option<Vec<u8>> {
    let mut packed = Vec::with_capacity(name.len() * 2 / 3 + 2);
    for three in name.as_bytes().chunks(3) {
        let mut number = 0;
        for at in 0..3 {
            number = number * BASE + three.get(at).map_or(Some(0), |byte| place(*byte))?;
        }
        match three {
            [alone] => packed.push(place(*alone)?.to_le_bytes()[0]),
            _ => packed.extend(number.to_be_bytes()),
        }
    }
    Some(packed)
}

/// The name that was packed; `None` if none was.
pub(super) fn unpack_name(packed: &[u8]) -> Option<String> {
    let mut name = String::with_capacity(packed.len() * 3 / 2 + 1);
    for two in packed.chunks(2) {
        let places = match *two {
            [high, low] => {
                let number = u16::from_be_bytes([high, low]);
                [number / BASE / BASE, number / BASE % BASE, number % BASE]
            }
            [alone] => [alone.into(), 0, 0],
            _ => return None,
        };
        for place in places.into_iter().filter(|place| *place > 0) {
            name.push((*ALPHABET.get(usize::from(place) - 1)?).into());
        }
    }
    Some(name)
}

/// The same for words that begin with a capital and have no other.
pub(super) fn pack_title(title: &str) -> Option<Vec<u8>> {
    let packed = pack_name(&title.to_ascii_lowercase().replace(' ', "@"))?;
    (unpack_title(&packed)? == title).then_some(packed)
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

/// A text with its frequent phrases in one byte each.
pub(super) fn pack_phrases(text: &str) -> Vec<u8> {
    let mut packed = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let phrase = PHRASES.iter().find_map(|(code, phrase)| {
            rest.strip_prefix(phrase.as_bytes()).map(|after| (*code, after))
        });
        let (byte, after) = phrase.unwrap_or((*first, after));
        packed.push(byte);
        rest = after;
    }
    packed
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

/// The place of a character, from 1.
fn place(character: u8) -> Option<u16> {
    let place = ALPHABET.iter().position(|known| *known == character)?;
    u16::try_from(place + 1).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_name_takes_two_thirds_of_its_bytes() {
        let packed = |name| pack_name(name).map(|packed| packed.len());
        assert_eq!(packed("user000001@example.com"), Some(15));
        assert_eq!(packed("ann"), Some(2));
        assert_eq!(packed(""), Some(0));
        for other in ["Ann", "an_n", "jürgen", "a b"] {
            assert_eq!(packed(other), None);
        }
        let packed = |title| pack_title(title).map(|packed| packed.len());
        assert_eq!(packed("Ann Example"), Some(8));
        assert_eq!(packed("Jean-Luc B. 2"), Some(9));
        for other in ["ann", "Ann McCoy", "ANN", "A@b", "Zoë"] {
            assert_eq!(packed(other), None, "{other}");
        }
    }

    #[test]
    fn a_browser_takes_a_few_bytes() {
        let of = |text: &str| pack_phrases(text).len();
        let kit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        assert_eq!(
            of(&format!("Mozilla/5.0 (X11; Linux x86_64) {kit} Chrome/142.0.0.0 Safari/537.36")),
            8
        );
        assert_eq!(of("curl/8.5.0"), 10);
    }

    proptest! {
        #[test]
        fn what_is_packed_unpacks_to_the_same(
            any_text in ".{0,40}",
            name in "[a-z0-9.@-]{0,40}",
            title in "[A-Z][a-z0-9]{0,9}( [A-Z][a-z]{0,9}){0,3}",
            parts in proptest::collection::vec(0..PHRASES.len(), 0..6),
        ) {
            prop_assert_eq!(unpack_name(&pack_name(&name).unwrap()), Some(name));
            prop_assert_eq!(unpack_title(&pack_title(&title).unwrap()), Some(title));
            for text in [&any_text, &parts.iter().map(|at| PHRASES[*at].1).collect()] {
                prop_assert_eq!(unpack_phrases(&pack_phrases(text)), Some(text.clone()));
                if let Some(packed) = pack_name(text) {
                    prop_assert_eq!(unpack_name(&packed), Some(text.clone()));
                }
                if let Some(packed) = pack_title(text) {
                    prop_assert_eq!(unpack_title(&packed), Some(text.clone()));
                }
            }
        }

        #[test]
        fn whatever_stands_there_unpacks_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let _ = (unpack_name(&bytes), unpack_title(&bytes), unpack_phrases(&bytes));
        }
    }
}

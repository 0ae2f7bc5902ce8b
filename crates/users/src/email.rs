//! User names: which are accepted, and what they are compared by.

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

use crate::casefold::{casefold, is_default_ignorable};

/// RFC 5321 leaves no room for more.
const MAX_LEN: usize = 254;
/// A spelling of a name may be longer than the name: letters and accents apart, invisible ones between.
const MAX_SPELLING_LEN: usize = 4 * MAX_LEN;
/// As often as the key of a key is made again before it is taken as it is.
const PASSES: usize = 8;

/// What user names are compared by: made here, because databases fold differently.
///
/// Trimmed of all white space and split at its last `@`; the domain by its ASCII form
/// ([UTS 46](https://www.unicode.org/reports/tr46/)), the local part by `NFKC_Casefold`. The key of
/// a key is itself. A text too long for any name is only trimmed.
pub fn fold_name(name: &str) -> String {
    let mut key = name.trim().to_owned();
    if key.len() > MAX_SPELLING_LEN {
        return key;
    }
    for _ in 0..PASSES {
        let folded = fold_once(&key);
        if folded == key {
            break;
        }
        key = folded;
    }
    key
}

fn fold_once(name: &str) -> String {
    let name = name.trim();
    match name.rsplit_once('@') {
        Some((local, domain)) => format!("{}@{}", casefold(local), domain_key(domain)),
        None => casefold(name),
    }
}

/// The domain in ASCII without the dot of the root; where there is no such form, folded.
fn domain_key(domain: &str) -> String {
    let key = ascii_domain(domain).unwrap_or_else(|| {
        let folded = casefold(domain);
        ascii_domain(&folded).unwrap_or(folded)
    });
    key.trim_end_matches('.').to_owned()
}

fn ascii_domain(domain: &str) -> Option<String> {
    let (denied, length) = (AsciiDenyList::URL, DnsLength::Ignore);
    let ascii = Uts46::new().to_ascii(domain.as_bytes(), denied, Hyphens::Allow, length).ok()?;
    Some(ascii.into_owned())
}

/// A folded name; `None` for what no stored name can have, so that it need not be looked for.
pub(crate) fn key(name: &str) -> Option<String> {
    let key = fold_name(name);
    let possible =
        !key.is_empty() && name.trim().len() <= MAX_SPELLING_LEN && !key.contains(char::is_control);
    possible.then_some(key)
}

/// Why an address is refused as a user name, if it is. It is stored without white space around it.
pub(crate) fn check(address: &str) -> Result<(), &'static str> {
    if address.contains(char::is_control) {
        return Err("an e-mail address has no control characters");
    }
    let address = address.trim();
    if address.len() > MAX_LEN {
        return Err("an e-mail address has at most 254 bytes");
    }
    if address.contains(|c: char| c.is_whitespace() || is_invisible(c)) {
        return Err("an e-mail address has no white space and nothing invisible within");
    }
    match address.split_once('@') {
        Some((local, domain)) if is_local_part(local) && is_domain(domain) => Ok(()),
        _ => Err("an e-mail address has the form name@domain"),
    }
}

/// Compared it must still be there, and not look like an address of its own.
fn is_local_part(local: &str) -> bool {
    let key = casefold(local);
    !key.trim().is_empty() && !key.contains('@')
}

fn is_domain(domain: &str) -> bool {
    let is_literal = domain.starts_with('[') && domain.ends_with(']') && domain.is_ascii();
    let labels = |domain: &str| domain.split('.').all(|label| !label.is_empty());
    !domain.contains('@')
        && labels(domain)
        && (is_literal || ascii_domain(domain).is_some_and(|ascii| labels(&ascii)))
}

/// Characters that take no room, look like a space, or turn the reading direction: with them, two
/// names look the same.
pub(crate) fn is_invisible(c: char) -> bool {
    is_default_ignorable(c) || matches!(c, '\u{2800}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_looks_alike_or_is_written_otherwise_is_one_name() {
        let decomposed = "rene\u{301}@example.com";
        for (spelling, name) in [
            (" Ann@Example.COM ", "ann@example.com"),
            ("\u{a0}ann@example.com\u{3000}", "ann@example.com"),
            ("\tann@example.com\r\n", "ann@example.com"),
            ("\u{85}\u{2028}ann@example.com\u{2003}", "ann@example.com"),
            ("an\u{200b}n@example.com\u{feff}", "ann@example.com"),
            ("an\u{200d}n\u{202e}@example.com", "ann@example.com"),
            ("ＡＮＮ@ｅｘａｍｐｌｅ．com", "ann@example.com"),
            ("ann＠example.com", "ann@example.com"),
            (decomposed, "ren\u{e9}@example.com"),
            ("REN\u{c9}@example.com", decomposed),
            ("straße@example.com", "STRASSE@example.com"),
            ("ΟΔΟΣ@example.com", "οδος@example.com"),
            ("ann@bücher.example", "ann@BÜCHER.EXAMPLE"),
            ("ann@bu\u{308}cher.example", "ann@xn--bcher-kva.example"),
            ("ann@XN--BCHER-KVA.example", "ann@bücher.example"),
            ("ann@example.com.", "ann@example.com"),
            ("ann@example。com。", "ann@example.com"),
            ("❤\u{fe0f}@example.com", "❤@example.com"),
            ("ann@❤\u{fe0f}.example", "ann@❤.example"),
        ] {
            assert_eq!(key(spelling), key(name), "{spelling:?} {name:?}");
            assert!(key(spelling).is_some(), "{spelling:?}");
        }
    }

    #[test]
    fn what_is_another_name_stays_one() {
        for (one, other) in [
            ("аnn@example.com", "ann@example.com"),
            ("ıvy@example.com", "ivy@example.com"),
            ("rene@example.com", "rené@example.com"),
            ("ann@straße.example", "ann@strasse.example"),
            ("ann@example.com", "ann@example.co"),
            ("a.nn@example.com", "ann@example.com"),
            ("ann+a@example.com", "ann@example.com"),
            ("a@b@example.com", "a@example.com"),
            ("a＠b@example.com", "a@b"),
        ] {
            assert_ne!(key(one), key(other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_name_that_cannot_be_stored_is_not_looked_for() {
        for name in ["", "   ", "a\0b@example.com", "a\r\nb@example.com", &"x".repeat(100_000)] {
            assert_eq!(key(name), None);
        }
        assert_eq!(fold_name(&"X".repeat(100_000)).len(), 100_000, "one bucket all the same");
    }

    #[test]
    fn plausible_addresses_are_accepted_as_they_are() {
        for name in [
            "ann@example.com",
            "a=b+c'--@example.com",
            "root@localhost",
            " \u{a0}ann@example.com\u{3000}\u{2003}",
            "René@Bücher.example",
            "ann@xn--bcher-kva.example",
            "ann@exa_mple.com",
            "ann@[192.0.2.1]",
            "❤@example.com",
            "ı@example.com",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn implausible_addresses_are_refused() {
        let long = format!("{}@example.com", "a".repeat(250));
        for name in [
            "",
            "ann",
            "@example.com",
            "ann@",
            "a@b@c",
            "a＠b@example.com",
            "ann＠example.com",
            "a b@example.com",
            "a\u{a0}b@example.com",
            "a\u{200b}@b.c",
            "a\u{200d}b@example.com",
            "\u{202e}ann@example.com",
            "ann@example..com",
            "ann@example.com.",
            "ann@example.com。",
            "ann@.com",
            "ann@xn--a",
            "ann@exa\u{200d}mple.com",
            "ann@a＠b",
            "ann\n@example.com",
            "\tann@example.com",
            "ann@example.com\n",
            "ann@example.com\u{85}",
            "a\0@example.com",
            &long,
        ] {
            assert!(check(name).is_err(), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn the_key_of_a_key_is_itself(name in ".{0,40}", domain in "[\\PC]{0,20}") {
            for name in [name.clone(), format!("{name}@{domain}")] {
                let key = fold_name(&name);
                prop_assert_eq!(fold_name(&key), key);
            }
        }

        #[test]
        fn the_key_does_not_depend_on_case_composition_width_or_white_space(
            local in "[a-zA-Z0-9éüßñÅø]{1,20}", domain in "[a-z0-9éüñ]{1,20}"
        ) {
            let name = format!("{local}@{domain}.example");
            let nfd: String = icu_normalizer::DecomposingNormalizerBorrowed::new_nfd()
                .normalize(&name)
                .into_owned();
            let wide: String = name
                .chars()
                .map(|c| match c {
                    '!'..='?' | 'A'..='~' => char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c),
                    c => c,
                })
                .collect();
            for other in [name.to_uppercase(), name.to_lowercase(), nfd, wide, format!("\u{3000}{name}\t")] {
                prop_assert_eq!(fold_name(&other), fold_name(&name));
            }
        }

        #[test]
        fn what_is_accepted_has_a_key_with_one_at_sign(name in "[\\PC]{1,12}@[\\PC]{1,12}") {
            if check(&name).is_ok() {
                prop_assert_eq!(key(&name).unwrap_or_default().matches('@').count(), 1);
            }
        }
    }
}

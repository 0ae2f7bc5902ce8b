//! Unicode's `NFKC_Casefold` ([Unicode §3.13, D146](https://www.unicode.org/versions/latest/core-spec/chapter-3/#G63737)):
//! texts that differ in case, in width, in how accents are composed or in invisible characters only
//! come out equal.
//!
//! What comes out may change with the version of Unicode that the standard library and
//! `icu_normalizer` know: raise `KEY_VERSION` of the store with them.

use icu_normalizer::ComposingNormalizerBorrowed;

const NFKC: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfkc();
/// A second pass is needed where folding uncovers what can be composed; more never were.
const PASSES: usize = 8;

/// The text as it is compared. Folding the result again changes nothing.
pub(crate) fn casefold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = fold_once(text);
    for _ in 1..PASSES {
        let again = fold_once(&folded);
        if again == folded {
            break;
        }
        folded = again;
    }
    folded
}

fn fold_once(text: &str) -> String {
    let composed = NFKC.normalize(text);
    let visible = composed.chars().filter(|c| !is_default_ignorable(*c));
    let folded: String = visible.flat_map(fold_char).collect();
    NFKC.normalize(&folded).into_owned()
}

/// Through both cases, which makes one of all that share either: the same classes as Unicode's
/// full case folding, but for the dotless i, whose upper case is that of another letter.
fn fold_char(c: char) -> impl Iterator<Item = char> {
    let as_is = (c == 'ı').then_some(c);
    let cased = as_is
        .is_none()
        .then(|| c.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase));
    as_is.into_iter().chain(cased.into_iter().flatten())
}

/// `Default_Ignorable_Code_Point`: what takes no room, or turns the reading direction.
pub(crate) fn is_default_ignorable(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_only_in_case_width_or_composition_is_equal() {
        for (one, other) in [
            ("ÄNN", "änn"),
            ("e\u{301}", "É"),
            ("ａｎｎ１", "ANN1"),
            ("straße", "STRASSE"),
            ("STRAẞE", "strasse"),
            ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
            ("ﬁne", "FINE"),
            ("\u{212a}elvin", "kelvin"),
            ("a\u{200d}n\u{200b}n\u{2060}", "ann"),
            ("İ", "i\u{307}"),
        ] {
            assert_eq!(casefold(one), casefold(other), "{one} {other}");
        }
    }

    #[test]
    fn what_are_different_letters_stays_different() {
        for (one, other) in [("ı", "i"), ("аnn", "ann"), ("é", "e"), ("ø", "o"), ("İ", "i")] {
            assert_ne!(casefold(one), casefold(other), "{one} {other}");
        }
    }

    #[test]
    fn each_character_is_folded_once_and_for_all() {
        for c in '\0'..='\u{2fa1f}' {
            let folded = casefold(&c.to_string());
            assert_eq!(casefold(&folded), folded, "{:x}", u32::from(c));
        }
    }
}

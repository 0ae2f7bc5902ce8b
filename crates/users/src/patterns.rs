//! Passwords that are long and yet hold next to nothing: repetitions and walks over the keyboard.

/// Sequences that fingers and heads know. Each is walked in both directions, round its end as well.
const SEQUENCES: [&str; 18] = [
    "abcdefghijklmnopqrstuvwxyz",
    "1234567890",
    "0123456789",
    "!@#$%^&*()",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    "qazwsxedcrfvtgbyhnujmikolp",
    "zaq12wsxcde34rfvbgt56yhnmju78ik,.lo90p;/",
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
    "a1b2c3d4e5f6g7h8i9j0",
];

/// A run shorter than this is no walk.
const MIN_RUN: usize = 3;
/// A unit that is repeated is worth no more than itself.
const SHORT_UNIT: usize = 6;

/// The shortest text of which this one is a repetition, the last time perhaps cut off; the whole
/// text if it is none.
pub(crate) fn unit(text: &[char]) -> &[char] {
    let repeats = |period: &usize| text.iter().zip(&text[*period..]).all(|(a, b)| a == b);
    let period = (1..=text.len() / 2).find(repeats).unwrap_or(text.len());
    &text[..period]
}

/// Whether it is one character, or a short pattern, over and over.
pub(crate) fn is_repetition(text: &[char]) -> bool {
    let unit = unit(text);
    unit.len() < text.len() && unit.len() <= SHORT_UNIT
}

/// Whether it is made of nothing but runs along known sequences, each of four or more on average.
/// `text` is lower-cased.
pub(crate) fn is_walk(text: &[char]) -> bool {
    let (mut at, mut runs) = (0, 0);
    while at < text.len() {
        let run = longest_run(&text[at..]);
        if run < MIN_RUN {
            return false;
        }
        at += run;
        runs += 1;
    }
    runs > 0 && runs * 4 <= text.len()
}

fn longest_run(text: &[char]) -> usize {
    SEQUENCES.iter().map(|sequence| run_along(sequence, text)).max().unwrap_or(0)
}

fn run_along(sequence: &str, text: &[char]) -> usize {
    let keys: Vec<char> = sequence.chars().collect();
    let Some(start) = text.first().and_then(|first| keys.iter().position(|key| key == first))
    else {
        return 0;
    };
    let along = |step: usize| {
        let expected = (0..).map(|n| keys[(start + n * step) % keys.len()]);
        text.iter().zip(expected).take_while(|(c, key)| *c == key).count()
    };
    along(1).max(along(keys.len() - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    #[test]
    fn repetitions_are_seen_whatever_is_repeated() {
        for text in ["aaaaaaaaaaaaaaa", "abcabcabcabcabca", "12121212121212121", "ÄäÄäÄäÄäÄäÄäÄäÄä"]
        {
            assert!(is_repetition(&chars(text)), "{text}");
        }
        for text in ["aaaaaaaaaaaaaab", "banana is yellow", "a", ""] {
            assert!(!is_repetition(&chars(text)), "{text}");
        }
        assert_eq!(unit(&chars("passwordpassword")), chars("password"));
    }

    #[test]
    fn walks_are_seen_in_both_directions_and_in_pieces() {
        for text in [
            "qwertyuiopasdfghjkl",
            "123456789012345",
            "9876543210987654",
            "1qaz2wsx3edc4rfv",
            "qwerty123456789",
            "abcdefghijklmnop",
            "asdfghjkl12345",
        ] {
            assert!(is_walk(&chars(text)), "{text}");
        }
        for text in ["correct horse battery", "qwerty is my cat", "4821905736284610", ""] {
            assert!(!is_walk(&chars(text)), "{text}");
        }
    }
}

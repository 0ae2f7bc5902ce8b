//! The form of a token, worked out here once more from its description alone.

use serde_json::Value;

use crate::harness::{AuthService, is_alive};

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Zlib's CRC-32, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| {
        if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
    };
    let one = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), step);
    !bytes.iter().fold(u32::MAX, one)
}

fn base62(mut number: u128, width: usize) -> String {
    let mut digits = vec![b'0'; width];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[usize::try_from(number % 62).unwrap()];
        number /= 62;
    }
    String::from_utf8(digits).unwrap()
}

fn read_base62(text: &str) -> u128 {
    let digit = |byte: u8| DIGITS.iter().position(|digit| *digit == byte).unwrap() as u128;
    text.bytes().fold(0, |number, byte| number * 62 + digit(byte))
}

/// The token of this id and secret, with the right checksum.
fn token(id: &str, secret: &str) -> String {
    let body = format!("rfl_{id}{secret}");
    format!("{body}{}", base62(crc32(body.as_bytes()).into(), 6))
}

fn reason(verdict: &Value) -> &str {
    assert!(!is_alive(verdict));
    verdict["reason"].as_str().unwrap()
}

#[test]
fn the_checksum_of_this_test_is_zlibs() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    assert_eq!((base62(61, 2).as_str(), base62(62, 2).as_str()), ("0z", "10"));
}

#[test]
fn a_token_is_a_prefix_an_id_a_secret_and_a_checksum() {
    let auth = AuthService::start();
    let login = auth.login_answer("jsf.fusco@gmail.com", "postman");
    let text = login["token"].as_str().unwrap();
    assert_eq!((text.len(), &text[..4]), (64, "rfl_"));
    assert!(text[4..].bytes().all(|byte| DIGITS.contains(&byte)), "{text}");
    assert_eq!(text, token(&text[4..26], &text[26..58]));
    let id = uuid::Uuid::from_u128(read_base62(&text[4..26]));
    assert_eq!(id.get_version_num(), 7);
    assert_eq!(login["session"]["id"], id.to_string());
}

#[test]
fn ids_rise_with_time_and_secrets_share_nothing() {
    let auth = AuthService::start();
    let tokens = auth.tokens(4);
    assert!(
        tokens.windows(2).all(|pair| pair[0][4..26] < pair[1][4..26]),
        "ids of later logins are greater"
    );
    for pair in tokens.windows(2) {
        let same =
            pair[0][26..58].bytes().zip(pair[1][26..58].bytes()).filter(|(a, b)| a == b).count();
        assert!(same < 16, "two secrets have {same} of 32 characters in common");
    }
}

#[test]
fn a_wrong_secret_with_a_right_checksum_is_unknown() {
    let auth = AuthService::start();
    let good = auth.token();
    let forged = token(&good[4..26], &"0".repeat(32));
    assert_eq!(reason(&auth.validate(&forged)), "unknown");
    auth.logout(&good);
    assert_eq!(reason(&auth.validate(&forged)), "unknown", "also where the session is dead");
}

#[test]
fn an_id_that_nobody_issued_is_unknown() {
    let auth = AuthService::start();
    let invented = token(&base62(7, 22), &"1".repeat(32));
    assert_eq!(reason(&auth.validate(&invented)), "unknown");
    assert_eq!(reason(&auth.validate(&token(&base62(u128::MAX, 22), &"1".repeat(32)))), "unknown");
}

#[test]
fn what_does_not_look_like_a_token_is_malformed() {
    let auth = AuthService::start();
    let good = auth.token();
    let strange = [String::new(), good[..63].to_owned(), format!("{good}\n"), "x".repeat(60_000)];
    for text in strange {
        assert_eq!(reason(&auth.validate(&text)), "malformed", "{text:?}");
    }
}

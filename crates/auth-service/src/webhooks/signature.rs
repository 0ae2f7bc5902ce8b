//! The signature of a post, as Standard Webhooks have it
//! ([Signature scheme](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md)).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::config::WebhookKeys;

/// What the header says: a signature by each key, separated by spaces. `None` where there is none.
///
/// INVARIANT: an id has no full stop in it, so that the parts of what is signed cannot be moved.
pub(super) fn of(keys: &WebhookKeys, id: &str, timestamp: i64, body: &str) -> Option<String> {
    let signatures = keys.expose().map(|key| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
        for part in [id, ".", &timestamp.to_string(), ".", body] {
            mac.update(part.as_bytes());
        }
        Some(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
    });
    let signatures: Option<Vec<_>> = signatures.collect();
    signatures.filter(|all| !all.is_empty()).map(|all| all.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That of the libraries of Standard Webhooks.
    const EXAMPLE: (&str, &str, i64, &str, &str) = (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        r#"{"test": 2432232314}"#,
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    );

    #[test]
    fn a_signature_is_that_of_the_published_example() {
        let (secret, id, timestamp, body, signature) = EXAMPLE;
        let keys = WebhookKeys::read(secret).unwrap();
        assert_eq!(of(&keys, id, timestamp, body).unwrap(), signature);
    }

    #[test]
    fn each_of_several_keys_signs() {
        let (secret, id, timestamp, body, signature) = EXAMPLE;
        let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let keys = |text: &str| WebhookKeys::read(text).unwrap();
        let both = of(&keys(&format!("{other},{secret}")), id, timestamp, body).unwrap();
        let (first, second) = both.split_once(' ').unwrap();
        assert_eq!(second, signature);
        assert_eq!(first, of(&keys(other), id, timestamp, body).unwrap());
    }
}

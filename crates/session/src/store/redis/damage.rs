//! Keys of sessions whose value is no session, or one of another version.

use std::sync::Arc;
use std::time::Duration;

use super::server::{Server, connect};
use super::tests::UNIT;
use super::{RedisStore, key::shown, record, session_key};
use crate::TouchContext;
use crate::store::conformance::logout;
use crate::store::conformance::{Client, Fixture, Held, fresh_digest, look, use_of};
use crate::{
    ClientDigest, Condition, Ending, Kind, NewSession, SecretDigest, ValueChange, Verdict,
};

async fn fixture(server: &Server) -> Fixture {
    Fixture::real(Arc::new(RedisStore::new(connect(&server.url()).await)), UNIT)
}

fn key(held: Held) -> String {
    shown(session_key(held.id))
}

/// A session, and commands that replace it by something else.
fn replacements(key: &str) -> Vec<Vec<String>> {
    let long = "x".repeat(5_000);
    let wrong_length = format!("\u{1}{}", "\u{7f}".repeat(90));
    let texts = ["", "x", "\u{1}", "\u{2}", long.as_str(), wrong_length.as_str()];
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    let mut commands: Vec<Vec<String>> =
        texts.iter().map(|text| words(&["SET", key, text])).collect();
    commands.push(words(&["LPUSH", key, "x"]));
    commands.push(words(&["HSET", key, "digest", "x"]));
    commands.push(words(&["SADD", key, "x"]));
    commands.push(words(&["ZADD", key, "1", "x"]));
    commands.push(words(&["XADD", key, "*", "a", "b"]));
    commands
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_session_is_never_alive_and_can_be_removed() {
    let Some(server) = Server::start(&[]) else { return };
    let fixture = fixture(&server).await;
    let count = replacements("").len();
    for at in 0..count {
        let new = fixture.ending(Kind::Sliding, 1000);
        let held = fixture.insert(&new).await;
        let command = &replacements(&key(held))[at];
        server.cli(&["DEL", &key(held)]);
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        server.cli(&words);
        let presented = [use_of(held), look(held)];
        for answer in fixture.store.touch(&presented, TouchContext::default()).await {
            assert!(!matches!(answer, Ok(Verdict::Alive(_))), "{command:?}: {answer:?}");
        }
        let digest = SecretDigest::from_bytes([7; 32]);
        let rotated = fixture
            .store
            .rotate(&use_of(held), digest, None, ClientDigest::default(), &logout())
            .await;
        assert!(!matches!(rotated, Ok(Verdict::Alive(_))), "{command:?}");
        assert!(!matches!(fixture.store.values(held.id).await, Ok(Some(_))), "{command:?}");
        let put = ValueChange::Put("1".into());
        let written = fixture.store.write_value(held.id, "k", put, Condition::None).await;
        assert!(written.is_err(), "{command:?}: {written:?}");
        assert!(fixture.store.list(new.subject.id).await.unwrap().is_empty(), "{command:?}");
        let ended =
            fixture.store.remove_subject(new.subject.id, Ending::default(), &logout()).await;
        assert!(ended.unwrap().is_empty(), "{command:?}");
        assert_eq!(server.cli(&["EXISTS", &key(held)]), "0", "{command:?}");
        server.cli(&words);
        assert!(!fixture.store.remove(held.id, &logout()).await.unwrap());
        assert_eq!(server.cli(&["EXISTS", &key(held)]), "0", "{command:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_changed_byte_of_a_record_is_dead_or_an_error_or_harmless_and_never_a_panic() {
    let Some(server) = Server::start(&[]) else { return };
    let fixture = fixture(&server).await;
    for is_rotated in [false, true] {
        let held = long_lived(&fixture, is_rotated).await;
        let length: usize = server.cli(&["STRLEN", &key(held)]).parse().unwrap();
        for at in 0..length {
            let held = long_lived(&fixture, is_rotated).await;
            let digest = record::stored_digest(&held.digest);
            let is_there = at.checked_sub(3).and_then(|at| digest.get(at)) == Some(&0x7f);
            let other = if is_there { "~" } else { "\u{7f}" };
            server.cli(&["SETRANGE", &key(held), &at.to_string(), other]);
            let answer =
                fixture.store.touch(&[use_of(held)], TouchContext::default()).await.remove(0);
            // The version, the digest, and the length of what follows.
            if at == 0 || (3..19).contains(&at) || at == 44 {
                assert!(!matches!(answer, Ok(Verdict::Alive(_))), "{at}: {answer:?}");
            }
            if let Ok(Verdict::Alive(session)) = answer {
                assert_eq!(session.id, held.id);
            }
            let client = ClientDigest::default();
            let judged =
                fixture.store.end_reused(&use_of(held), client, Duration::ZERO, &logout()).await;
            assert!(!matches!(judged, Ok(Some(_))), "{at}: the present secret is no reuse");
            // Whatever it is now, it ends.
            fixture.store.remove(held.id, &logout()).await.unwrap();
            assert!(!fixture.lives(held).await);
        }
    }
}

/// A session that outlives the test, and its present secret.
async fn long_lived(fixture: &Fixture, is_rotated: bool) -> Held {
    let held = fixture.insert(&fixture.ending(Kind::Sliding, 1000)).await;
    if !is_rotated {
        return held;
    }
    let digest = fresh_digest();
    let client = Client::BOB.digest();
    fixture.store.rotate(&use_of(held), digest, None, client, &logout()).await.unwrap();
    Held { digest, ..held }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_of_a_later_version_survives_every_change() {
    let Some(server) = Server::start(&[]) else { return };
    let fixture = fixture(&server).await;
    let new = NewSession {
        ttl: Duration::from_hours(1),
        max_lifetime: Duration::from_hours(9),
        ..fixture.new_session()
    };
    let held = fixture.insert(&new).await;
    // A field of the tag for what comes later, and the length that takes it in.
    let length = record::encode(&new).unwrap().len() - 45;
    let low = u8::try_from(length + 8).unwrap();
    server.cli(&["APPEND", &key(held), "\u{7}tomorro"]);
    server.cli(&[
        "EVAL",
        "return redis.call('SETRANGE', KEYS[1], 44, string.char(ARGV[1]))",
        "1",
        &key(held),
        &low.to_string(),
    ]);
    fixture.use_live(held).await;
    let put = ValueChange::Put("1".into());
    fixture.store.write_value(held.id, "k", put, Condition::None).await.unwrap();
    let digest = SecretDigest::from_bytes([7; 32]);
    let verdict = fixture
        .store
        .rotate(&use_of(held), digest, Some(1), ClientDigest::default(), &logout())
        .await
        .unwrap();
    assert!(
        matches!(verdict, Verdict::Alive(session) if session.subject == new.subject && session.refresh_count == 2)
    );
    assert!(server.cli(&["GET", &key(held)]).contains("tomorro"));
    assert_eq!(fixture.store.values(held.id).await.unwrap().map_or(0, |values| values.len()), 1);
}

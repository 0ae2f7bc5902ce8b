//! A packed answer that cannot be read whole is neither a yes nor a no, and nobody is asked again.

use auth_client::{AuthUnavailable, Question};

use super::service::{Act, Form, Service};
use super::{knowing, learn};
use crate::batches::{options, spawn_validate, until_waiting, user};
use crate::client_with;

/// Where the first verdict begins, and its length before that.
const FIRST: usize = 8;

#[tokio::test]
async fn an_answer_that_is_no_whole_packed_one_is_unclear() {
    type Spoil = fn(Vec<u8>) -> Vec<u8>;
    fn with(mut bytes: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
        bytes[at] = byte;
        bytes
    }
    fn longer(bytes: Vec<u8>, by: i8) -> Vec<u8> {
        let length = bytes[4].checked_add_signed(by).unwrap();
        with(bytes, 4, length)
    }
    let spoilt: [(&str, Spoil); 16] = [
        ("nothing", |_| Vec::new()),
        ("a head alone", |bytes| bytes[..4].to_vec()),
        ("another version", |bytes| with(bytes, 0, 2)),
        ("flags", |bytes| with(bytes, 1, 1)),
        ("none", |bytes| with(bytes[..4].to_vec(), 2, 0)),
        ("two", |bytes| with(bytes, 2, 2)),
        ("two, and there are two", |bytes| with([&bytes[..], &bytes[4..]].concat(), 2, 2)),
        ("short by a byte", |bytes| bytes[..bytes.len() - 1].to_vec()),
        ("followed by a byte", |bytes| [&bytes[..], b"\0"].concat()),
        ("a length too short", |bytes| longer(bytes, -1)),
        ("a length too long", |bytes| longer(bytes, 1)),
        ("another verdict", |bytes| with(bytes, FIRST, 9)),
        ("another kind", |bytes| with(bytes, FIRST + 1, 9)),
        ("another flag", |bytes| with(bytes, FIRST + 4, 0x80)),
        ("a field that must be understood", |bytes| {
            longer([&bytes[..], &[200, 0, 0, 0, 0]].concat(), 5)
        }),
        ("JSON", |_| br#"{"authenticated":false,"reason":"revoked"}"#.to_vec()),
    ];
    for (name, spoil) in spoilt {
        let service = Service::start(Act::Answer).await;
        let client = knowing(&service, Act::Spoilt(1, spoil)).await;
        let outcome = client.validate(Question::new("T")).await;
        assert_eq!(outcome, Err(AuthUnavailable::Unclear), "{name}");
        assert_eq!((service.seen().len(), service.count(Form::Packed)), (1, 1), "{name}");
    }
    let service = Service::start(Act::Answer).await;
    let client = knowing(&service, Act::Spoilt(1, |bytes| bytes)).await;
    assert!(client.validate(Question::new("T")).await.is_ok(), "it is the spoiling");
}

/// What the callers of "a" and "b" get who share a request that is answered so.
async fn of_two(spoil: fn(Vec<u8>) -> Vec<u8>) -> [crate::Outcome; 2] {
    let service = Service::start(Act::Answer).await;
    let client = learn(client_with(options(&service.url, 1)), &service, Act::Answer).await;
    let gate = service.close_gate().await;
    let first = spawn_validate(&client, "first");
    service.until_seen(1).await;
    let a = spawn_validate(&client, "a");
    until_waiting(&client, 2).await;
    let b = spawn_validate(&client, "b");
    until_waiting(&client, 3).await;
    service.set_act(Act::Spoilt(2, spoil));
    drop(gate);
    assert_eq!(user(first).await, "first");
    let outcomes = [a.await.unwrap(), b.await.unwrap()];
    assert_eq!(service.tokens(Form::Packed), ["first", "a", "b"]);
    outcomes
}

#[tokio::test]
async fn a_batch_is_unclear_to_all_where_its_frame_is_and_to_one_where_its_verdict_is() {
    let spoilt: [fn(Vec<u8>) -> Vec<u8>; 3] = [
        // One of them alone, one more, and a first one that is a byte too long.
        |bytes| [&[1, 0, 1, 0], &bytes[4..bytes.len() / 2 + 2]].concat(),
        |bytes| [&[1, 0, 3, 0], &bytes[4..], &bytes[4..bytes.len() / 2 + 2]].concat(),
        |mut bytes| {
            bytes[4] += 1;
            bytes
        },
    ];
    for spoil in spoilt {
        let unclear = Err(AuthUnavailable::Unclear);
        assert_eq!(of_two(spoil).await, [unclear.clone(), unclear]);
    }
    let [a, b] = of_two(|mut bytes| {
        bytes[FIRST] = 9;
        bytes
    })
    .await;
    assert_eq!(a, Err(AuthUnavailable::Unclear));
    assert!(b.is_ok(), "{b:?}");
}

//! Streams that are trimmed, refused, lost and moved, and sessions of a cluster that a version before opened.

use std::sync::Arc;
use std::time::Duration;

use super::position::{StreamPosition, written};
use crate::redis_connection::ScriptRequest;
use crate::store::conformance::events::{
    a_reader_that_goes_on_from_any_position_gets_the_next_event, append_many, events, events_of,
};
use crate::store::conformance::{Fixture, Held, end_of, fresh_digest, held, logout, look, use_of};
use crate::store::redis::key::{session_key, shown};
use crate::store::redis::scripts::CREATE;
use crate::store::redis::server::{Server, cluster, cluster_address, connect, fresh_database};
use crate::store::redis::tests::UNIT;
use crate::store::redis::{RedisStore, record};
use crate::{
    Cause, ClientDigest, Condition, Ending, EventKind, EventRead, EventRetention, Insertion, Kind,
    NewSession, ReadFrom, RedisConnection, StoredEvent, TouchContext, ValueChange, ValueWrite,
    Verdict, event_number,
};

const STREAM: &str = "known:events:recent-event-list";
const COUNTER: &str = "known:events:count-and-history";

fn fixture(connection: RedisConnection) -> Fixture {
    Fixture::real(Arc::new(RedisStore::new(connection)), UNIT)
}

fn lasting(fixture: &Fixture) -> NewSession {
    fixture.ending(Kind::Sliding, 10_000)
}

async fn gone(fixture: &Fixture, position: &str) -> bool {
    let read = fixture.store.read_events(ReadFrom::After(position), 9).await.unwrap();
    matches!(read, EventRead::Gone { .. })
}

/// The position behind all.
async fn end(fixture: &Fixture) -> Box<str> {
    let read = fixture.store.read_events(ReadFrom::Now, 1).await.unwrap();
    let EventRead::Page(page) = read else { panic!("{read:?}") };
    page.next
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_goes_on_from_any_of_ten_thousand_positions_gets_the_next_event() {
    let Some(connection) = fresh_database().await else { return };
    a_reader_that_goes_on_from_any_position_gets_the_next_event(&fixture(connection), 10_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_are_stored_than_the_limit_and_a_reader_that_missed_some_is_told() {
    let Some(connection) = fresh_database().await else { return };
    for (limit, most) in [(50, 50), (1_500, 1_800)] {
        let retention = EventRetention { limit, ..EventRetention::default() };
        let store = RedisStore::retaining(connection.clone(), retention);
        let fixture = Fixture::real(Arc::new(store), UNIT);
        let start = end(&fixture).await;
        append_many(&fixture, 2_000).await;
        let stored = events(&fixture).await.len();
        assert!((limit..=most).contains(&stored), "{stored} of {limit}");
        let read = fixture.store.read_events(ReadFrom::After(&start), 9).await.unwrap();
        let EventRead::Gone { oldest } = read else { panic!("{read:?}") };
        let read = fixture.store.read_events(ReadFrom::After(&oldest), 9_999).await.unwrap();
        assert!(matches!(read, EventRead::Page(page) if page.events.len() == stored));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_events_are_dropped_as_others_come() {
    let Some(connection) = fresh_database().await else { return };
    let retention = EventRetention { keep: Duration::from_millis(1), ..EventRetention::default() };
    let store = RedisStore::retaining(connection, retention);
    let fixture = Fixture::real(Arc::new(store), UNIT);
    append_many(&fixture, 600).await;
    let stored = events(&fixture).await.len();
    assert!((1..=256).contains(&stored), "{stored}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_of_an_event_that_is_yet_to_come_is_gone_and_so_is_one_of_an_emptied_server() {
    let Some(server) = Server::start(&[]) else { return };
    let fixture = fixture(connect(&server.url()).await);
    fixture.open().await;
    let now = end(&fixture).await;
    let position = StreamPosition::read(&now, 1).unwrap();
    assert!(!gone(&fixture, &now).await);
    assert!(gone(&fixture, &written(position.history, &[position.numbers[0] + 1])).await);
    assert!(gone(&fixture, &written(position.history, &[u64::MAX >> 5])).await);
    assert_eq!(server.cli(&["flushall"]), "OK");
    fixture.open().await;
    assert_eq!(events(&fixture).await.len(), 1, "as many as before");
    assert!(gone(&fixture, &now).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_its_event_cannot_be_appended_nothing_is_changed() {
    let Some(server) = Server::start(&[]) else { return };
    let fixture = fixture(connect(&server.url()).await);
    let open = async || fixture.insert(&lasting(&fixture)).await;
    let (by_token, by_id, rotated) = (open().await, open().await, open().await);
    let once = fixture.insert(&fixture.ending(Kind::SingleUse, 10_000)).await;
    server.cli(&["RENAME", STREAM, "aside"]);
    assert_eq!(server.cli(&["SET", STREAM, "x"]), "OK");
    let never = lasting(&fixture);
    assert!(fixture.store.insert(&never, 0, &logout()).await.is_err());
    let (client, digest) = (ClientDigest::default(), fresh_digest());
    assert!(fixture.store.rotate(&use_of(rotated), digest, None, client, &logout()).await.is_err());
    for presented in [end_of(by_token), use_of(once)] {
        let outcome = fixture.store.touch(&[presented], TouchContext::default()).await.remove(0);
        assert!(outcome.is_err());
    }
    assert!(fixture.store.remove(by_id.id, &logout()).await.is_err());
    server.cli(&["DEL", STREAM]);
    assert_eq!(server.cli(&["RENAME", "aside", STREAM]), "OK");
    for held in [by_token, by_id, rotated, once] {
        assert!(fixture.lives(held).await);
        assert_eq!(events_of(&fixture, held.id).await.len(), 1);
    }
    assert!(!fixture.lives(held(&never)).await);
    assert!(events_of(&fixture, never.id).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_refuses_openings_without_an_event_and_ends_with_one() {
    let Some(server) = Server::start(&[]) else { return };
    let fixture = fixture(connect(&server.url()).await);
    let open = async || fixture.insert(&lasting(&fixture)).await;
    let (one, two) = (open().await, open().await);
    let single_use = fixture.insert(&fixture.ending(Kind::SingleUse, 10_000)).await;
    assert_eq!(server.cli(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
    let never = lasting(&fixture);
    assert!(fixture.store.insert(&never, 0, &logout()).await.is_err());
    assert!(matches!(fixture.touch(end_of(one)).await, Verdict::Alive(_)));
    assert!(matches!(fixture.touch(use_of(single_use)).await, Verdict::Alive(_)));
    assert!(fixture.store.remove(two.id, &logout()).await.unwrap());
    assert!(events_of(&fixture, never.id).await.is_empty());
    for held in [one, two, single_use] {
        let events = events_of(&fixture, held.id).await;
        assert!(matches!(
            events[..],
            [(EventKind::SessionIssued, _), (EventKind::SessionEnded, _)]
        ));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_count_begins_another_history_and_no_change_fails_for_it() {
    let Some(server) = Server::start(&[]) else { return };
    let fixture = fixture(connect(&server.url()).await);
    fixture.open().await;
    let before = end(&fixture).await;
    assert_eq!(server.cli(&["DEL", COUNTER]), "1");
    fixture.open().await;
    assert!(gone(&fixture, &before).await);
    assert_eq!(events(&fixture).await.len(), 1);
}

/// What readers come to from a position: numbers of events, and `-1` for each time they are told that
/// some are missing.
async fn come_to(fixture: &Fixture, start: &str) -> Vec<i64> {
    let (mut position, mut seen) = (start.to_owned(), Vec::new());
    for _ in 0..100 {
        match fixture.store.read_events(ReadFrom::After(&position), 3).await.unwrap() {
            EventRead::Page(page) if page.events.is_empty() => return seen,
            EventRead::Page(page) => {
                let number = |event: &Arc<StoredEvent>| event_number(&event.position).unwrap().1;
                seen.extend(page.events.iter().map(|event| i64::try_from(number(event)).unwrap()));
                position = page.next.into();
            }
            EventRead::Gone { oldest } => {
                seen.push(-1);
                position = oldest.into();
            }
        }
    }
    panic!("it does not end: {seen:?}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_is_told_once_of_events_that_somebody_took_out_and_goes_on_behind_them() {
    let Some(server) = Server::start(&[]) else { return };
    let fixture = fixture(connect(&server.url()).await);
    let start = end(&fixture).await;
    append_many(&fixture, 10).await;
    assert_eq!(come_to(&fixture, &start).await, (1..=10).collect::<Vec<_>>());
    server.cli(&["XDEL", STREAM, "4-0", "5-0"]);
    assert_eq!(come_to(&fixture, &start).await, [1, 2, 3, -1, 6, 7, 8, 9, 10]);
    server.cli(&["XDEL", STREAM, "10-0"]);
    assert_eq!(come_to(&fixture, &start).await, [1, 2, 3, -1, 6, 7, 8, 9, -1]);
    append_many(&fixture, 1).await;
    assert_eq!(come_to(&fixture, &start).await, [1, 2, 3, -1, 6, 7, 8, 9, -1, 11]);
    server.cli(&["HSET", COUNTER, "number", "2"]);
    assert_eq!(come_to(&fixture, &start).await, [1, 2, 3, -1, 6, 7, 8, 9, -1, 11]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_is_no_event_is_named_and_taken_out_it_holds_up_nobody() {
    let Some(server) = Server::start(&[]) else { return };
    let fixture = fixture(connect(&server.url()).await);
    let start = end(&fixture).await;
    append_many(&fixture, 2).await;
    for (id, fields) in [("3-0", ["a", "x", "e", "x", "r", "x"]), ("4-7", ["", "", "", "", "", ""])]
    {
        server.cli(&["HINCRBY", COUNTER, "number", "1"]);
        server.cli(&[&["XADD", STREAM, id], &fields[..]].concat());
        let error = fixture.store.read_events(ReadFrom::Oldest, 9).await.unwrap_err();
        let named = format!("the entry {id} of {STREAM} is no event");
        assert!(error.to_string().ends_with(&named), "{error}");
        server.cli(&["XDEL", STREAM, id]);
    }
    append_many(&fixture, 130).await;
    let seen = come_to(&fixture, &start).await;
    assert_eq!((&seen[..3], seen.len()), (&[1, 2, -1][..], 133));
    server.cli(&["XADD", STREAM, "9223372036854775807-0", "a", "1", "e", "x", "r", ""]);
    assert!(fixture.store.read_events(ReadFrom::Oldest, 9).await.is_err(), "no position has it");
}

/// Puts a session into a cluster as the version before did.
async fn put_former(connection: &RedisConnection, store: &RedisStore, new: &NewSession) -> Held {
    store.enter(new).await.unwrap();
    let bytes = record::encode(new).unwrap();
    let request = ScriptRequest::on(&CREATE, &session_key(new.id)).arg(bytes);
    connection.run_one(request).await.unwrap();
    store.settle(new, 0, &logout()).await.unwrap();
    held(new)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_a_cluster_that_a_version_before_opened_is_used_and_ends_as_others_do() {
    let Some(servers) = tokio::task::spawn_blocking(|| cluster(0)).await.unwrap() else {
        return;
    };
    let connection = connect(&cluster_address(&servers)).await;
    let store = Arc::new(RedisStore::new(connection.clone()));
    let fixture = Fixture::real(Arc::clone(&store) as Arc<_>, UNIT);
    let mut helds = Vec::new();
    for _ in 0..6 {
        let new = lasting(&fixture);
        helds.push((put_former(&connection, &store, &new).await, new));
    }
    let (old, new) = &helds[0];
    let taken = fixture.store.insert(new, 0, &logout()).await.unwrap();
    assert!(matches!(taken, Insertion::Taken), "{taken:?}");
    assert_eq!(fixture.use_live(*old).await.refresh_count, 1);
    assert_eq!(fixture.look_live(*old).await.refresh_count, 1);
    assert_eq!(fixture.store.list(new.subject.id).await.unwrap().len(), 1);
    let put = ValueChange::Put("1".into());
    let written = fixture.store.write_value(old.id, "k", put, Condition::None).await.unwrap();
    assert_eq!(written, ValueWrite::Put(1));
    assert_eq!(fixture.store.values(old.id).await.unwrap().unwrap().len(), 1);
    let (digest, client) = (fresh_digest(), ClientDigest::default());
    let rotated = fixture.store.rotate(&use_of(*old), digest, None, client, &logout()).await;
    assert!(matches!(rotated, Ok(Verdict::Alive(_))), "{rotated:?}");
    let rotated = Held { digest, ..*old };
    assert!(fixture.lives(rotated).await && !fixture.lives(*old).await);
    assert_eq!(fixture.store.values(old.id).await.unwrap().unwrap().len(), 1);
    let once = fixture.ending(Kind::SingleUse, 10_000);
    let once = put_former(&connection, &store, &once).await;
    fixture.use_live(once).await;
    assert!(matches!(fixture.touch(end_of(rotated)).await, Verdict::Alive(_)));
    assert!(fixture.store.remove(helds[1].0.id, &logout()).await.unwrap());
    let of_subject = helds[2].1.subject.id;
    let ended = fixture.store.remove_subject(of_subject, Ending::default(), &logout()).await;
    assert_eq!(ended.unwrap(), [helds[2].0.id]);
    let many = [helds[3].0.id];
    assert!(matches!(fixture.store.remove_many(&many, &logout()).await[..], [Ok(true)]));
    let endings = [(helds[4].1.subject.id, Ending::default())];
    assert_eq!(fixture.store.remove_subjects(&endings, &logout()).await.unwrap().len(), 1);
    for held in [rotated, once, helds[1].0, helds[2].0, helds[3].0, helds[4].0] {
        assert!(matches!(fixture.touch(look(held)).await, Verdict::Dead(_)));
        let mut events = events_of(&fixture, held.id).await;
        let cause = if held.id == once.id { Cause::Used } else { Cause::Logout };
        assert_eq!(events.pop(), Some((EventKind::SessionEnded, Some(cause))));
        let is_rotated = held.id == rotated.id;
        assert_eq!(events.len(), usize::from(is_rotated), "{events:?}");
    }
    assert!(fixture.lives(helds[5].0).await);
    let keys: String = servers.iter().map(|server| server.cli(&["KEYS", "session:*"])).collect();
    assert_eq!(keys.trim(), shown(session_key(helds[5].0.id)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_cluster_too_a_reader_that_goes_on_from_any_position_gets_the_next_event() {
    let Some(servers) = tokio::task::spawn_blocking(|| cluster(0)).await.unwrap() else {
        return;
    };
    let fixture = fixture(connect(&cluster_address(&servers)).await);
    a_reader_that_goes_on_from_any_position_gets_the_next_event(&fixture, 400).await;
    let before = end(&fixture).await;
    assert_eq!(before.len(), 17 + 64, "{before}");
    let ours = StreamPosition::read(&before, 64).unwrap();
    let mut numbers = ours.numbers.clone();
    numbers[63] += 1;
    assert!(gone(&fixture, &written(ours.history, &numbers)).await);
    // One server that lost what it had is enough for another history.
    assert_eq!(servers[1].cli(&["flushall"]), "OK");
    assert!(gone(&fixture, &before).await);
}

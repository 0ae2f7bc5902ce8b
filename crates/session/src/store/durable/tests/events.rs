//! Events in the file: one is written with its change or not at all, and what a restart finds of them.

use std::sync::atomic::Ordering::SeqCst;

use super::files::connect;
use super::*;
use crate::store::conformance::events::{
    a_reader_that_goes_on_from_any_position_gets_the_next_event, append_many, events, events_of,
};
use crate::store::conformance::{Held, end_of, fresh_digest, held, logout, someone, use_of};
use crate::{EventKind, Kind, NewSession, TouchContext};

type Short = (EventKind, Option<Cause>);

const ISSUED: Short = (EventKind::SessionIssued, Some(Cause::Logout));

fn ended(cause: Cause) -> Short {
    (EventKind::SessionEnded, Some(cause))
}

fn lasting(fixture: &Fixture) -> NewSession {
    fixture.ending(Kind::Sliding, 1000)
}

/// Waits until the file can be written again.
async fn recovered(running: &Running) {
    running.failing.store(false, SeqCst);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while running.store.ping().await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "it does not recover");
        // The manual clock decides when it is tried again.
        running.clock.advance(Duration::from_millis(100));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Checks the events of sessions now, once the file can be written again, and after a kill.
async fn stands(machine: &Machine, running: Running, expected: &[(Held, Vec<Short>)]) {
    recovered(&running).await;
    for (held, expected) in expected {
        assert_eq!(events_of(&running.fixture, held.id).await, *expected);
    }
    running.kill().await;
    let running = machine.start().await;
    for (held, expected) in expected {
        assert_eq!(events_of(&running.fixture, held.id).await, *expected);
    }
}

#[tokio::test]
async fn a_commit_that_fails_stores_no_event_but_those_of_ends_which_happen_all_the_same() {
    let machine = Machine::new();
    let running = machine.start().await;
    let fixture = &running.fixture;
    let (by_token, by_id, rotated) =
        (fixture.open().await, fixture.open().await, fixture.open().await);
    let once = fixture.insert(&fixture.ending(Kind::SingleUse, 1000)).await;
    running.failing.store(true, SeqCst);
    let never = lasting(fixture);
    assert!(running.store.insert(&never, 0, &logout()).await.is_err());
    let client = ClientDigest::default();
    let digest = fresh_digest();
    assert!(running.store.rotate(&use_of(rotated), digest, None, client, &logout()).await.is_err());
    for presented in [use_of(once), end_of(by_token)] {
        assert!(running.store.touch(&[presented], TouchContext::default()).await[0].is_err());
    }
    let revoked = EventContext::without_client(Cause::Revoked);
    assert!(running.store.remove(by_id.id, &revoked).await.is_err());
    let again = running.store.remove(by_id.id, &logout()).await;
    assert!(!again.unwrap_or_default(), "it is dead already");
    let expected = [
        (held(&never), vec![]),
        (rotated, vec![ISSUED]),
        (once, vec![ISSUED]),
        (by_token, vec![ISSUED, ended(Cause::Logout)]),
        (by_id, vec![ISSUED, ended(Cause::Revoked)]),
    ];
    stands(&machine, running, &expected).await;
}

#[tokio::test]
async fn what_ended_in_a_commit_that_failed_and_was_opened_in_it_never_was() {
    let machine = Machine::new();
    let running = machine.start().await;
    let ann = someone();
    let first = running.fixture.open_for(&ann, 1000).await;
    running.failing.store(true, SeqCst);
    let second = NewSession { subject: Arc::clone(&ann), ..lasting(&running.fixture) };
    let context = logout();
    let both = tokio::join!(running.store.insert(&second, 1, &context), async {
        running.store.remove(second.id, &context).await
    });
    assert!(both.0.is_err());
    stands(&machine, running, &[(held(&second), vec![]), (first, vec![ISSUED])]).await;
}

#[tokio::test]
async fn what_expired_while_the_service_was_away_is_one_event() {
    let machine = Machine::new();
    let running = machine.start().await;
    let short = running.fixture.insert(&running.fixture.ending(Kind::Fixed, 2)).await;
    running.kill().await;
    machine.clock.advance(Duration::from_mins(1));
    for _ in 0..2 {
        let running = machine.start().await;
        // It is answered after what a start finds is written.
        running.fixture.open().await;
        let events = events_of(&running.fixture, short.id).await;
        assert_eq!(events, [ISSUED, ended(Cause::Expired)]);
        running.kill().await;
    }
}

#[tokio::test]
async fn the_file_has_no_more_events_than_are_stored_and_gives_them_back_after_a_kill() {
    let machine = Machine::new();
    let running = machine.start().await;
    append_many(&running.fixture, 5_000).await;
    let names = |events: Vec<Event>| -> Vec<String> {
        events.iter().map(|event| event.user.clone().unwrap().username.to_string()).collect()
    };
    let before = names(events(&running.fixture).await);
    assert_eq!(before.len(), 1_000);
    running.kill().await;
    let mut file = connect(&machine.path()).await;
    let bytes: i64 = sqlx::query_scalar("SELECT sum(length(events)) FROM events")
        .fetch_one(&mut file)
        .await
        .unwrap();
    sqlx::Connection::close(file).await.unwrap();
    assert!(bytes < 300_000, "{bytes} bytes for a thousand events");
    let running = machine.start().await;
    assert_eq!(names(events(&running.fixture).await), before);
}

#[tokio::test]
async fn events_that_cannot_be_read_are_damage() {
    let machine = Machine::new();
    let running = machine.start().await;
    running.fixture.open().await;
    running.stop().await;
    let mut file = connect(&machine.path()).await;
    sqlx::query("UPDATE events SET events = x'00000005'").execute(&mut file).await.unwrap();
    sqlx::Connection::close(file).await.unwrap();
    let refusal = machine.refusal().await;
    assert!(refusal.contains("damaged") && refusal.contains("events"), "{refusal}");
}

#[tokio::test]
async fn a_reader_that_goes_on_from_any_of_ten_thousand_positions_gets_the_next_event() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let (path, time) = (directory.path().join("sessions.db"), Arc::new(clock.clone()));
    let retention = EventRetention::default();
    let opened =
        DurableStore::open(&path, Durability::Normal, time, 9, retention, Box::new(|_| {}));
    let opened = opened.await.unwrap();
    let cancel = CancellationToken::new();
    let fixture = Fixture::manual(Arc::new(opened.sessions), clock);
    let reading = async {
        a_reader_that_goes_on_from_any_position_gets_the_next_event(&fixture, 10_000).await;
        cancel.cancel();
    };
    tokio::join!(opened.writer.run(cancel.clone()), reading);
}

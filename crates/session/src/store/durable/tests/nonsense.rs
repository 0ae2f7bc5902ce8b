//! Files that SQLite finds whole, and that say what cannot be: what decides about a session is
//! refused, what does not is left aside.

use std::fs;
use std::task::Poll;

use super::files::run;
use super::*;
use crate::store::conformance::{Held, held};
use crate::{AttemptKey, AttemptStore as _, Kind};

/// What no service has written, and what must be said of it.
const REFUSED: &[(&str, &str)] = &[
    ("UPDATE sessions SET used_ms = -1", "no session"),
    ("UPDATE sessions SET uses = -1", "no session"),
    ("UPDATE sessions SET uses = 4294967296", "no session"),
    ("UPDATE sessions SET id = substr(id, 2)", ""),
    ("UPDATE sessions SET id = CAST(id || x'00' AS BLOB)", ""),
    ("UPDATE sessions SET record = x''", "unreadable"),
    (
        "UPDATE sessions SET record = zeroblob(10000000) WHERE id = (SELECT max(id) FROM sessions)",
        "",
    ),
    ("UPDATE sessions SET record = (SELECT max(record) FROM sessions)", "unreadable"),
    ("UPDATE sessions SET stored_values = x''", "unreadable"),
    ("UPDATE sessions SET stored_values = x'0000000000000001ffffffff'", "unreadable"),
    ("INSERT INTO uses_at_stop (uses) VALUES (x'00')", "uses"),
    ("UPDATE events SET first_number = 0 WHERE first_number = 1", "events"),
    ("UPDATE events SET first_number = -9223372036854775808 WHERE first_number = 1", "events"),
    ("INSERT INTO events SELECT 9223372036854775807, events FROM events LIMIT 1", "events"),
    ("INSERT OR REPLACE INTO events SELECT 2, events FROM events WHERE first_number = 1", "events"),
    ("DELETE FROM anchor", "clock"),
    ("UPDATE anchor SET timeline_ms = -1", "clock"),
    ("UPDATE anchor SET timeline_ms = 9223372036854775807", "clock"),
    ("UPDATE anchor SET unix_ms = -9223372036854775808, boot_id = NULL", "clock"),
    ("UPDATE about SET value = 'nobody' WHERE name = 'identity'", "identity"),
];

/// What no service has written either, and what neither ends nor prolongs a session.
const LEFT_ASIDE: &[&str] = &[
    "UPDATE sessions SET uses = 4294967295",
    "UPDATE anchor SET unix_ms = 9223372036854775807, boot_id = 'another'",
    "UPDATE anchor SET boot_ms = -1, boot_id = 'another'",
    "INSERT INTO known_addresses VALUES (x'', 9223372036854775807), (zeroblob(16), 9223372036854775807)",
    "INSERT INTO known_addresses VALUES (x'07', -9223372036854775808)",
    "INSERT INTO about VALUES ('what a later version knows', '')",
    "INSERT INTO uses_at_stop (uses) VALUES (x''), (zeroblob(2800))",
];

/// A file of a service that has stopped, and one of its sessions.
async fn stopped(machine: &Machine) -> Held {
    let running = machine.start().await;
    running.store.adopt(Uuid::from_u128(7)).await.unwrap();
    let address = AttemptKey::of(&[b"a"]);
    running.attempts.remember(address, Duration::from_hours(1)).await.unwrap();
    let new = running.fixture.ending(Kind::Sliding, 1000);
    for _ in 0..3 {
        running.fixture.open().await;
    }
    running.fixture.insert(&new).await;
    running.stop().await;
    held(&new)
}

#[tokio::test]
async fn what_cannot_be_is_refused_in_one_line_and_left_as_it_is() {
    let machine = Machine::new();
    stopped(&machine).await;
    let whole = fs::read(machine.path()).unwrap();
    for (statement, word) in REFUSED {
        fs::write(machine.path(), &whole).unwrap();
        run(&machine.path(), *statement).await;
        let before = fs::read(machine.path()).unwrap();
        assert_ne!(before, whole, "{statement}: it changes nothing");
        let refusal = machine.refusal().await;
        assert!(refusal.contains("damaged") && refusal.contains(word), "{statement}: {refusal}");
        assert_eq!(refusal.lines().count(), 1, "{statement}: {refusal}");
        assert_eq!(fs::read(machine.path()).unwrap(), before, "{statement}");
    }
}

#[tokio::test]
async fn what_decides_nothing_stops_no_start() {
    let machine = Machine::new();
    let one = stopped(&machine).await;
    let whole = fs::read(machine.path()).unwrap();
    for statement in LEFT_ASIDE {
        fs::write(machine.path(), &whole).unwrap();
        run(&machine.path(), *statement).await;
        let running = machine.start().await;
        assert_eq!(running.store.count().await.unwrap(), 4, "{statement}");
        let session = running.fixture.look_live(one).await;
        assert!(session.expires_in <= running.fixture.unit * 1000, "{statement}");
        running.fixture.use_live(one).await;
        running.store.remove(one.id, &crate::store::conformance::logout()).await.unwrap();
        running.stop().await;
        assert_eq!(machine.start().await.store.count().await.unwrap(), 3, "{statement}");
    }
}

#[tokio::test]
async fn a_page_of_garbage_is_found_wherever_it_is() {
    let machine = Machine::new();
    stopped(&machine).await;
    let whole = fs::read(machine.path()).unwrap();
    // The first has the header, and the second says which page belongs to which other.
    for page in 2..whole.len() / 4096 {
        let mut bytes = whole.clone();
        bytes[page * 4096..][..4096].fill(0xa5);
        fs::write(machine.path(), &bytes).unwrap();
        let refusal = machine.refusal().await;
        assert!(refusal.contains("damaged"), "{page}: {refusal}");
        assert_eq!(refusal.lines().count(), 1, "{page}: {refusal}");
        assert_eq!(fs::read(machine.path()).unwrap(), bytes, "{page}");
    }
}

#[tokio::test]
async fn a_start_that_is_broken_off_at_any_moment_changes_nothing() {
    let machine = Machine::new();
    let one = stopped(&machine).await;
    for polls in 1.. {
        let path = machine.path();
        let mut starting = std::pin::pin!(start(&path, &machine.clock));
        let mut seen = 0;
        let started = std::future::poll_fn(|context| match starting.as_mut().poll(context) {
            Poll::Ready(started) => Poll::Ready(Some(started)),
            Poll::Pending => {
                seen += 1;
                if seen < polls { Poll::Pending } else { Poll::Ready(None) }
            }
        });
        if let Some(started) = started.await {
            assert!(polls > 10, "it was hardly ever broken off");
            assert!(started.unwrap().fixture.lives(one).await);
            return;
        }
    }
}

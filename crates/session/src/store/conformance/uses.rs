//! What a use does to a session of each kind, and what a look does not.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::fixture::assert_over;
use super::{Fixture, Held, look, use_of};
use crate::TouchContext;
use crate::store::conformance::logout;
use crate::{Kind, Session, Verdict};

pub(crate) async fn a_use_gives_a_sliding_session_its_full_idle_time_again(fixture: &Fixture) {
    let held = fixture.open().await;
    fixture.pass(3).await;
    let session = fixture.use_live(held).await;
    assert!(session.expires_in > fixture.unit * 3 && session.expires_in <= fixture.unit * 4);
    fixture.pass(3).await;
    assert!(fixture.lives(held).await);
    fixture.pass(2).await;
    assert_over(&fixture.touch(use_of(held)).await);
}

pub(crate) async fn no_use_passes_the_absolute_end(fixture: &Fixture) {
    let held = fixture.open().await;
    for _ in 0..4 {
        fixture.pass(2).await;
        let session = fixture.use_live(held).await;
        assert!(session.expires_at_ms <= session.absolute_expires_at_ms);
    }
    let session = fixture.look_live(held).await;
    assert_eq!(session.expires_at_ms, session.absolute_expires_at_ms);
    fixture.pass(3).await;
    assert_over(&fixture.touch(use_of(held)).await);
}

pub(crate) async fn a_use_is_counted_and_dated(fixture: &Fixture) {
    let held = fixture.open().await;
    let created_at_ms = fixture.look_live(held).await.created_at_ms;
    let mut last = created_at_ms;
    for count in 1..4 {
        fixture.pass(1).await;
        let session = fixture.use_live(held).await;
        assert_eq!((session.refresh_count, session.created_at_ms), (count, created_at_ms));
        assert!(session.last_used_at_ms > last);
        last = session.last_used_at_ms;
    }
}

pub(crate) async fn a_use_leaves_what_the_session_is(fixture: &Fixture) {
    let held = fixture.open().await;
    let before = fixture.look_live(held).await;
    fixture.pass(1).await;
    let after = fixture.use_live(held).await;
    assert!(after.login_age > before.login_age);
    let changed = Session {
        last_used_at_ms: after.last_used_at_ms,
        expires_at_ms: after.expires_at_ms,
        expires_in: after.expires_in,
        login_age: after.login_age,
        refresh_count: 1,
        ..before
    };
    assert_eq!(after, changed);
}

pub(crate) async fn a_fixed_session_ends_at_its_moment_however_it_is_used(fixture: &Fixture) {
    let held = fixture.insert(&fixture.ending(Kind::Fixed, 5)).await;
    let opened = fixture.look_live(held).await;
    for count in 1..4 {
        fixture.pass(1).await;
        let session = fixture.use_live(held).await;
        assert_eq!((session.refresh_count, session.expires_at_ms), (count, opened.expires_at_ms));
        assert!(session.last_used_at_ms > opened.last_used_at_ms);
        assert!(session.expires_in < opened.expires_in);
    }
    fixture.pass(3).await;
    assert_over(&fixture.touch(use_of(held)).await);
}

pub(crate) async fn a_single_use_session_ends_with_its_first_use(fixture: &Fixture) {
    let new = fixture.ending(Kind::SingleUse, 5);
    let held = fixture.insert(&new).await;
    let session = fixture.use_live(held).await;
    assert_eq!((session.refresh_count, session.kind), (1, Kind::SingleUse));
    fixture.assert_dead(held, new.subject.id).await;
    assert!(!fixture.store.remove(held.id, &logout()).await.unwrap());
    assert_eq!(fixture.store.count().await.unwrap(), 0);
}

/// Presents one token many times at once; the sessions of those that succeeded.
async fn use_at_once(fixture: &Fixture, held: Held, times: usize) -> Vec<Session> {
    let mut uses = JoinSet::new();
    for _ in 0..times {
        let store = Arc::clone(&fixture.store);
        uses.spawn(async move {
            store.touch(&[use_of(held)], TouchContext::default()).await.remove(0).unwrap()
        });
    }
    let verdicts = uses.join_all().await.into_iter();
    let alive = verdicts.filter_map(|verdict| match verdict {
        Verdict::Alive(session) => Some(session),
        Verdict::Dead(_) => None,
    });
    alive.collect()
}

pub(crate) async fn of_many_uses_of_a_single_use_session_at_once_one_succeeds(fixture: &Fixture) {
    for _ in 0..8 {
        let held = fixture.insert(&fixture.ending(Kind::SingleUse, 50)).await;
        assert_eq!(use_at_once(fixture, held, 64).await.len(), 1);
    }
}

pub(crate) async fn uses_at_once_are_all_counted(fixture: &Fixture) {
    let held = fixture.insert(&fixture.ending(Kind::Sliding, 50)).await;
    let sessions = use_at_once(fixture, held, 64).await;
    let mut counts: Vec<u64> = sessions.iter().map(|session| session.refresh_count).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=64).collect::<Vec<_>>());
}

pub(crate) async fn a_look_changes_nothing(fixture: &Fixture) {
    for kind in [Kind::Sliding, Kind::Fixed] {
        let held = fixture.insert(&fixture.ending(kind, 4)).await;
        let opened = fixture.look_live(held).await;
        fixture.pass(3).await;
        let seen = fixture.look_live(held).await;
        assert_eq!((seen.refresh_count, seen.last_used_at_ms), (0, opened.last_used_at_ms));
        assert_eq!(seen.expires_at_ms, opened.expires_at_ms);
        assert!(seen.expires_in < opened.expires_in);
        fixture.pass(2).await;
        assert_over(&fixture.touch(look(held)).await);
    }
}

pub(crate) async fn a_look_does_not_use_up_a_single_use_session(fixture: &Fixture) {
    let held = fixture.insert(&fixture.ending(Kind::SingleUse, 50)).await;
    assert_eq!(fixture.look_live(held).await.refresh_count, 0);
    assert_eq!(fixture.look_live(held).await.refresh_count, 0);
    assert_eq!(fixture.use_live(held).await.refresh_count, 1);
}

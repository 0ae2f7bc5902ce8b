//! Counting and sweeping, which no answer rests on.

use super::fixture::assert_over;
use super::{Fixture, use_of};
use crate::Kind;
use crate::store::conformance::logout;

pub(crate) async fn the_count_follows_what_comes_and_goes(fixture: &Fixture) {
    assert_eq!(fixture.store.count().await.unwrap(), 0);
    let (first, second) = (fixture.open().await, fixture.open().await);
    let once = fixture.insert(&fixture.ending(Kind::SingleUse, 4)).await;
    assert_eq!(fixture.store.count().await.unwrap(), 3);
    fixture.use_live(first).await;
    fixture.use_live(once).await;
    assert_eq!(fixture.store.count().await.unwrap(), 2);
    fixture.store.remove(second.id, &logout()).await.unwrap();
    fixture.store.remove(second.id, &logout()).await.unwrap();
    assert_eq!(fixture.store.count().await.unwrap(), 1);
}

pub(crate) async fn a_sweep_takes_what_has_expired_and_nothing_else(fixture: &Fixture) {
    let mut short = Vec::new();
    for kind in [Kind::Sliding, Kind::Fixed, Kind::SingleUse] {
        short.push(fixture.insert(&fixture.ending(kind, 2)).await);
    }
    let long = fixture.insert(&fixture.ending(Kind::Fixed, 30)).await;
    let swept = fixture.store.sweep().await.unwrap();
    assert_eq!((swept.removed, fixture.store.count().await.unwrap()), (0, 4));
    fixture.pass(3).await;
    let swept = fixture.store.sweep().await.unwrap();
    // A store may have let go of them by itself.
    assert!(swept.removed <= 3);
    assert_eq!(fixture.store.count().await.unwrap(), 1);
    assert_eq!(fixture.store.sweep().await.unwrap().removed, 0);
    assert_eq!(fixture.use_live(long).await.refresh_count, 1);
    for held in short {
        assert_over(&fixture.touch(use_of(held)).await);
    }
}

pub(crate) async fn a_sweep_spares_what_was_used_since(fixture: &Fixture) {
    let held = fixture.insert(&fixture.ending(Kind::Sliding, 4)).await;
    for count in 1..5 {
        fixture.pass(3).await;
        fixture.use_live(held).await;
        fixture.store.sweep().await.unwrap();
        assert_eq!(fixture.look_live(held).await.refresh_count, count);
    }
    fixture.pass(5).await;
    fixture.store.sweep().await.unwrap();
    assert_eq!(fixture.store.count().await.unwrap(), 0);
}

pub(crate) async fn a_sweep_changes_no_answer_but_expired_to_unknown(fixture: &Fixture) {
    let new = fixture.new_session();
    let (held, live) =
        (fixture.insert(&new).await, fixture.insert(&fixture.ending(Kind::Fixed, 50)).await);
    fixture.pass(5).await;
    for _ in 0..2 {
        assert_over(&fixture.touch(use_of(held)).await);
        fixture.assert_dead(held, new.subject.id).await;
        assert!(fixture.lives(live).await);
        fixture.store.sweep().await.unwrap();
    }
}

pub(crate) async fn a_store_answers_and_has_a_name(fixture: &Fixture) {
    fixture.store.ping().await.unwrap();
    assert!(!fixture.store.backend().is_empty());
}

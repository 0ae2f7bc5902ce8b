//! Counting and sweeping, which no answer rests on.

use super::bench::assert_over;
use super::{Bench, use_of};
use crate::Kind;

pub(crate) async fn the_count_follows_what_comes_and_goes(bench: &Bench) {
    assert_eq!(bench.store.count().await.unwrap(), 0);
    let (first, second) = (bench.open().await, bench.open().await);
    let once = bench.insert(&bench.ending(Kind::SingleUse, 4)).await;
    assert_eq!(bench.store.count().await.unwrap(), 3);
    bench.use_live(first).await;
    bench.use_live(once).await;
    assert_eq!(bench.store.count().await.unwrap(), 2);
    bench.store.remove(second.id).await.unwrap();
    bench.store.remove(second.id).await.unwrap();
    assert_eq!(bench.store.count().await.unwrap(), 1);
}

pub(crate) async fn a_sweep_takes_what_has_expired_and_nothing_else(bench: &Bench) {
    let mut short = Vec::new();
    for kind in [Kind::Sliding, Kind::Fixed, Kind::SingleUse] {
        short.push(bench.insert(&bench.ending(kind, 2)).await);
    }
    let long = bench.insert(&bench.ending(Kind::Fixed, 30)).await;
    let swept = bench.store.sweep().await.unwrap();
    assert_eq!((swept.removed, bench.store.count().await.unwrap()), (0, 4));
    bench.pass(3).await;
    let swept = bench.store.sweep().await.unwrap();
    // A store may have let go of them by itself.
    assert!(swept.removed <= 3);
    assert_eq!(bench.store.count().await.unwrap(), 1);
    assert_eq!(bench.store.sweep().await.unwrap().removed, 0);
    assert_eq!(bench.use_live(long).await.refresh_count, 1);
    for held in short {
        assert_over(&bench.touch(use_of(held)).await);
    }
}

pub(crate) async fn a_sweep_spares_what_was_used_since(bench: &Bench) {
    let held = bench.insert(&bench.ending(Kind::Sliding, 4)).await;
    for count in 1..5 {
        bench.pass(3).await;
        bench.use_live(held).await;
        bench.store.sweep().await.unwrap();
        assert_eq!(bench.look_live(held).await.refresh_count, count);
    }
    bench.pass(5).await;
    bench.store.sweep().await.unwrap();
    assert_eq!(bench.store.count().await.unwrap(), 0);
}

pub(crate) async fn a_sweep_changes_no_answer_but_expired_to_unknown(bench: &Bench) {
    let new = bench.new_session();
    let (held, live) =
        (bench.insert(&new).await, bench.insert(&bench.ending(Kind::Fixed, 50)).await);
    bench.pass(5).await;
    for _ in 0..2 {
        assert_over(&bench.touch(use_of(held)).await);
        bench.assert_dead(held, new.subject.id).await;
        assert!(bench.lives(live).await);
        bench.store.sweep().await.unwrap();
    }
}

pub(crate) async fn a_store_answers_and_has_a_name(bench: &Bench) {
    bench.store.ping().await.unwrap();
    assert!(!bench.store.backend().is_empty());
}

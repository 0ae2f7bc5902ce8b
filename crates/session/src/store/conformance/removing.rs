//! Ending one session, for good.

use super::bench::{fresh_digest, fresh_id};
use super::{Bench, Held, use_of};
use crate::{ClientDigest, Condition, Dead, Kind, ValueChange, ValueWrite, Verdict};

/// Races are tried this often.
const ROUNDS: usize = 25;

pub(crate) async fn a_removed_session_is_dead_at_once(bench: &Bench) {
    for kind in [Kind::Sliding, Kind::Fixed, Kind::SingleUse] {
        let new = bench.ending(kind, 50);
        let held = bench.insert(&new).await;
        let other = bench.open().await;
        assert!(bench.store.remove(held.id).await.unwrap());
        bench.assert_dead(held, new.subject.id).await;
        assert!(bench.lives(other).await);
    }
}

pub(crate) async fn a_removal_is_true_once(bench: &Bench) {
    let held = bench.open().await;
    assert!(bench.store.remove(held.id).await.unwrap());
    assert!(!bench.store.remove(held.id).await.unwrap());
    assert!(!bench.store.remove(fresh_id()).await.unwrap());
}

pub(crate) async fn removing_an_expired_session_is_false(bench: &Bench) {
    let held = bench.open().await;
    bench.pass(5).await;
    assert!(!bench.store.remove(held.id).await.unwrap());
}

pub(crate) async fn a_removed_session_is_not_revived_by_a_later_touch(bench: &Bench) {
    let new = bench.new_session();
    let held = bench.insert(&new).await;
    bench.use_live(held).await;
    bench.store.remove(held.id).await.unwrap();
    for _ in 0..3 {
        assert_eq!(bench.touch(use_of(held)).await, Verdict::Dead(Dead::Unknown));
    }
    bench.assert_dead(held, new.subject.id).await;
    assert_eq!(bench.store.count().await.unwrap(), 0);
}

/// Ends a session while `others` work on it; it must be dead as soon as all have returned.
async fn assert_stays_removed<Others>(bench: &Bench, others: impl Fn(Held) -> Others)
where
    Others: Future,
{
    for _ in 0..ROUNDS {
        let new = bench.new_session();
        let held = bench.insert(&new).await;
        let work = async { tokio::join!(others(held), others(held), others(held)) };
        let (_, removed, _) = tokio::join!(work, bench.store.remove(held.id), others(held));
        assert!(removed.is_ok());
        bench.assert_dead(held, new.subject.id).await;
    }
    assert_eq!(bench.store.count().await.unwrap(), 0);
}

pub(crate) async fn a_removed_session_is_not_revived_by_a_concurrent_touch(bench: &Bench) {
    assert_stays_removed(bench, |held| async move {
        bench.store.touch(&[use_of(held), use_of(held)]).await
    })
    .await;
}

pub(crate) async fn a_removed_session_is_not_revived_by_a_concurrent_rotation(bench: &Bench) {
    assert_stays_removed(bench, |held| async move {
        bench.store.rotate(&use_of(held), fresh_digest(), None, ClientDigest::default()).await
    })
    .await;
}

pub(crate) async fn a_removed_session_is_not_revived_by_a_concurrent_write(bench: &Bench) {
    assert_stays_removed(bench, |held| async move {
        let put = ValueChange::Put("1".into());
        let written = bench.store.write_value(held.id, "k", put, Condition::None).await.unwrap();
        assert!(matches!(written, ValueWrite::Put(_) | ValueWrite::Gone), "{written:?}");
    })
    .await;
}

//! Ending one session, for good.

use super::fixture::{fresh_digest, fresh_id};
use super::{Fixture, Held, use_of};
use crate::TouchContext;
use crate::store::conformance::logout;
use crate::{ClientDigest, Condition, Dead, Kind, ValueChange, ValueWrite, Verdict};

/// Races are tried this often.
const ROUNDS: usize = 25;

pub(crate) async fn a_removed_session_is_dead_at_once(fixture: &Fixture) {
    for kind in [Kind::Sliding, Kind::Fixed, Kind::SingleUse] {
        let new = fixture.ending(kind, 50);
        let held = fixture.insert(&new).await;
        let other = fixture.open().await;
        assert!(fixture.store.remove(held.id, &logout()).await.unwrap());
        fixture.assert_dead(held, new.subject.id).await;
        assert!(fixture.lives(other).await);
    }
}

pub(crate) async fn a_removal_is_true_once(fixture: &Fixture) {
    let held = fixture.open().await;
    assert!(fixture.store.remove(held.id, &logout()).await.unwrap());
    assert!(!fixture.store.remove(held.id, &logout()).await.unwrap());
    assert!(!fixture.store.remove(fresh_id(), &logout()).await.unwrap());
}

pub(crate) async fn removing_an_expired_session_is_false(fixture: &Fixture) {
    let held = fixture.open().await;
    fixture.pass(5).await;
    assert!(!fixture.store.remove(held.id, &logout()).await.unwrap());
}

pub(crate) async fn a_removed_session_is_not_revived_by_a_later_touch(fixture: &Fixture) {
    let new = fixture.new_session();
    let held = fixture.insert(&new).await;
    fixture.use_live(held).await;
    fixture.store.remove(held.id, &logout()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(fixture.touch(use_of(held)).await, Verdict::Dead(Dead::Unknown));
    }
    fixture.assert_dead(held, new.subject.id).await;
    assert_eq!(fixture.store.count().await.unwrap(), 0);
}

/// Ends a session while `others` work on it; it must be dead as soon as all have returned.
async fn assert_stays_removed<Others>(fixture: &Fixture, others: impl Fn(Held) -> Others)
where
    Others: Future,
{
    for _ in 0..ROUNDS {
        let new = fixture.new_session();
        let held = fixture.insert(&new).await;
        let work = async { tokio::join!(others(held), others(held), others(held)) };
        let context = logout();
        let removal = fixture.store.remove(held.id, &context);
        let (_, removed, _) = tokio::join!(work, removal, others(held));
        assert!(removed.is_ok());
        fixture.assert_dead(held, new.subject.id).await;
    }
    assert_eq!(fixture.store.count().await.unwrap(), 0);
}

pub(crate) async fn a_removed_session_is_not_revived_by_a_concurrent_touch(fixture: &Fixture) {
    assert_stays_removed(fixture, |held| async move {
        fixture.store.touch(&[use_of(held), use_of(held)], TouchContext::default()).await
    })
    .await;
}

pub(crate) async fn a_removed_session_is_not_revived_by_a_concurrent_rotation(fixture: &Fixture) {
    assert_stays_removed(fixture, |held| async move {
        fixture
            .store
            .rotate(&use_of(held), fresh_digest(), None, ClientDigest::default(), &logout())
            .await
    })
    .await;
}

pub(crate) async fn a_removed_session_is_not_revived_by_a_concurrent_write(fixture: &Fixture) {
    assert_stays_removed(fixture, |held| async move {
        let put = ValueChange::Put("1".into());
        let written = fixture.store.write_value(held.id, "k", put, Condition::None).await.unwrap();
        assert!(matches!(written, ValueWrite::Put(_) | ValueWrite::SessionDead), "{written:?}");
    })
    .await;
}

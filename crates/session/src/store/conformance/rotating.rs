//! Giving a session another secret.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::fixture::{alive, fresh_digest, fresh_id, mistaken};
use super::{Fixture, Held, look, use_of};
use crate::store::conformance::logout;
use crate::{ClientDigest, Condition, Dead, Intent, Presented, Session, ValueChange, Verdict};

/// Rotates to a new secret; the session if it lived, and the token to come.
async fn rotate(fixture: &Fixture, presented: Presented, role: Option<usize>) -> (Verdict, Held) {
    let digest = fresh_digest();
    let verdict = fixture
        .store
        .rotate(&presented, digest, role, ClientDigest::default(), &logout())
        .await
        .unwrap();
    (verdict, Held { id: presented.id, digest })
}

pub(crate) async fn a_rotation_replaces_the_secret_and_nothing_else(fixture: &Fixture) {
    let held = fixture.open().await;
    let before = fixture.look_live(held).await;
    let (verdict, rotated) = rotate(fixture, use_of(held), None).await;
    let after = alive(verdict);
    let expected = Session {
        last_used_at_ms: after.last_used_at_ms,
        expires_at_ms: after.expires_at_ms,
        expires_in: after.expires_in,
        login_age: after.login_age,
        refresh_count: 1,
        ..before
    };
    assert_eq!(after, expected);
    for (presented, dead) in [(look(held), Dead::Unknown), (use_of(held), Dead::Replaced)] {
        assert_eq!(fixture.touch(presented).await, Verdict::Dead(dead));
    }
    assert_eq!(fixture.use_live(rotated).await.refresh_count, 2);
    assert_eq!(fixture.store.list(after.subject.id).await.unwrap().len(), 1);
}

pub(crate) async fn a_rotation_is_a_use_whatever_the_intent(fixture: &Fixture) {
    for intent in [Intent::Use, Intent::Look] {
        let held = fixture.open().await;
        fixture.pass(3).await;
        let (verdict, rotated) = rotate(fixture, Presented { intent, ..use_of(held) }, None).await;
        let session = alive(verdict);
        assert_eq!(session.refresh_count, 1);
        assert!(session.expires_in > fixture.unit * 3);
        fixture.pass(3).await;
        assert!(fixture.lives(rotated).await && !fixture.lives(held).await);
    }
}

pub(crate) async fn a_rotation_gives_another_role_if_one_is_named(fixture: &Fixture) {
    let held = fixture.open().await;
    let (verdict, rotated) = rotate(fixture, use_of(held), Some(2)).await;
    assert_eq!(alive(verdict).role(), "guest");
    let (verdict, rotated) = rotate(fixture, use_of(rotated), None).await;
    assert_eq!(alive(verdict).role(), "guest");
    assert_eq!(fixture.look_live(rotated).await.role, 2);
}

pub(crate) async fn a_rotation_keeps_the_values(fixture: &Fixture) {
    let held = fixture.open().await;
    let put = ValueChange::Put("1".into());
    fixture.store.write_value(held.id, "cart", put, Condition::None).await.unwrap();
    let before = fixture.store.values(held.id).await.unwrap();
    rotate(fixture, use_of(held), None).await;
    assert_eq!(fixture.store.values(held.id).await.unwrap(), before);
    assert_eq!(before.map_or(0, |values| values.len()), 1);
}

pub(crate) async fn of_many_rotations_at_once_one_succeeds(fixture: &Fixture) {
    let held = fixture.open().await;
    let mut rotations = JoinSet::new();
    for _ in 0..16 {
        let (store, digest) = (Arc::clone(&fixture.store), fresh_digest());
        rotations.spawn(async move {
            let verdict = store
                .rotate(&use_of(held), digest, None, ClientDigest::default(), &logout())
                .await
                .unwrap();
            matches!(verdict, Verdict::Alive(_)).then_some(Held { id: held.id, digest })
        });
    }
    let won: Vec<Held> = rotations.join_all().await.into_iter().flatten().collect();
    assert_eq!(won.len(), 1);
    assert!(fixture.lives(won[0]).await && !fixture.lives(held).await);
}

pub(crate) async fn a_rotation_of_what_is_dead_creates_nothing(fixture: &Fixture) {
    let (expired, removed) = (fixture.open().await, fixture.open().await);
    fixture.pass(5).await;
    assert!(!fixture.store.remove(removed.id, &logout()).await.unwrap());
    let live = fixture.open().await;
    let made_up = Held { id: fresh_id(), digest: fresh_digest() };
    for dead in [expired, removed, made_up, mistaken(live)] {
        let (verdict, rotated) = rotate(fixture, use_of(dead), Some(1)).await;
        assert!(matches!(verdict, Verdict::Dead(_)), "{verdict:?}");
        assert!(!fixture.lives(rotated).await);
    }
    let session = fixture.look_live(live).await;
    assert_eq!((session.role, session.refresh_count), (0, 0));
}

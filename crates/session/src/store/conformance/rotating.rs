//! Giving a session another secret.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::bench::{alive, fresh_digest, fresh_id, mistaken};
use super::{Bench, Held, look, use_of};
use crate::{ClientDigest, Condition, Dead, Intent, Presented, Session, ValueChange, Verdict};

/// Rotates to a new secret; the session if it lived, and the token to come.
async fn rotate(bench: &Bench, presented: Presented, role: Option<usize>) -> (Verdict, Held) {
    let digest = fresh_digest();
    let verdict =
        bench.store.rotate(&presented, digest, role, ClientDigest::default()).await.unwrap();
    (verdict, Held { id: presented.id, digest })
}

pub(crate) async fn a_rotation_replaces_the_secret_and_nothing_else(bench: &Bench) {
    let held = bench.open().await;
    let before = bench.look_live(held).await;
    let (verdict, rotated) = rotate(bench, use_of(held), None).await;
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
        assert_eq!(bench.touch(presented).await, Verdict::Dead(dead));
    }
    assert_eq!(bench.use_live(rotated).await.refresh_count, 2);
    assert_eq!(bench.store.list(after.subject.id).await.unwrap().len(), 1);
}

pub(crate) async fn a_rotation_is_a_use_whatever_the_intent(bench: &Bench) {
    for intent in [Intent::Use, Intent::Look] {
        let held = bench.open().await;
        bench.pass(3).await;
        let (verdict, rotated) = rotate(bench, Presented { intent, ..use_of(held) }, None).await;
        let session = alive(verdict);
        assert_eq!(session.refresh_count, 1);
        assert!(session.expires_in > bench.unit * 3);
        bench.pass(3).await;
        assert!(bench.lives(rotated).await && !bench.lives(held).await);
    }
}

pub(crate) async fn a_rotation_gives_another_role_if_one_is_named(bench: &Bench) {
    let held = bench.open().await;
    let (verdict, rotated) = rotate(bench, use_of(held), Some(2)).await;
    assert_eq!(alive(verdict).role(), "guest");
    let (verdict, rotated) = rotate(bench, use_of(rotated), None).await;
    assert_eq!(alive(verdict).role(), "guest");
    assert_eq!(bench.look_live(rotated).await.role, 2);
}

pub(crate) async fn a_rotation_keeps_the_values(bench: &Bench) {
    let held = bench.open().await;
    let put = ValueChange::Put("1".into());
    bench.store.write_value(held.id, "cart", put, Condition::None).await.unwrap();
    let before = bench.store.values(held.id).await.unwrap();
    rotate(bench, use_of(held), None).await;
    assert_eq!(bench.store.values(held.id).await.unwrap(), before);
    assert_eq!(before.map_or(0, |values| values.len()), 1);
}

pub(crate) async fn of_many_rotations_at_once_one_succeeds(bench: &Bench) {
    let held = bench.open().await;
    let mut rotations = JoinSet::new();
    for _ in 0..16 {
        let (store, digest) = (Arc::clone(&bench.store), fresh_digest());
        rotations.spawn(async move {
            let verdict =
                store.rotate(&use_of(held), digest, None, ClientDigest::default()).await.unwrap();
            matches!(verdict, Verdict::Alive(_)).then_some(Held { id: held.id, digest })
        });
    }
    let won: Vec<Held> = rotations.join_all().await.into_iter().flatten().collect();
    assert_eq!(won.len(), 1);
    assert!(bench.lives(won[0]).await && !bench.lives(held).await);
}

pub(crate) async fn a_rotation_of_what_is_dead_creates_nothing(bench: &Bench) {
    let (expired, removed) = (bench.open().await, bench.open().await);
    bench.pass(5).await;
    assert!(!bench.store.remove(removed.id).await.unwrap());
    let live = bench.open().await;
    let made_up = Held { id: fresh_id(), digest: fresh_digest() };
    for dead in [expired, removed, made_up, mistaken(live)] {
        let (verdict, rotated) = rotate(bench, use_of(dead), Some(1)).await;
        assert!(matches!(verdict, Verdict::Dead(_)), "{verdict:?}");
        assert!(!bench.lives(rotated).await);
    }
    let session = bench.look_live(live).await;
    assert_eq!((session.role, session.refresh_count), (0, 0));
}

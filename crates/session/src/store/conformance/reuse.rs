//! The secret from before a rotation: it opens nothing, ends its session, and is found out.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::bench::{alive, fresh_digest, mistaken};
use super::{Bench, Client, Held, end_of, look, use_of};
use crate::{
    Condition, Dead, Insertion, Intent, Kind, NewSession, Presented, Session, ValueChange, Verdict,
};

/// Races are tried this often.
const ROUNDS: usize = 25;
/// The rotation of these cases comes from this client.
const ANN: Client = Client::new(Some("192.0.2.7"), Some("curl/8"));

/// A session that was rotated once: its secret from before, and its present one.
async fn rotated(bench: &Bench) -> (Held, Held) {
    let old = bench.insert(&bench.ending(Kind::Sliding, 50)).await;
    let new = rotate(bench, old).await;
    (old, new)
}

async fn rotate(bench: &Bench, held: Held) -> Held {
    let digest = fresh_digest();
    alive(bench.store.rotate(&use_of(held), digest, None, ANN.digest()).await.unwrap());
    Held { id: held.id, digest }
}

/// Judges the use of a secret as theft, at once and after so many units.
async fn judge(bench: &Bench, held: Held, client: Client, grace: u32) -> Option<Session> {
    let grace = bench.unit * grace;
    bench.store.end_reused(&use_of(held), client.digest(), grace).await.unwrap()
}

pub(crate) async fn a_replaced_secret_opens_nothing_and_changes_nothing(bench: &Bench) {
    let (old, new) = rotated(bench).await;
    let before = bench.look_live(new).await;
    bench.pass(1).await;
    for (presented, dead) in [
        (look(old), Dead::Unknown),
        (use_of(old), Dead::Replaced),
        (use_of(old), Dead::Replaced),
        (use_of(mistaken(old)), Dead::Unknown),
        (end_of(mistaken(old)), Dead::Unknown),
    ] {
        assert_eq!(bench.touch(presented).await, Verdict::Dead(dead), "{presented:?}");
    }
    for intent in [Intent::Use, Intent::Look, Intent::End] {
        let presented = Presented { intent, ..use_of(old) };
        let rotated = bench.store.rotate(&presented, fresh_digest(), Some(1), ANN.digest()).await;
        assert_eq!(rotated.unwrap(), Verdict::Dead(Dead::Replaced), "{intent:?}");
    }
    let minted = NewSession { maker: Some(use_of(old)), ..bench.new_session() };
    let insertion = bench.store.insert(&minted, 0).await.unwrap();
    assert!(matches!(insertion, Insertion::Refused(Dead::Unknown)), "{insertion:?}");
    let after = bench.look_live(new).await;
    assert_eq!(
        (after.refresh_count, after.role, after.expires_at_ms),
        (before.refresh_count, before.role, before.expires_at_ms)
    );
}

pub(crate) async fn an_end_with_either_secret_ends_the_session(bench: &Bench) {
    let (old, new) = rotated(bench).await;
    let (older, newer) = rotated(bench).await;
    let subject = bench.look_live(new).await.subject.id;
    for (presented, other) in [(end_of(old), new), (end_of(newer), older)] {
        let ended = alive(bench.touch(presented).await);
        assert_eq!((ended.id, ended.refresh_count), (other.id, 1));
        for dead in [other, Held { id: presented.id, digest: presented.digest }] {
            assert_eq!(bench.touch(end_of(dead)).await, Verdict::Dead(Dead::Unknown));
            bench.assert_dead(dead, subject).await;
        }
    }
    assert_eq!(bench.store.count().await.unwrap(), 0);
}

pub(crate) async fn an_end_ends_a_session_of_any_kind_once(bench: &Bench) {
    for kind in [Kind::Sliding, Kind::Fixed, Kind::SingleUse] {
        let new = bench.ending(kind, 50);
        let held = bench.insert(&new).await;
        assert_eq!(bench.touch(end_of(mistaken(held))).await, Verdict::Dead(Dead::Unknown));
        let tokens = [end_of(held), end_of(held), use_of(held)];
        let mut answers = super::batch(bench, &tokens).await.into_iter();
        assert_eq!(alive(answers.next().unwrap()).refresh_count, 0, "{kind:?}");
        assert!(answers.all(|answer| answer == Verdict::Dead(Dead::Unknown)), "{kind:?}");
        bench.assert_dead(held, new.subject.id).await;
    }
    let expired = bench.open().await;
    bench.pass(5).await;
    assert!(matches!(bench.touch(end_of(expired)).await, Verdict::Dead(_)));
}

pub(crate) async fn a_further_rotation_forgets_the_secret_before_the_last(bench: &Bench) {
    let (oldest, old) = rotated(bench).await;
    let new = rotate(bench, old).await;
    for presented in [use_of(oldest), look(oldest), end_of(oldest)] {
        assert_eq!(bench.touch(presented).await, Verdict::Dead(Dead::Unknown), "{presented:?}");
    }
    assert_eq!(judge(bench, oldest, Client::BOB, 0).await, None);
    assert_eq!(bench.touch(use_of(old)).await, Verdict::Dead(Dead::Replaced));
    assert!(bench.lives(new).await);
    assert!(judge(bench, old, Client::BOB, 50).await.is_some());
    assert!(!bench.lives(new).await);
}

pub(crate) async fn a_reuse_is_theft_once_the_grace_is_over(bench: &Bench) {
    for client in [ANN, Client::new(None, None)] {
        let (old, new) = rotated(bench).await;
        let subject = bench.look_live(new).await.subject.id;
        assert_eq!(judge(bench, old, client, 3).await, None);
        bench.pass(1).await;
        assert_eq!(judge(bench, old, client, 3).await, None);
        assert!(bench.lives(new).await);
        bench.pass(3).await;
        let ended = judge(bench, old, client, 3).await.unwrap();
        assert_eq!((ended.id, ended.subject.id), (new.id, subject));
        bench.assert_dead(new, subject).await;
        assert_eq!(judge(bench, old, client, 3).await, None);
    }
}

pub(crate) async fn a_reuse_within_the_grace_is_theft_from_another_client(bench: &Bench) {
    for (client, theft) in [
        (ANN, false),
        (Client::new(None, None), false),
        (Client::new(Some("192.0.2.7"), None), false),
        (Client::new(None, Some("curl/8")), false),
        (Client::new(Some("::ffff:192.0.2.7"), Some("curl/8")), false),
        (Client::new(Some("192.0.2.8"), None), true),
        (Client::new(Some("192.0.2.8"), Some("curl/8")), true),
        (Client::new(Some("192.0.2.7"), Some("curl/9")), true),
        (Client::new(None, Some("")), false),
    ] {
        let (old, new) = rotated(bench).await;
        assert_eq!(judge(bench, old, client, 30).await.is_some(), theft, "{client:?}");
        assert_eq!(bench.lives(new).await, !theft, "{client:?}");
    }
}

pub(crate) async fn nothing_but_a_replaced_secret_of_a_live_session_is_a_reuse(bench: &Bench) {
    let (old, new) = rotated(bench).await;
    let never = bench.insert(&bench.ending(Kind::Sliding, 50)).await;
    for held in [new, mistaken(new), mistaken(old), never, mistaken(never)] {
        assert_eq!(judge(bench, held, Client::BOB, 0).await, None, "{held:?}");
    }
    assert!(bench.lives(new).await && bench.lives(never).await);
    let short = bench.open().await;
    rotate(bench, short).await;
    bench.pass(5).await;
    assert_eq!(judge(bench, short, Client::BOB, 0).await, None);
}

pub(crate) async fn a_rotated_session_is_otherwise_what_it_was(bench: &Bench) {
    let (old, new) = rotated(bench).await;
    for (key, text) in [("cart", "1"), ("page", "[2]")] {
        let put = ValueChange::Put(text.into());
        bench.store.write_value(new.id, key, put, Condition::None).await.unwrap();
    }
    let newest = rotate(bench, new).await;
    let values = bench.store.values(new.id).await.unwrap().unwrap();
    assert_eq!(values.keys().collect::<Vec<_>>(), ["cart", "page"]);
    let session = bench.use_live(newest).await;
    assert_eq!(session.refresh_count, 3);
    let listed = bench.store.list(session.subject.id).await.unwrap();
    assert_eq!(listed[0].subject, session.subject);
    assert_eq!(bench.touch(use_of(old)).await, Verdict::Dead(Dead::Unknown));
    assert!(bench.store.remove(new.id).await.unwrap());
    bench.assert_dead(newest, session.subject.id).await;
}

pub(crate) async fn no_rotation_at_the_same_time_saves_a_session_from_its_end(bench: &Bench) {
    for round in 0..ROUNDS {
        let new = bench.ending(Kind::Sliding, 50);
        let held = bench.insert(&new).await;
        let mut rotations = JoinSet::new();
        for _ in 0..8 {
            let (store, digest) = (Arc::clone(&bench.store), fresh_digest());
            rotations.spawn(async move {
                let rotated = store.rotate(&use_of(held), digest, None, ANN.digest()).await;
                (rotated.unwrap(), digest)
            });
        }
        if round % 2 == 0 {
            tokio::task::yield_now().await;
        }
        let ended = bench.touch(end_of(held)).await;
        assert!(matches!(ended, Verdict::Alive(_)), "{round}: {ended:?}");
        for (verdict, digest) in rotations.join_all().await {
            if let Verdict::Alive(_) = verdict {
                bench.assert_dead(Held { id: held.id, digest }, new.subject.id).await;
            }
        }
        bench.assert_dead(held, new.subject.id).await;
    }
    assert_eq!(bench.store.count().await.unwrap(), 0);
}

pub(crate) async fn of_many_reuses_at_once_one_ends_the_session(bench: &Bench) {
    let (old, new) = rotated(bench).await;
    let mut reuses = JoinSet::new();
    for _ in 0..16 {
        let store = Arc::clone(&bench.store);
        let (client, grace) = (Client::BOB.digest(), bench.unit * 50);
        reuses.spawn(async move { store.end_reused(&use_of(old), client, grace).await.unwrap() });
    }
    assert_eq!(reuses.join_all().await.into_iter().flatten().count(), 1);
    assert!(!bench.lives(new).await);
}

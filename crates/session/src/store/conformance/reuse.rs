//! The secret from before a rotation: it opens nothing, ends its session, and is found out.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::fixture::{alive, fresh_digest, mistaken};
use super::{Client, Fixture, Held, end_of, look, use_of};
use crate::store::conformance::logout;
use crate::{
    Condition, Dead, Insertion, Intent, Kind, NewSession, Presented, Session, ValueChange, Verdict,
};

/// Races are tried this often.
const ROUNDS: usize = 25;
/// The rotation of these cases comes from this client.
const ANN: Client = Client::new(Some("192.0.2.7"), Some("curl/8"));

/// A session that was rotated once: its secret from before, and its present one.
async fn rotated(fixture: &Fixture) -> (Held, Held) {
    let old = fixture.insert(&fixture.ending(Kind::Sliding, 50)).await;
    let new = rotate(fixture, old).await;
    (old, new)
}

async fn rotate(fixture: &Fixture, held: Held) -> Held {
    let digest = fresh_digest();
    alive(
        fixture.store.rotate(&use_of(held), digest, None, ANN.digest(), &logout()).await.unwrap(),
    );
    Held { id: held.id, digest }
}

/// Judges the use of a secret as theft, at once and after so many units.
async fn judge(fixture: &Fixture, held: Held, client: Client, grace: u32) -> Option<Session> {
    let grace = fixture.unit * grace;
    fixture.store.end_reused(&use_of(held), client.digest(), grace, &logout()).await.unwrap()
}

pub(crate) async fn a_replaced_secret_opens_nothing_and_changes_nothing(fixture: &Fixture) {
    let (old, new) = rotated(fixture).await;
    let before = fixture.look_live(new).await;
    fixture.pass(1).await;
    for (presented, dead) in [
        (look(old), Dead::Unknown),
        (use_of(old), Dead::Replaced),
        (use_of(old), Dead::Replaced),
        (use_of(mistaken(old)), Dead::Unknown),
        (end_of(mistaken(old)), Dead::Unknown),
    ] {
        assert_eq!(fixture.touch(presented).await, Verdict::Dead(dead), "{presented:?}");
    }
    for intent in [Intent::Use, Intent::Look, Intent::End] {
        let presented = Presented { intent, ..use_of(old) };
        let rotated = fixture
            .store
            .rotate(&presented, fresh_digest(), Some(1), ANN.digest(), &logout())
            .await;
        assert_eq!(rotated.unwrap(), Verdict::Dead(Dead::Replaced), "{intent:?}");
    }
    let minted = NewSession { maker: Some(use_of(old)), ..fixture.new_session() };
    let insertion = fixture.store.insert(&minted, 0, &logout()).await.unwrap();
    assert!(matches!(insertion, Insertion::Refused(Dead::Unknown)), "{insertion:?}");
    let after = fixture.look_live(new).await;
    assert_eq!(
        (after.refresh_count, after.role, after.expires_at_ms),
        (before.refresh_count, before.role, before.expires_at_ms)
    );
}

pub(crate) async fn an_end_with_either_secret_ends_the_session(fixture: &Fixture) {
    let (old, new) = rotated(fixture).await;
    let (older, newer) = rotated(fixture).await;
    let subject = fixture.look_live(new).await.subject.id;
    for (presented, other) in [(end_of(old), new), (end_of(newer), older)] {
        let ended = alive(fixture.touch(presented).await);
        assert_eq!((ended.id, ended.refresh_count), (other.id, 1));
        for dead in [other, Held { id: presented.id, digest: presented.digest }] {
            assert_eq!(fixture.touch(end_of(dead)).await, Verdict::Dead(Dead::Unknown));
            fixture.assert_dead(dead, subject).await;
        }
    }
    assert_eq!(fixture.store.count().await.unwrap(), 0);
}

pub(crate) async fn an_end_ends_a_session_of_any_kind_once(fixture: &Fixture) {
    for kind in [Kind::Sliding, Kind::Fixed, Kind::SingleUse] {
        let new = fixture.ending(kind, 50);
        let held = fixture.insert(&new).await;
        assert_eq!(fixture.touch(end_of(mistaken(held))).await, Verdict::Dead(Dead::Unknown));
        let tokens = [end_of(held), end_of(held), use_of(held)];
        let mut answers = super::batch(fixture, &tokens).await.into_iter();
        assert_eq!(alive(answers.next().unwrap()).refresh_count, 0, "{kind:?}");
        assert!(answers.all(|answer| answer == Verdict::Dead(Dead::Unknown)), "{kind:?}");
        fixture.assert_dead(held, new.subject.id).await;
    }
    let expired = fixture.open().await;
    fixture.pass(5).await;
    assert!(matches!(fixture.touch(end_of(expired)).await, Verdict::Dead(_)));
}

pub(crate) async fn a_further_rotation_forgets_the_secret_before_the_last(fixture: &Fixture) {
    let (oldest, old) = rotated(fixture).await;
    let new = rotate(fixture, old).await;
    for presented in [use_of(oldest), look(oldest), end_of(oldest)] {
        assert_eq!(fixture.touch(presented).await, Verdict::Dead(Dead::Unknown), "{presented:?}");
    }
    assert_eq!(judge(fixture, oldest, Client::BOB, 0).await, None);
    assert_eq!(fixture.touch(use_of(old)).await, Verdict::Dead(Dead::Replaced));
    assert!(fixture.lives(new).await);
    assert!(judge(fixture, old, Client::BOB, 50).await.is_some());
    assert!(!fixture.lives(new).await);
}

pub(crate) async fn a_reuse_is_theft_once_the_grace_is_over(fixture: &Fixture) {
    for client in [ANN, Client::new(None, None)] {
        let (old, new) = rotated(fixture).await;
        let subject = fixture.look_live(new).await.subject.id;
        assert_eq!(judge(fixture, old, client, 3).await, None);
        fixture.pass(1).await;
        assert_eq!(judge(fixture, old, client, 3).await, None);
        assert!(fixture.lives(new).await);
        fixture.pass(3).await;
        let ended = judge(fixture, old, client, 3).await.unwrap();
        assert_eq!((ended.id, ended.subject.id), (new.id, subject));
        fixture.assert_dead(new, subject).await;
        assert_eq!(judge(fixture, old, client, 3).await, None);
    }
}

pub(crate) async fn a_reuse_within_the_grace_is_theft_from_another_client(fixture: &Fixture) {
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
        let (old, new) = rotated(fixture).await;
        assert_eq!(judge(fixture, old, client, 30).await.is_some(), theft, "{client:?}");
        assert_eq!(fixture.lives(new).await, !theft, "{client:?}");
    }
}

pub(crate) async fn nothing_but_a_replaced_secret_of_a_live_session_is_a_reuse(fixture: &Fixture) {
    let (old, new) = rotated(fixture).await;
    let never = fixture.insert(&fixture.ending(Kind::Sliding, 50)).await;
    for held in [new, mistaken(new), mistaken(old), never, mistaken(never)] {
        assert_eq!(judge(fixture, held, Client::BOB, 0).await, None, "{held:?}");
    }
    assert!(fixture.lives(new).await && fixture.lives(never).await);
    let short = fixture.open().await;
    rotate(fixture, short).await;
    fixture.pass(5).await;
    assert_eq!(judge(fixture, short, Client::BOB, 0).await, None);
}

pub(crate) async fn a_rotated_session_is_otherwise_what_it_was(fixture: &Fixture) {
    let (old, new) = rotated(fixture).await;
    for (key, text) in [("cart", "1"), ("page", "[2]")] {
        let put = ValueChange::Put(text.into());
        fixture.store.write_value(new.id, key, put, Condition::None).await.unwrap();
    }
    let newest = rotate(fixture, new).await;
    let values = fixture.store.values(new.id).await.unwrap().unwrap();
    assert_eq!(values.keys().collect::<Vec<_>>(), ["cart", "page"]);
    let session = fixture.use_live(newest).await;
    assert_eq!(session.refresh_count, 3);
    let listed = fixture.store.list(session.subject.id).await.unwrap();
    assert_eq!(listed[0].subject, session.subject);
    assert_eq!(fixture.touch(use_of(old)).await, Verdict::Dead(Dead::Unknown));
    assert!(fixture.store.remove(new.id, &logout()).await.unwrap());
    fixture.assert_dead(newest, session.subject.id).await;
}

pub(crate) async fn no_rotation_at_the_same_time_saves_a_session_from_its_end(fixture: &Fixture) {
    for round in 0..ROUNDS {
        let new = fixture.ending(Kind::Sliding, 50);
        let held = fixture.insert(&new).await;
        let mut rotations = JoinSet::new();
        for _ in 0..8 {
            let (store, digest) = (Arc::clone(&fixture.store), fresh_digest());
            rotations.spawn(async move {
                let rotated =
                    store.rotate(&use_of(held), digest, None, ANN.digest(), &logout()).await;
                (rotated.unwrap(), digest)
            });
        }
        if round % 2 == 0 {
            tokio::task::yield_now().await;
        }
        let ended = fixture.touch(end_of(held)).await;
        assert!(matches!(ended, Verdict::Alive(_)), "{round}: {ended:?}");
        for (verdict, digest) in rotations.join_all().await {
            if let Verdict::Alive(_) = verdict {
                fixture.assert_dead(Held { id: held.id, digest }, new.subject.id).await;
            }
        }
        fixture.assert_dead(held, new.subject.id).await;
    }
    assert_eq!(fixture.store.count().await.unwrap(), 0);
}

pub(crate) async fn of_many_reuses_at_once_one_ends_the_session(fixture: &Fixture) {
    let (old, new) = rotated(fixture).await;
    let mut reuses = JoinSet::new();
    for _ in 0..16 {
        let store = Arc::clone(&fixture.store);
        let (client, grace) = (Client::BOB.digest(), fixture.unit * 50);
        reuses.spawn(async move {
            store.end_reused(&use_of(old), client, grace, &logout()).await.unwrap()
        });
    }
    assert_eq!(reuses.join_all().await.into_iter().flatten().count(), 1);
    assert!(!fixture.lives(new).await);
}

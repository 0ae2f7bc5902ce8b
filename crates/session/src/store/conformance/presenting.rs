//! Presenting what is wrong, over or unknown, and presenting many at once.

use super::fixture::{alive, assert_over, fresh_digest, fresh_id, mistaken};
use super::{Fixture, Held, batch, look, use_of};
use crate::TouchContext;
use crate::{Dead, Kind, Presented, Verdict};

pub(crate) async fn a_wrong_secret_is_unknown_and_changes_nothing(fixture: &Fixture) {
    let held = fixture.open().await;
    let opened = fixture.look_live(held).await;
    fixture.pass(3).await;
    for presented in [use_of(mistaken(held)), look(mistaken(held))] {
        assert_eq!(fixture.touch(presented).await, Verdict::Dead(Dead::Unknown));
    }
    let seen = fixture.look_live(held).await;
    assert_eq!((seen.refresh_count, seen.expires_at_ms), (0, opened.expires_at_ms));
    assert_eq!(seen.last_used_at_ms, opened.last_used_at_ms);
}

pub(crate) async fn a_wrong_secret_does_not_use_up_a_single_use_session(fixture: &Fixture) {
    let held = fixture.insert(&fixture.ending(Kind::SingleUse, 50)).await;
    assert_eq!(fixture.touch(use_of(mistaken(held))).await, Verdict::Dead(Dead::Unknown));
    assert_eq!(fixture.use_live(held).await.refresh_count, 1);
}

pub(crate) async fn a_wrong_secret_of_an_expired_session_is_unknown(fixture: &Fixture) {
    let held = fixture.open().await;
    fixture.pass(5).await;
    for presented in [use_of(mistaken(held)), look(mistaken(held))] {
        assert_eq!(fixture.touch(presented).await, Verdict::Dead(Dead::Unknown));
    }
}

pub(crate) async fn an_id_that_never_was_is_unknown(fixture: &Fixture) {
    fixture.open().await;
    let made_up = Held { id: fresh_id(), digest: fresh_digest() };
    for presented in [use_of(made_up), look(made_up)] {
        assert_eq!(fixture.touch(presented).await, Verdict::Dead(Dead::Unknown));
    }
    assert_eq!(fixture.store.count().await.unwrap(), 1);
}

pub(crate) async fn an_expired_session_is_dead_before_any_sweep(fixture: &Fixture) {
    for kind in [Kind::Sliding, Kind::Fixed, Kind::SingleUse] {
        let new = fixture.ending(kind, 2);
        let held = fixture.insert(&new).await;
        fixture.pass(3).await;
        for presented in [look(held), use_of(held)] {
            assert_over(&fixture.touch(presented).await);
        }
        fixture.assert_dead(held, new.subject.id).await;
    }
}

pub(crate) async fn an_expired_session_stays_dead_however_often_it_is_presented(fixture: &Fixture) {
    let new = fixture.new_session();
    let held = fixture.insert(&new).await;
    fixture.pass(5).await;
    for _ in 0..3 {
        assert_over(&fixture.touch(use_of(held)).await);
    }
    fixture.store.sweep().await.unwrap();
    for _ in 0..3 {
        assert_over(&fixture.touch(use_of(held)).await);
    }
    fixture.assert_dead(held, new.subject.id).await;
}

pub(crate) async fn an_empty_batch_gets_no_answers(fixture: &Fixture) {
    assert!(fixture.store.touch(&[], TouchContext::default()).await.is_empty());
}

pub(crate) async fn a_token_named_twice_is_used_twice(fixture: &Fixture) {
    let held = fixture.open().await;
    let once = fixture.insert(&fixture.ending(Kind::SingleUse, 50)).await;
    let tokens = [use_of(held), use_of(once), look(held), use_of(held), use_of(once)];
    let mut answers = batch(fixture, &tokens).await.into_iter();
    let mut next = || answers.next().unwrap();
    assert_eq!(alive(next()).refresh_count, 1);
    assert_eq!(alive(next()).refresh_count, 1);
    assert_eq!(alive(next()).refresh_count, 1);
    assert_eq!(alive(next()).refresh_count, 2);
    assert!(matches!(next(), Verdict::Dead(_)));
}

/// What an item of the large batch is, by its place.
#[derive(Clone, Copy)]
enum Item {
    Used,
    Seen,
    WrongSecret,
    Expired,
    NeverWas,
    SingleUse,
    Repeated,
}

const ITEMS: [Item; 7] = [
    Item::Used,
    Item::Seen,
    Item::WrongSecret,
    Item::Expired,
    Item::NeverWas,
    Item::SingleUse,
    Item::Repeated,
];

pub(crate) async fn a_large_mixed_batch_is_answered_in_order(fixture: &Fixture) {
    let kinds: Vec<Item> = ITEMS.into_iter().cycle().take(1024).collect();
    let repeated = fixture.insert(&fixture.ending(Kind::Sliding, 100)).await;
    let mut helds = Vec::new();
    for item in &kinds {
        let (kind, units) = match item {
            Item::Expired => (Kind::Sliding, 1),
            Item::SingleUse => (Kind::SingleUse, 100),
            _ => (Kind::Sliding, 100),
        };
        helds.push(match item {
            Item::Repeated => repeated,
            Item::NeverWas => Held { id: fresh_id(), digest: fresh_digest() },
            _ => fixture.insert(&fixture.ending(kind, units)).await,
        });
    }
    fixture.pass(2).await;
    let present = |(item, held): (&Item, &Held)| match item {
        Item::Seen => look(*held),
        Item::WrongSecret => use_of(mistaken(*held)),
        _ => use_of(*held),
    };
    let presented: Vec<Presented> = kinds.iter().zip(&helds).map(present).collect();
    let answers = batch(fixture, &presented).await;
    let mut uses_of_repeated = 0;
    for ((item, held), answer) in kinds.into_iter().zip(helds).zip(answers) {
        let expected = match item {
            Item::Used | Item::SingleUse => Some(1),
            Item::Seen => Some(0),
            Item::Repeated => {
                uses_of_repeated += 1;
                Some(uses_of_repeated)
            }
            Item::WrongSecret | Item::Expired | Item::NeverWas => None,
        };
        match expected {
            Some(count) => {
                let session = alive(answer);
                assert_eq!((session.id, session.refresh_count), (held.id, count));
            }
            None => assert_over(&answer),
        }
    }
}

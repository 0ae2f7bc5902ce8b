//! Presenting what is wrong, over or unknown, and presenting many at once.

use super::bench::{alive, assert_over, fresh_digest, fresh_id, mistaken};
use super::{Bench, Held, batch, look, use_of};
use crate::{Dead, Kind, Presented, Verdict};

pub(crate) async fn a_wrong_secret_is_unknown_and_changes_nothing(bench: &Bench) {
    let held = bench.open().await;
    let opened = bench.look_live(held).await;
    bench.pass(3).await;
    for presented in [use_of(mistaken(held)), look(mistaken(held))] {
        assert_eq!(bench.touch(presented).await, Verdict::Dead(Dead::Unknown));
    }
    let seen = bench.look_live(held).await;
    assert_eq!((seen.refresh_count, seen.expires_at_ms), (0, opened.expires_at_ms));
    assert_eq!(seen.last_used_at_ms, opened.last_used_at_ms);
}

pub(crate) async fn a_wrong_secret_does_not_use_up_a_single_use_session(bench: &Bench) {
    let held = bench.insert(&bench.ending(Kind::SingleUse, 50)).await;
    assert_eq!(bench.touch(use_of(mistaken(held))).await, Verdict::Dead(Dead::Unknown));
    assert_eq!(bench.use_live(held).await.refresh_count, 1);
}

pub(crate) async fn a_wrong_secret_of_an_expired_session_is_unknown(bench: &Bench) {
    let held = bench.open().await;
    bench.pass(5).await;
    for presented in [use_of(mistaken(held)), look(mistaken(held))] {
        assert_eq!(bench.touch(presented).await, Verdict::Dead(Dead::Unknown));
    }
}

pub(crate) async fn an_id_that_never_was_is_unknown(bench: &Bench) {
    bench.open().await;
    let made_up = Held { id: fresh_id(), digest: fresh_digest() };
    for presented in [use_of(made_up), look(made_up)] {
        assert_eq!(bench.touch(presented).await, Verdict::Dead(Dead::Unknown));
    }
    assert_eq!(bench.store.count().await.unwrap(), 1);
}

pub(crate) async fn an_expired_session_is_dead_before_any_sweep(bench: &Bench) {
    for kind in [Kind::Sliding, Kind::Fixed, Kind::SingleUse] {
        let new = bench.ending(kind, 2);
        let held = bench.insert(&new).await;
        bench.pass(3).await;
        for presented in [look(held), use_of(held)] {
            assert_over(&bench.touch(presented).await);
        }
        bench.assert_dead(held, new.subject.id).await;
    }
}

pub(crate) async fn an_expired_session_stays_dead_however_often_it_is_presented(bench: &Bench) {
    let new = bench.new_session();
    let held = bench.insert(&new).await;
    bench.pass(5).await;
    for _ in 0..3 {
        assert_over(&bench.touch(use_of(held)).await);
    }
    bench.store.sweep().await.unwrap();
    for _ in 0..3 {
        assert_over(&bench.touch(use_of(held)).await);
    }
    bench.assert_dead(held, new.subject.id).await;
}

pub(crate) async fn an_empty_batch_gets_no_answers(bench: &Bench) {
    assert!(bench.store.touch(&[]).await.is_empty());
}

pub(crate) async fn a_token_named_twice_is_used_twice(bench: &Bench) {
    let held = bench.open().await;
    let once = bench.insert(&bench.ending(Kind::SingleUse, 50)).await;
    let tokens = [use_of(held), use_of(once), look(held), use_of(held), use_of(once)];
    let mut answers = batch(bench, &tokens).await.into_iter();
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

pub(crate) async fn a_large_mixed_batch_is_answered_in_order(bench: &Bench) {
    let kinds: Vec<Item> = ITEMS.into_iter().cycle().take(1024).collect();
    let repeated = bench.insert(&bench.ending(Kind::Sliding, 100)).await;
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
            _ => bench.insert(&bench.ending(kind, units)).await,
        });
    }
    bench.pass(2).await;
    let present = |(item, held): (&Item, &Held)| match item {
        Item::Seen => look(*held),
        Item::WrongSecret => use_of(mistaken(*held)),
        _ => use_of(*held),
    };
    let presented: Vec<Presented> = kinds.iter().zip(&helds).map(present).collect();
    let answers = batch(bench, &presented).await;
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

//! Taking in a session that another one mints.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::fixture::{held, mistaken, someone, use_of};
use super::{Fixture, Held};
use crate::store::conformance::logout;
use crate::{Dead, Insertion, Kind, NewSession, Subject};

/// A session of `subject` to be minted by `maker`, which ends after all that these cases open.
fn minted_by(fixture: &Fixture, maker: Held, subject: &Arc<Subject>) -> NewSession {
    let new = fixture.ending(Kind::Fixed, 900);
    NewSession { subject: Arc::clone(subject), maker: Some(use_of(maker)), ..new }
}

async fn listed(fixture: &Fixture, subject: &Subject) -> usize {
    fixture.store.list(subject.id).await.unwrap().len()
}

pub(crate) async fn a_mint_whose_maker_lives_stands_and_its_maker_is_only_looked_at(
    fixture: &Fixture,
) {
    let ann = someone();
    let maker = fixture.open_for(&ann, 50).await;
    let new = minted_by(fixture, maker, &ann);
    let insertion = fixture.store.insert(&new, 2, &logout()).await.unwrap();
    assert!(matches!(&insertion, Insertion::Created { ended, .. } if ended.is_empty()));
    assert!(fixture.lives(held(&new)).await);
    assert_eq!(fixture.look_live(maker).await.refresh_count, 0);
}

pub(crate) async fn a_mint_past_the_cap_may_end_its_maker(fixture: &Fixture) {
    let ann = someone();
    let (maker, other) = (fixture.open_for(&ann, 50).await, fixture.open_for(&ann, 60).await);
    let new = minted_by(fixture, maker, &ann);
    let insertion = fixture.store.insert(&new, 2, &logout()).await.unwrap();
    assert!(matches!(&insertion, Insertion::Created { ended, .. } if *ended == [maker.id]));
    assert!(fixture.lives(held(&new)).await && fixture.lives(other).await);
}

pub(crate) async fn a_mint_whose_maker_is_dead_is_undone_and_ends_no_other(fixture: &Fixture) {
    let ann = someone();
    let lasting = [fixture.open_for(&ann, 50).await, fixture.open_for(&ann, 60).await];
    let removed = fixture.open_for(&ann, 70).await;
    assert!(fixture.store.remove(removed.id, &logout()).await.unwrap());
    for maker in [removed, mistaken(lasting[1])] {
        let new = minted_by(fixture, maker, &ann);
        let insertion = fixture.store.insert(&new, 2, &logout()).await.unwrap();
        assert!(matches!(insertion, Insertion::Refused(Dead::Unknown)), "{insertion:?}");
        fixture.assert_dead(held(&new), ann.id).await;
    }
    assert!(fixture.lives(lasting[0]).await && fixture.lives(lasting[1]).await);
    assert_eq!((listed(fixture, &ann).await, fixture.store.count().await.unwrap()), (2, 2));
}

pub(crate) async fn of_many_mints_at_once_those_that_are_refused_end_no_other(fixture: &Fixture) {
    let ann = someone();
    let maker = fixture.open_for(&ann, 50).await;
    let mut others = Vec::new();
    for units in 60..64 {
        others.push(fixture.open_for(&ann, units).await);
    }
    let mut mints = JoinSet::new();
    for _ in 0..12 {
        let (store, new) = (Arc::clone(&fixture.store), minted_by(fixture, maker, &ann));
        mints.spawn(async move { store.insert(&new, 5, &logout()).await.unwrap() });
    }
    let mints = mints.join_all().await;
    let stood = mints.iter().filter(|mint| matches!(mint, Insertion::Created { .. })).count();
    let mut lost = 0;
    for other in others {
        lost += usize::from(!fixture.lives(other).await);
    }
    // The first that stood ended the maker, and each of the next ones one more.
    assert!(lost < stood && stood <= 12, "{stood} stood, {lost} others were lost");
    assert!(listed(fixture, &ann).await <= 5);
}

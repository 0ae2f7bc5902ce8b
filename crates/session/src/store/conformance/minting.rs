//! Taking in a session that another one mints.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::bench::{held, mistaken, someone, use_of};
use super::{Bench, Held};
use crate::{Dead, Insertion, Kind, NewSession, Subject};

/// A session of `subject` to be minted by `maker`, which ends after all that these cases open.
fn minted_by(bench: &Bench, maker: Held, subject: &Arc<Subject>) -> NewSession {
    let new = bench.ending(Kind::Fixed, 900);
    NewSession { subject: Arc::clone(subject), maker: Some(use_of(maker)), ..new }
}

async fn listed(bench: &Bench, subject: &Subject) -> usize {
    bench.store.list(subject.id).await.unwrap().len()
}

pub(crate) async fn a_mint_whose_maker_lives_stands_and_its_maker_is_only_looked_at(bench: &Bench) {
    let ann = someone();
    let maker = bench.open_for(&ann, 50).await;
    let new = minted_by(bench, maker, &ann);
    let insertion = bench.store.insert(&new, 2).await.unwrap();
    assert!(matches!(&insertion, Insertion::Created { ended, .. } if ended.is_empty()));
    assert!(bench.lives(held(&new)).await);
    assert_eq!(bench.look_live(maker).await.refresh_count, 0);
}

pub(crate) async fn a_mint_past_the_cap_may_end_its_maker(bench: &Bench) {
    let ann = someone();
    let (maker, other) = (bench.open_for(&ann, 50).await, bench.open_for(&ann, 60).await);
    let new = minted_by(bench, maker, &ann);
    let insertion = bench.store.insert(&new, 2).await.unwrap();
    assert!(matches!(&insertion, Insertion::Created { ended, .. } if *ended == [maker.id]));
    assert!(bench.lives(held(&new)).await && bench.lives(other).await);
}

pub(crate) async fn a_mint_whose_maker_is_dead_is_undone_and_ends_nobody(bench: &Bench) {
    let ann = someone();
    let lasting = [bench.open_for(&ann, 50).await, bench.open_for(&ann, 60).await];
    let removed = bench.open_for(&ann, 70).await;
    assert!(bench.store.remove(removed.id).await.unwrap());
    for maker in [removed, mistaken(lasting[1])] {
        let new = minted_by(bench, maker, &ann);
        let insertion = bench.store.insert(&new, 2).await.unwrap();
        assert!(matches!(insertion, Insertion::Refused(Dead::Unknown)), "{insertion:?}");
        bench.assert_dead(held(&new), ann.id).await;
    }
    assert!(bench.lives(lasting[0]).await && bench.lives(lasting[1]).await);
    assert_eq!((listed(bench, &ann).await, bench.store.count().await.unwrap()), (2, 2));
}

pub(crate) async fn of_many_mints_at_once_those_that_are_refused_end_nobody(bench: &Bench) {
    let ann = someone();
    let maker = bench.open_for(&ann, 50).await;
    let mut others = Vec::new();
    for units in 60..64 {
        others.push(bench.open_for(&ann, units).await);
    }
    let mut mints = JoinSet::new();
    for _ in 0..12 {
        let (store, new) = (Arc::clone(&bench.store), minted_by(bench, maker, &ann));
        mints.spawn(async move { store.insert(&new, 5).await.unwrap() });
    }
    let mints = mints.join_all().await;
    let stood = mints.iter().filter(|mint| matches!(mint, Insertion::Created { .. })).count();
    let mut lost = 0;
    for other in others {
        lost += usize::from(!bench.lives(other).await);
    }
    // The first that stood ended the maker, and each of the next ones one more.
    assert!(lost < stood && stood <= 12, "{stood} stood, {lost} others were lost");
    assert!(listed(bench, &ann).await <= 5);
}

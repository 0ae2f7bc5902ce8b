//! The cap on a subject's live sessions.

use std::sync::Arc;

use super::fixture::{held, someone};
use super::{Fixture, Held};
use crate::store::conformance::logout;
use crate::{Insertion, Kind, NewSession, SessionId, Subject};

/// Opens a session of `subject` that ends after `units`, with a cap; says which others ended.
async fn open_within(
    fixture: &Fixture,
    subject: &Arc<Subject>,
    units: u32,
    cap: usize,
) -> (Held, Vec<SessionId>) {
    let new = fixture.ending(Kind::Sliding, units);
    let new = NewSession { subject: Arc::clone(subject), ..new };
    match fixture.store.insert(&new, cap, &logout()).await.unwrap() {
        Insertion::Created { mut ended, .. } => {
            ended.sort_unstable();
            (held(&new), ended)
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn past_the_cap_the_others_that_would_end_soonest_end(fixture: &Fixture) {
    let ann = someone();
    let (long, _) = open_within(fixture, &ann, 9, 3).await;
    let (short, _) = open_within(fixture, &ann, 3, 3).await;
    let (middle, ended) = open_within(fixture, &ann, 6, 3).await;
    assert_eq!(ended, []);
    let (new, ended) = open_within(fixture, &ann, 8, 3).await;
    assert_eq!(ended, [short.id]);
    fixture.assert_dead(short, ann.id).await;
    let (newer, ended) = open_within(fixture, &ann, 8, 3).await;
    assert_eq!(ended, [middle.id]);
    for live in [long, new, newer] {
        assert!(fixture.lives(live).await);
    }
}

pub(crate) async fn the_cap_never_ends_the_new_session(fixture: &Fixture) {
    let ann = someone();
    let (early, _) = open_within(fixture, &ann, 8, 2).await;
    let (late, _) = open_within(fixture, &ann, 9, 2).await;
    let (new, ended) = open_within(fixture, &ann, 2, 2).await;
    assert_eq!(ended, [early.id]);
    assert!(fixture.lives(new).await && fixture.lives(late).await);
}

pub(crate) async fn a_cap_of_one_leaves_the_new_session(fixture: &Fixture) {
    let ann = someone();
    let (first, _) = open_within(fixture, &ann, 9, 1).await;
    let (second, ended) = open_within(fixture, &ann, 4, 1).await;
    assert_eq!(ended, [first.id]);
    assert!(!fixture.lives(first).await && fixture.lives(second).await);
}

pub(crate) async fn a_use_saves_a_session_from_the_cap(fixture: &Fixture) {
    let ann = someone();
    let (used, _) = open_within(fixture, &ann, 5, 2).await;
    let (first, _) = open_within(fixture, &ann, 7, 2).await;
    fixture.pass(3).await;
    fixture.use_live(used).await;
    let (_, ended) = open_within(fixture, &ann, 5, 2).await;
    assert_eq!(ended, [first.id]);
    assert!(fixture.lives(used).await);
}

pub(crate) async fn expired_sessions_do_not_count_for_the_cap(fixture: &Fixture) {
    let ann = someone();
    for _ in 0..3 {
        open_within(fixture, &ann, 1, 3).await;
    }
    let (live, _) = open_within(fixture, &ann, 9, 4).await;
    fixture.pass(2).await;
    for _ in 0..2 {
        let (_, ended) = open_within(fixture, &ann, 9, 3).await;
        assert_eq!(ended, []);
    }
    let (_, ended) = open_within(fixture, &ann, 9, 3).await;
    assert_eq!(ended, [live.id]);
}

pub(crate) async fn a_cap_that_shrank_ends_as_many_as_it_takes(fixture: &Fixture) {
    let ann = someone();
    let mut soonest = Vec::new();
    for units in 2..6 {
        soonest.push(fixture.open_for(&ann, units).await.id);
    }
    let last = fixture.open_for(&ann, 9).await;
    let (new, ended) = open_within(fixture, &ann, 2, 2).await;
    soonest.sort_unstable();
    assert_eq!(ended, soonest);
    assert!(fixture.lives(last).await && fixture.lives(new).await);
    assert_eq!(fixture.store.list(ann.id).await.unwrap().len(), 2);
}

pub(crate) async fn no_cap_ends_nothing(fixture: &Fixture) {
    let ann = someone();
    for _ in 0..30 {
        let (_, ended) = open_within(fixture, &ann, 5, 0).await;
        assert_eq!(ended, []);
    }
    assert_eq!(fixture.store.list(ann.id).await.unwrap().len(), 30);
}

pub(crate) async fn the_cap_of_one_subject_ends_no_session_of_another(fixture: &Fixture) {
    let (ann, bob) = (someone(), someone());
    let (anns, _) = open_within(fixture, &ann, 2, 1).await;
    for _ in 0..3 {
        let (_, ended) = open_within(fixture, &bob, 9, 1).await;
        assert!(!ended.contains(&anns.id));
    }
    assert!(fixture.lives(anns).await);
}

pub(crate) async fn a_taken_id_ends_nothing_at_the_cap(fixture: &Fixture) {
    let ann = someone();
    let (first, _) = open_within(fixture, &ann, 5, 2).await;
    let (second, _) = open_within(fixture, &ann, 6, 2).await;
    let foreign = fixture.open().await;
    let new = NewSession { id: foreign.id, subject: Arc::clone(&ann), ..fixture.new_session() };
    let insertion = fixture.store.insert(&new, 2, &logout()).await.unwrap();
    assert!(matches!(insertion, Insertion::Taken), "{insertion:?}");
    assert!(
        fixture.lives(first).await && fixture.lives(second).await && fixture.lives(foreign).await
    );
}

//! A subject's sessions together: listing them, ending them.

use std::sync::Arc;

use uuid::Uuid;

use super::Fixture;
use super::fixture::{Held, fresh_id, someone, subject};
use crate::{Ending, Kind, NewSession, SessionId, Subject};

async fn listed(fixture: &Fixture, subject: Uuid) -> Vec<SessionId> {
    let sessions = fixture.store.list(subject).await.unwrap();
    sorted(sessions.into_iter().map(|session| session.id).collect())
}

async fn end(fixture: &Fixture, subject: Uuid, ending: Ending) -> Vec<SessionId> {
    sorted(fixture.store.remove_subject(subject, ending).await.unwrap())
}

fn sorted(mut ids: Vec<SessionId>) -> Vec<SessionId> {
    ids.sort_unstable();
    ids
}

async fn open_with(fixture: &Fixture, subject: &Arc<Subject>, generation: i64) -> Held {
    let subject = Arc::clone(subject);
    fixture.insert(&NewSession { subject, generation, ..fixture.new_session() }).await
}

pub(crate) async fn a_list_shows_a_subjects_live_sessions_and_only_looks(fixture: &Fixture) {
    let ann = someone();
    let one = fixture.open_for(&ann, 5).await;
    let ticket = NewSession { subject: Arc::clone(&ann), ..fixture.ending(Kind::SingleUse, 5) };
    let ticket = fixture.insert(&ticket).await;
    fixture.open().await;
    fixture.pass(1).await;
    for _ in 0..2 {
        assert_eq!(listed(fixture, ann.id).await, sorted(vec![one.id, ticket.id]));
    }
    let sessions = fixture.store.list(ann.id).await.unwrap();
    let shown = sessions.iter().find(|session| session.id == one.id).unwrap();
    assert_eq!((shown.refresh_count, &shown.subject), (0, &ann));
    assert_eq!(shown.last_used_at_ms, shown.created_at_ms);
    assert_eq!(fixture.use_live(ticket).await.refresh_count, 1);
    assert_eq!(listed(fixture, ann.id).await, [one.id]);
    assert_eq!(listed(fixture, someone().id).await, []);
}

pub(crate) async fn an_expired_session_is_not_listed(fixture: &Fixture) {
    let ann = someone();
    fixture.open_for(&ann, 1).await;
    let live = fixture.open_for(&ann, 5).await;
    fixture.pass(2).await;
    assert_eq!(listed(fixture, ann.id).await, [live.id]);
}

pub(crate) async fn a_session_shows_its_subject_as_known_when_it_was_opened(fixture: &Fixture) {
    let (before, other) = (someone(), someone());
    let after = subject(before.id, "renamed@example.com");
    let old = fixture.open_for(&before, 5).await;
    let new = fixture.open_for(&after, 5).await;
    fixture.open_for(&other, 5).await;
    assert_eq!(fixture.use_live(old).await.subject, before);
    assert_eq!(fixture.use_live(new).await.subject, after);
    assert_eq!(listed(fixture, before.id).await, sorted(vec![old.id, new.id]));
}

pub(crate) async fn removing_a_subject_ends_its_sessions_and_no_others(fixture: &Fixture) {
    let (ann, bob) = (someone(), someone());
    let mut anns = Vec::new();
    for units in 3..30 {
        anns.push(fixture.open_for(&ann, units).await);
    }
    let bobs = fixture.open_for(&bob, 5).await;
    let ended = end(fixture, ann.id, Ending::default()).await;
    assert_eq!(ended, sorted(anns.iter().map(|held| held.id).collect()));
    for held in anns {
        fixture.assert_dead(held, ann.id).await;
    }
    assert!(fixture.lives(bobs).await);
    assert_eq!(end(fixture, ann.id, Ending::default()).await, []);
    assert_eq!(end(fixture, someone().id, Ending::default()).await, []);
}

pub(crate) async fn removing_a_subject_names_only_those_that_were_live(fixture: &Fixture) {
    let ann = someone();
    fixture.open_for(&ann, 1).await;
    let live = fixture.open_for(&ann, 5).await;
    fixture.pass(2).await;
    assert_eq!(end(fixture, ann.id, Ending::default()).await, [live.id]);
}

pub(crate) async fn only_sessions_of_a_lower_generation_end(fixture: &Fixture) {
    let ann = someone();
    let lower = open_with(fixture, &ann, 3).await;
    let equal = open_with(fixture, &ann, 4).await;
    let higher = open_with(fixture, &ann, 5).await;
    let ending = Ending { below_generation: Some(4), keep: None };
    assert_eq!(end(fixture, ann.id, ending).await, [lower.id]);
    assert_eq!(listed(fixture, ann.id).await, sorted(vec![equal.id, higher.id]));
    assert_eq!(fixture.look_live(equal).await.generation, 4);
}

pub(crate) async fn the_spared_session_lives_on_and_is_raised(fixture: &Fixture) {
    let ann = someone();
    let spared = open_with(fixture, &ann, 3).await;
    let other = open_with(fixture, &ann, 3).await;
    let ending = Ending { below_generation: Some(4), keep: Some(spared.id) };
    assert_eq!(end(fixture, ann.id, ending).await, [other.id]);
    assert_eq!(fixture.look_live(spared).await.generation, 4);
    let again = Ending { below_generation: Some(4), keep: None };
    assert_eq!(end(fixture, ann.id, again).await, []);
    assert_eq!(fixture.look_live(spared).await.refresh_count, 0);
}

pub(crate) async fn a_spared_session_of_a_higher_generation_is_not_lowered(fixture: &Fixture) {
    let ann = someone();
    let spared = open_with(fixture, &ann, 9).await;
    let ending = Ending { below_generation: Some(4), keep: Some(spared.id) };
    assert_eq!(end(fixture, ann.id, ending).await, []);
    assert_eq!(fixture.look_live(spared).await.generation, 9);
}

pub(crate) async fn a_spared_session_stays_as_it_is_without_a_generation(fixture: &Fixture) {
    let ann = someone();
    let spared = open_with(fixture, &ann, 3).await;
    let other = open_with(fixture, &ann, 7).await;
    let ending = Ending { below_generation: None, keep: Some(spared.id) };
    assert_eq!(end(fixture, ann.id, ending).await, [other.id]);
    assert_eq!(fixture.look_live(spared).await.generation, 3);
    let foreign = Ending { below_generation: None, keep: Some(fresh_id()) };
    assert_eq!(end(fixture, ann.id, foreign).await, [spared.id]);
}

//! A subject's sessions together: listing them, ending them.

use std::sync::Arc;

use uuid::Uuid;

use super::Bench;
use super::bench::{Held, fresh_id, someone, subject};
use crate::{Ending, Kind, NewSession, SessionId, Subject};

async fn listed(bench: &Bench, subject: Uuid) -> Vec<SessionId> {
    let sessions = bench.store.list(subject).await.unwrap();
    sorted(sessions.into_iter().map(|session| session.id).collect())
}

async fn end(bench: &Bench, subject: Uuid, ending: Ending) -> Vec<SessionId> {
    sorted(bench.store.remove_subject(subject, ending).await.unwrap())
}

fn sorted(mut ids: Vec<SessionId>) -> Vec<SessionId> {
    ids.sort_unstable();
    ids
}

async fn open_with(bench: &Bench, subject: &Arc<Subject>, generation: i64) -> Held {
    let subject = Arc::clone(subject);
    bench.insert(&NewSession { subject, generation, ..bench.new_session() }).await
}

pub(crate) async fn a_list_shows_a_subjects_live_sessions_and_only_looks(bench: &Bench) {
    let ann = someone();
    let one = bench.open_for(&ann, 5).await;
    let ticket = NewSession { subject: Arc::clone(&ann), ..bench.ending(Kind::SingleUse, 5) };
    let ticket = bench.insert(&ticket).await;
    bench.open().await;
    bench.pass(1).await;
    for _ in 0..2 {
        assert_eq!(listed(bench, ann.id).await, sorted(vec![one.id, ticket.id]));
    }
    let sessions = bench.store.list(ann.id).await.unwrap();
    let shown = sessions.iter().find(|session| session.id == one.id).unwrap();
    assert_eq!((shown.refresh_count, &shown.subject), (0, &ann));
    assert_eq!(shown.last_used_at_ms, shown.created_at_ms);
    assert_eq!(bench.use_live(ticket).await.refresh_count, 1);
    assert_eq!(listed(bench, ann.id).await, [one.id]);
    assert_eq!(listed(bench, someone().id).await, []);
}

pub(crate) async fn an_expired_session_is_not_listed(bench: &Bench) {
    let ann = someone();
    bench.open_for(&ann, 1).await;
    let live = bench.open_for(&ann, 5).await;
    bench.pass(2).await;
    assert_eq!(listed(bench, ann.id).await, [live.id]);
}

pub(crate) async fn a_session_shows_its_subject_as_known_when_it_was_opened(bench: &Bench) {
    let (before, other) = (someone(), someone());
    let after = subject(before.id, "renamed@example.com");
    let old = bench.open_for(&before, 5).await;
    let new = bench.open_for(&after, 5).await;
    bench.open_for(&other, 5).await;
    assert_eq!(bench.use_live(old).await.subject, before);
    assert_eq!(bench.use_live(new).await.subject, after);
    assert_eq!(listed(bench, before.id).await, sorted(vec![old.id, new.id]));
}

pub(crate) async fn removing_a_subject_ends_its_sessions_and_nobody_elses(bench: &Bench) {
    let (ann, bob) = (someone(), someone());
    let mut anns = Vec::new();
    for units in 3..30 {
        anns.push(bench.open_for(&ann, units).await);
    }
    let bobs = bench.open_for(&bob, 5).await;
    let ended = end(bench, ann.id, Ending::default()).await;
    assert_eq!(ended, sorted(anns.iter().map(|held| held.id).collect()));
    for held in anns {
        bench.assert_dead(held, ann.id).await;
    }
    assert!(bench.lives(bobs).await);
    assert_eq!(end(bench, ann.id, Ending::default()).await, []);
    assert_eq!(end(bench, someone().id, Ending::default()).await, []);
}

pub(crate) async fn removing_a_subject_names_only_those_that_were_live(bench: &Bench) {
    let ann = someone();
    bench.open_for(&ann, 1).await;
    let live = bench.open_for(&ann, 5).await;
    bench.pass(2).await;
    assert_eq!(end(bench, ann.id, Ending::default()).await, [live.id]);
}

pub(crate) async fn only_sessions_of_a_lower_generation_end(bench: &Bench) {
    let ann = someone();
    let lower = open_with(bench, &ann, 3).await;
    let equal = open_with(bench, &ann, 4).await;
    let higher = open_with(bench, &ann, 5).await;
    let ending = Ending { below_generation: Some(4), keep: None };
    assert_eq!(end(bench, ann.id, ending).await, [lower.id]);
    assert_eq!(listed(bench, ann.id).await, sorted(vec![equal.id, higher.id]));
    assert_eq!(bench.look_live(equal).await.generation, 4);
}

pub(crate) async fn the_kept_session_lives_on_and_is_raised(bench: &Bench) {
    let ann = someone();
    let kept = open_with(bench, &ann, 3).await;
    let other = open_with(bench, &ann, 3).await;
    let ending = Ending { below_generation: Some(4), keep: Some(kept.id) };
    assert_eq!(end(bench, ann.id, ending).await, [other.id]);
    assert_eq!(bench.look_live(kept).await.generation, 4);
    let again = Ending { below_generation: Some(4), keep: None };
    assert_eq!(end(bench, ann.id, again).await, []);
    assert_eq!(bench.look_live(kept).await.refresh_count, 0);
}

pub(crate) async fn a_kept_session_of_a_higher_generation_is_not_lowered(bench: &Bench) {
    let ann = someone();
    let kept = open_with(bench, &ann, 9).await;
    let ending = Ending { below_generation: Some(4), keep: Some(kept.id) };
    assert_eq!(end(bench, ann.id, ending).await, []);
    assert_eq!(bench.look_live(kept).await.generation, 9);
}

pub(crate) async fn a_kept_session_stays_as_it_is_without_a_generation(bench: &Bench) {
    let ann = someone();
    let kept = open_with(bench, &ann, 3).await;
    let other = open_with(bench, &ann, 7).await;
    let ending = Ending { below_generation: None, keep: Some(kept.id) };
    assert_eq!(end(bench, ann.id, ending).await, [other.id]);
    assert_eq!(bench.look_live(kept).await.generation, 3);
    let foreign = Ending { below_generation: None, keep: Some(fresh_id()) };
    assert_eq!(end(bench, ann.id, foreign).await, [kept.id]);
}

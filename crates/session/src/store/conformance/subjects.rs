//! A subject's sessions together: listing them, ending them.

use std::sync::Arc;

use uuid::Uuid;

use super::Fixture;
use super::fixture::{
    Client, Held, alive, end_of, fresh_digest, fresh_id, held, look, someone, subject, use_of,
};
use crate::store::conformance::logout;
use crate::{
    Cursor, Ending, ExternalId, Insertion, Kind, NewSession, Scopes, Session, SessionId, Subject,
};

async fn listed(fixture: &Fixture, subject: Uuid) -> Vec<SessionId> {
    let sessions = fixture.store.list(subject).await.unwrap();
    sorted(sessions.into_iter().map(|session| session.id).collect())
}

async fn end(fixture: &Fixture, subject: Uuid, ending: Ending) -> Vec<SessionId> {
    sorted(fixture.store.remove_subject(subject, ending, &logout()).await.unwrap())
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

fn external(id: &str) -> Arc<Subject> {
    let external = ExternalId::parse(id).unwrap();
    let known = subject(external.subject_id(), "ann@example.com");
    Arc::new(Subject { external: Some(external), ..(*known).clone() })
}

pub(crate) async fn an_external_subject_and_scopes_are_part_of_every_answer(fixture: &Fixture) {
    let names: Vec<String> = (0..32).map(|number| format!("{number:064}")).collect();
    let ann = external(&format!("50%/{}", fresh_id().uuid()));
    let new = NewSession {
        subject: Arc::clone(&ann),
        scopes: Scopes::parse(&names),
        generation: 0,
        ..fixture.new_session()
    };
    assert!(new.scopes.is_some());
    let whole = |session: &Session| {
        assert_eq!(session.subject, ann);
        assert_eq!(session.scopes, new.scopes);
    };
    let inserted = fixture.store.insert(&new, 0, &logout()).await.unwrap();
    let Insertion::Created { session, .. } = inserted else { panic!("{inserted:?}") };
    whole(&session);
    for presented in [look(held(&new)), use_of(held(&new))] {
        whole(&alive(fixture.touch(presented).await));
    }
    let digest = fresh_digest();
    let client = Client::BOB.digest();
    let rotated =
        fixture.store.rotate(&use_of(held(&new)), digest, None, client, &logout()).await.unwrap();
    whole(&alive(rotated));
    whole(&fixture.store.list(ann.id).await.unwrap()[0]);
    let (mut next, mut found) = (Some(Cursor::START), None);
    while let (Some(cursor), None) = (next, &found) {
        let page = fixture.store.scan(cursor).await.unwrap();
        found = page.sessions.into_iter().find(|session| session.id == new.id);
        next = page.next;
    }
    whole(&found.unwrap());
    let ending = Ending { below_generation: Some(9), keep: Some(new.id) };
    assert_eq!(end(fixture, ann.id, ending).await, []);
    whole(&alive(fixture.touch(end_of(Held { digest, ..held(&new) })).await));
}

pub(crate) async fn an_external_subject_is_none_of_our_users_whatever_it_is_called(
    fixture: &Fixture,
) {
    let ours = someone();
    let theirs = external(&ours.id.to_string());
    let (own, foreign) = (fixture.open_for(&ours, 5).await, fixture.open_for(&theirs, 5).await);
    assert_eq!(listed(fixture, ours.id).await, [own.id]);
    assert_eq!(listed(fixture, theirs.id).await, [foreign.id]);
    let everything = Ending::default();
    assert_eq!(end(fixture, theirs.id, everything).await, [foreign.id]);
    assert!(fixture.lives(own).await);
    assert_eq!(end(fixture, ours.id, everything).await, [own.id]);
}

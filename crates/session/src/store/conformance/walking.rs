//! Walks over all sessions, and what ends many of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::task::JoinSet;
use uuid::Uuid;

use super::Fixture;
use super::fixture::{Held, fresh_id, someone};
use crate::store::conformance::logout;
use crate::{Cursor, Ending, Kind, NewSession, Session, SessionId};

/// All that a walk shows.
async fn walked(fixture: &Fixture) -> Vec<Session> {
    let (mut seen, mut next) = (Vec::new(), Some(Cursor::START));
    while let Some(cursor) = next {
        let page = fixture.store.scan(cursor).await.unwrap();
        assert_eq!(page.unreadable, []);
        seen.extend(page.sessions);
        next = page.next;
    }
    seen
}

async fn ids(fixture: &Fixture) -> BTreeSet<SessionId> {
    walked(fixture).await.iter().map(|session| session.id).collect()
}

async fn long_lived(fixture: &Fixture) -> Held {
    fixture.insert(&fixture.ending(Kind::Sliding, 1_000)).await
}

pub(crate) async fn a_walk_shows_every_live_session_and_only_looks(fixture: &Fixture) {
    assert_eq!(ids(fixture).await, BTreeSet::new());
    let mut opened = BTreeSet::new();
    for _ in 0..700 {
        opened.insert(long_lived(fixture).await.id);
    }
    let once = fixture.insert(&fixture.ending(Kind::SingleUse, 1_000)).await;
    opened.insert(once.id);
    fixture.insert(&fixture.ending(Kind::Fixed, 1)).await;
    fixture.pass(2).await;
    assert_eq!(ids(fixture).await, opened);
    for session in walked(fixture).await {
        assert_eq!((session.refresh_count, session.generation), (0, 1));
    }
    assert_eq!(fixture.use_live(once).await.refresh_count, 1);
}

pub(crate) async fn a_walk_misses_nothing_that_stays_while_others_come_and_go(fixture: &Fixture) {
    let (mut stay, mut go) = (BTreeSet::new(), Vec::new());
    for _ in 0..400 {
        stay.insert(long_lived(fixture).await.id);
        go.push(long_lived(fixture).await.id);
    }
    let (mut seen, mut next) = (BTreeSet::new(), Some(Cursor::START));
    while let Some(cursor) = next {
        let page = fixture.store.scan(cursor).await.unwrap();
        seen.extend(page.sessions.iter().map(|session| session.id));
        next = page.next;
        for id in go.split_off(go.len().saturating_sub(100)) {
            assert!(fixture.store.remove(id, &logout()).await.unwrap());
            long_lived(fixture).await;
        }
    }
    assert_eq!(stay.difference(&seen).count(), 0);
}

pub(crate) async fn each_of_many_ends_and_tells_whether_it_lived(fixture: &Fixture) {
    let mut ids = Vec::new();
    for _ in 0..600 {
        ids.push(long_lived(fixture).await.id);
    }
    let other = long_lived(fixture).await;
    let over = fixture.insert(&fixture.ending(Kind::Fixed, 1)).await;
    fixture.pass(2).await;
    let requested = [&ids[..], &[over.id, fresh_id(), ids[0]]].concat();
    let ended: Vec<bool> = fixture
        .store
        .remove_many(&requested, &logout())
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(ended, [vec![true; 600], vec![false; 3]].concat());
    assert!(fixture.lives(other).await);
    assert_eq!(self::ids(fixture).await, BTreeSet::from([other.id]));
}

pub(crate) async fn many_subjects_end_as_each_would_by_itself(fixture: &Fixture) {
    let mut endings: Vec<(Uuid, Ending)> = Vec::new();
    let (mut expected, mut surviving) = (Vec::new(), Vec::new());
    for number in 0..600 {
        let subject = someone();
        let open = async |generation| {
            let subject = Arc::clone(&subject);
            let new = fixture.ending(Kind::Sliding, 1_000);
            fixture.insert(&NewSession { subject, generation, ..new }).await
        };
        let (old, held, new) = (open(3).await, open(3).await, open(4).await);
        let keep = (number % 2 == 0).then_some(held.id);
        endings.push((subject.id, Ending { below_generation: Some(4), keep }));
        expected.push((subject.id, old.id));
        match keep {
            Some(_) => surviving.push(held),
            None => expected.push((subject.id, held.id)),
        }
        surviving.push(new);
    }
    endings.push((someone().id, Ending::default()));
    let mut ended = fixture.store.remove_subjects(&endings, &logout()).await.unwrap();
    ended.sort_unstable();
    expected.sort_unstable();
    assert_eq!(ended, expected);
    assert_eq!(fixture.store.remove_subjects(&endings, &logout()).await.unwrap(), []);
    for held in surviving {
        assert_eq!(fixture.look_live(held).await.generation, 4);
    }
}

pub(crate) async fn what_outlives_the_process_remembers_its_database(fixture: &Fixture) {
    let store = &fixture.store;
    let (one, other) = (fresh_id().uuid(), fresh_id().uuid());
    let remembers = store.outlives_process();
    assert_eq!(store.identity().await.unwrap(), None);
    assert_eq!(store.bookmark().await.unwrap(), None);
    assert_eq!(store.adopt(one).await.unwrap(), one);
    assert_eq!(store.identity().await.unwrap(), remembers.then_some(one));
    store.set_bookmark("7 somebody").await.unwrap();
    store.set_bookmark("8 somebody").await.unwrap();
    let written = remembers.then(|| "8 somebody".to_owned());
    assert_eq!(store.bookmark().await.unwrap(), written);
    if remembers {
        assert_eq!(store.adopt(other).await.unwrap(), one, "it belongs to one already");
        assert_eq!(store.history().await, store.history().await);
        assert!(store.history().await.is_some());
    }
    store.reassign(other).await.unwrap();
    assert_eq!(store.identity().await.unwrap(), remembers.then_some(other));
    assert_eq!(store.bookmark().await.unwrap(), None);
    assert_eq!(ids(fixture).await, BTreeSet::new(), "none of it is a session");
}

pub(crate) async fn a_checkpoint_is_written_only_over_the_one_that_was_read(fixture: &Fixture) {
    let store = &fixture.store;
    let swap = async |before, text| store.swap_checkpoint("one", before, text).await.unwrap();
    assert_eq!(store.checkpoint("one").await.unwrap(), None);
    assert!(!swap(Some("1"), "2").await);
    assert!(swap(None, "1").await);
    assert!(!swap(None, "2").await);
    assert_eq!(store.checkpoint("one").await.unwrap().as_deref(), Some("1"));
    assert!(swap(Some("1"), "2 é\n").await);
    assert!(!swap(Some("1"), "3").await);
    assert_eq!(store.checkpoint("one").await.unwrap().as_deref(), Some("2 é\n"));
    assert_eq!(store.checkpoint("two").await.unwrap(), None);
    store.reassign(fresh_id().uuid()).await.unwrap();
    assert_eq!(store.checkpoint("one").await.unwrap().as_deref(), Some("2 é\n"));
}

pub(crate) async fn of_many_swaps_of_one_checkpoint_one_succeeds(fixture: &Fixture) {
    assert!(fixture.store.swap_checkpoint("one", None, "before").await.unwrap());
    let mut swaps = JoinSet::new();
    for number in 0..20 {
        let store = Arc::clone(&fixture.store);
        swaps.spawn(async move {
            let text = number.to_string();
            let swapped = store.swap_checkpoint("one", Some("before"), &text).await.unwrap();
            swapped.then_some(text)
        });
    }
    let written: Vec<String> = swaps.join_all().await.into_iter().flatten().collect();
    assert_eq!(written.len(), 1);
    assert_eq!(fixture.store.checkpoint("one").await.unwrap().as_ref(), written.first());
}

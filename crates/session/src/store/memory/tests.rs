//! The memory store against the suite, and what it promises beyond it.

use std::sync::Arc;
use std::time::Duration;

use clock::ManualClock;

use super::MemoryStore;
use crate::TouchContext;
use crate::store::conformance::events::{
    a_reader_that_goes_on_from_any_position_gets_the_next_event, append_many, events,
};
use crate::store::conformance::logout;
use crate::store::conformance::{
    Fixture, Held, conformance_tests, end_of, for_each_case, held, look, someone, use_of,
};
use crate::{
    Dead, Ending, EventRead, EventRetention, Insertion, Kind, NewSession, Origin, ReadFrom,
    SessionStore, Verdict,
};

fn fixture() -> Fixture {
    Fixture::memory()
}

for_each_case!(conformance_tests);

fn store() -> (Arc<MemoryStore>, ManualClock, Fixture) {
    let clock = ManualClock::new();
    let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    (Arc::clone(&store), clock.clone(), Fixture::manual(store, clock))
}

/// What the store keeps: sessions, places in its shards, subjects.
fn sizes(store: &MemoryStore) -> (u64, usize, usize) {
    let count = store.count.load(std::sync::atomic::Ordering::Relaxed);
    let places = store.shards.iter().map(|shard| shard.lock().len()).sum();
    (count, places, store.subjects.len())
}

#[tokio::test]
async fn an_expired_session_is_told_as_such_and_its_id_stays_taken_until_it_is_swept() {
    let (store, _, fixture) = store();
    let new = fixture.new_session();
    let old = fixture.insert(&new).await;
    fixture.pass(4).await;
    assert_eq!(fixture.touch(use_of(old)).await, Verdict::Dead(Dead::Expired));
    assert_eq!(fixture.touch(look(old)).await, Verdict::Dead(Dead::Expired));
    assert!(matches!(store.insert(&new, 0, &logout()).await.unwrap(), Insertion::Taken));
    assert_eq!(store.sweep().await.unwrap().removed, 1);
    assert_eq!(fixture.touch(use_of(old)).await, Verdict::Dead(Dead::Unknown));
    assert!(matches!(store.insert(&new, 0, &logout()).await.unwrap(), Insertion::Created { .. }));
}

#[tokio::test]
async fn a_session_is_swept_by_the_first_sweep_after_its_end_and_by_none_before() {
    let (store, clock, fixture) = store();
    for ttl_ms in [1, 63, 64, 65, 4_095, 4_096, 30_000, 604_800_000, 1 << 40] {
        let ttl = Duration::from_millis(ttl_ms);
        let new = NewSession { ttl, max_lifetime: ttl, ..fixture.new_session() };
        fixture.insert(&new).await;
        clock.advance(Duration::from_millis(ttl_ms - 1));
        assert_eq!(store.sweep().await.unwrap().removed, 0, "{ttl_ms}");
        clock.advance(Duration::from_millis(1));
        assert_eq!(store.sweep().await.unwrap().removed, 1, "{ttl_ms}");
    }
}

#[tokio::test]
async fn a_jump_of_the_date_neither_ends_nor_prolongs_a_session() {
    let (store, clock, fixture) = store();
    let (short, long) =
        (fixture.open().await, fixture.insert(&fixture.ending(Kind::Fixed, 50)).await);
    let before = fixture.look_live(short).await;
    clock.jump_date(3_600_000);
    clock.advance(Duration::from_millis(1));
    store.sweep().await.unwrap();
    let after = fixture.look_live(short).await;
    assert_eq!(after.expires_in + Duration::from_millis(1), before.expires_in);
    assert_eq!(after.expires_at_ms, before.expires_at_ms + 3_600_000);
    clock.jump_date(-7_200_000);
    fixture.pass(4).await;
    assert_eq!(fixture.touch(use_of(short)).await, Verdict::Dead(Dead::Expired));
    assert!(fixture.lives(long).await);
}

#[tokio::test]
async fn nothing_is_left_of_sessions_that_are_gone_however_they_went() {
    let (store, _, fixture) = store();
    let ann = someone();
    for number in 0..40 {
        let kind = if number % 2 == 0 { Kind::Sliding } else { Kind::SingleUse };
        let new = NewSession { subject: Arc::clone(&ann), ..fixture.ending(kind, 3 + number % 5) };
        store.insert(&new, 20, &logout()).await.unwrap();
        store.insert(&new, 20, &logout()).await.unwrap();
        fixture.touch(use_of(held(&new))).await;
        if number % 5 == 0 {
            store.remove(new.id, &logout()).await.unwrap();
        }
        fixture.open().await;
    }
    assert_eq!(sizes(&store).2, 41);
    store.remove_subject(ann.id, Ending::default(), &logout()).await.unwrap();
    assert_eq!(sizes(&store), (40, 40, 40));
    fixture.pass(4).await;
    store.sweep().await.unwrap();
    assert_eq!(sizes(&store), (0, 0, 0));
}

#[tokio::test]
async fn sessions_of_equal_subjects_share_one() {
    let (_, _, fixture) = store();
    let ann = someone();
    let one = fixture.open_for(&ann, 5).await;
    let two = fixture.open_for(&Arc::new((*ann).clone()), 5).await;
    let (one, two) = (fixture.look_live(one).await, fixture.look_live(two).await);
    assert!(Arc::ptr_eq(&one.subject, &two.subject));
}

#[tokio::test]
async fn ids_that_differ_only_in_their_upper_half_are_kept_apart() {
    let (store, _, fixture) = store();
    let (ann, bob) = (someone(), someone());
    let mut helds: Vec<Held> = Vec::new();
    for number in 0..6_u128 {
        let id = uuid::Uuid::from_u128(number << 64 | 7).into();
        let subject = Arc::clone(if number % 2 == 0 { &ann } else { &bob });
        helds.push(fixture.insert(&NewSession { id, subject, ..fixture.new_session() }).await);
    }
    assert_eq!(store.list(ann.id).await.unwrap().len(), 3);
    assert!(store.remove(helds[0].id, &logout()).await.unwrap());
    assert_eq!(store.list(ann.id).await.unwrap().len(), 2);
    assert_eq!(store.remove_subject(ann.id, Ending::default(), &logout()).await.unwrap().len(), 2);
    for (number, held) in helds.into_iter().enumerate() {
        assert_eq!(fixture.lives(held).await, number % 2 == 1);
    }
    assert_eq!(store.list(bob.id).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_subject_may_have_very_many_sessions() {
    let (store, _, fixture) = store();
    let ann = someone();
    for _ in 0..5_000 {
        fixture.open_for(&ann, 5).await;
    }
    let last = fixture.open_for(&ann, 9).await;
    assert_eq!(store.list(ann.id).await.unwrap().len(), 5_001);
    fixture.pass(6).await;
    assert_eq!(store.sweep().await.unwrap().removed, 5_000);
    assert_eq!(sizes(&store), (1, 1, 1));
    let ended = store.remove_subject(ann.id, Ending::default(), &logout()).await.unwrap();
    assert_eq!(ended, [last.id]);
}

#[tokio::test]
async fn a_user_agent_goes_with_its_last_session_however_that_ends_and_without_a_sweep() {
    let (store, _, fixture) = store();
    let open = |number: usize, kind| {
        let user_agent = Some(format!("agent {}", number / 2).into());
        NewSession {
            origin: Origin { user_agent, ..Origin::default() },
            subject: someone(),
            ..fixture.ending(kind, 50)
        }
    };
    let news: Vec<NewSession> = (0..600)
        .map(|number| open(number, if number % 6 < 2 { Kind::SingleUse } else { Kind::Sliding }))
        .collect();
    for new in &news {
        let insertion = store.insert(new, 0, &logout()).await.unwrap();
        assert!(matches!(insertion, Insertion::Created { .. }), "{insertion:?}");
    }
    assert_eq!(store.user_agents.len(), 300);
    for (number, new) in news.iter().enumerate() {
        match number % 6 {
            0 | 1 => drop(store.touch(&[use_of(held(new))], TouchContext::default()).await),
            2 | 3 => drop(store.touch(&[end_of(held(new))], TouchContext::default()).await),
            4 => drop(store.remove(new.id, &logout()).await),
            _ => drop(store.remove_subject(new.subject.id, Ending::default(), &logout()).await),
        }
        assert_eq!(store.user_agents.len(), 300 - number.div_ceil(2), "{number}");
    }
    assert_eq!(store.user_agents.capacity(), 0, "empty tables keep nothing");
}

#[tokio::test]
async fn a_reader_that_goes_on_from_any_of_ten_thousand_positions_gets_the_next_event() {
    let (_, _, fixture) = store();
    a_reader_that_goes_on_from_any_position_gets_the_next_event(&fixture, 10_000).await;
}

#[tokio::test]
async fn a_reader_that_never_reads_costs_nothing_and_is_told_what_it_missed() {
    let clock = ManualClock::new();
    let retention = EventRetention { limit: 2_000, ..EventRetention::default() };
    let store = Arc::new(MemoryStore::retaining(Arc::new(clock.clone()), retention));
    let fixture = Fixture::manual(store, clock);
    let read = fixture.store.read_events(ReadFrom::Now, 1).await.unwrap();
    let EventRead::Page(start) = read else { panic!("{read:?}") };
    append_many(&fixture, 5_000).await;
    assert_eq!(events(&fixture).await.len(), 2_000);
    let read = fixture.store.read_events(ReadFrom::After(&start.next), 1).await.unwrap();
    let EventRead::Gone { oldest } = read else { panic!("{read:?}") };
    let read = fixture.store.read_events(ReadFrom::After(&oldest), 9_999).await.unwrap();
    assert!(matches!(read, EventRead::Page(page) if page.events.len() == 2_000));
}

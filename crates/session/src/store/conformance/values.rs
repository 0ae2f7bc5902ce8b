//! What backends keep in a session.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::fixture::{Held, assert_over, fresh_id};
use super::{Fixture, use_of};
use crate::store::conformance::logout;
use crate::{Condition, SessionId, VALUES_LIMIT, ValueChange, ValueWrite};

async fn write(
    fixture: &Fixture,
    id: SessionId,
    key: &str,
    text: Option<&str>,
    condition: Condition,
) -> ValueWrite {
    let change = text.map_or(ValueChange::Delete, |text| ValueChange::Put(text.into()));
    fixture.store.write_value(id, key, change, condition).await.unwrap()
}

/// Puts a value without a condition, which must succeed, and says its version.
async fn put(fixture: &Fixture, held: Held, key: &str, text: &str) -> u64 {
    match write(fixture, held.id, key, Some(text), Condition::None).await {
        ValueWrite::Put(version) => version,
        other => panic!("{other:?}"),
    }
}

/// All values as keys, versions and texts.
async fn all(fixture: &Fixture, held: Held) -> Vec<(String, u64, String)> {
    let values = fixture.store.values(held.id).await.unwrap().expect("it lives").into_iter();
    values.map(|(key, (version, text))| (key, version, text.into())).collect()
}

pub(crate) async fn a_live_session_begins_without_values_and_a_dead_one_has_none(
    fixture: &Fixture,
) {
    let (held, ended) = (fixture.open().await, fixture.open().await);
    assert_eq!(all(fixture, held).await, []);
    fixture.store.remove(ended.id, &logout()).await.unwrap();
    for dead in [ended.id, fresh_id()] {
        assert!(fixture.store.values(dead).await.unwrap().is_none());
    }
    put(fixture, held, "k", "1").await;
    fixture.pass(5).await;
    assert!(fixture.store.values(held.id).await.unwrap().is_none());
}

pub(crate) async fn a_value_is_stored_until_it_is_deleted(fixture: &Fixture) {
    let (held, other) = (fixture.open().await, fixture.open().await);
    let cart = put(fixture, held, "cart", "[1]").await;
    let theme = put(fixture, held, "theme", "\"dark\"").await;
    put(fixture, other, "cart", "[]").await;
    let expected =
        [("cart".into(), cart, "[1]".into()), ("theme".into(), theme, "\"dark\"".into())];
    assert_eq!(all(fixture, held).await, expected);
    let cart = put(fixture, held, "cart", "[1,2]").await;
    assert_eq!(all(fixture, held).await[0], ("cart".into(), cart, "[1,2]".into()));
    let deleted = write(fixture, held.id, "cart", None, Condition::None).await;
    assert_eq!(deleted, ValueWrite::Deleted);
    assert_eq!(all(fixture, held).await, expected[1..]);
}

pub(crate) async fn deleting_what_is_not_there_is_no_error(fixture: &Fixture) {
    let held = fixture.open().await;
    let deleted = write(fixture, held.id, "nothing", None, Condition::None).await;
    assert_eq!(deleted, ValueWrite::Deleted);
}

pub(crate) async fn no_version_comes_twice_in_a_session(fixture: &Fixture) {
    let held = fixture.open().await;
    let mut versions = Vec::new();
    for key in ["a", "b", "a"] {
        versions.push(put(fixture, held, key, "1").await);
        versions.push(put(fixture, held, key, "2").await);
        write(fixture, held.id, key, None, Condition::None).await;
    }
    versions.push(put(fixture, held, "a", "1").await);
    let given = versions.len();
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), given);
}

pub(crate) async fn a_write_needs_its_condition(fixture: &Fixture) {
    let held = fixture.open().await;
    let id = held.id;
    for unmet in [Condition::Present, Condition::Version(vec![0, 1]), Condition::Version(vec![])] {
        let written = write(fixture, id, "k", Some("x"), unmet).await;
        assert_eq!(written, ValueWrite::ConditionFailed);
    }
    assert_eq!(all(fixture, held).await, []);
    let written = write(fixture, id, "k", Some("1"), Condition::Absent).await;
    let ValueWrite::Put(first) = written else { panic!("{written:?}") };
    for unmet in [Condition::Absent, Condition::Version(vec![first + 1])] {
        let written = write(fixture, id, "k", Some("x"), unmet).await;
        assert_eq!(written, ValueWrite::ConditionFailed);
    }
    assert_eq!(all(fixture, held).await, [("k".into(), first, "1".into())]);
    let either = Condition::Version(vec![first + 7, first]);
    let written = write(fixture, id, "k", Some("2"), either).await;
    let ValueWrite::Put(second) = written else { panic!("{written:?}") };
    let stale = write(fixture, id, "k", Some("x"), Condition::Version(vec![first])).await;
    assert_eq!(stale, ValueWrite::ConditionFailed);
    let written = write(fixture, id, "k", Some("3"), Condition::Present).await;
    assert!(matches!(written, ValueWrite::Put(third) if third != second));
}

pub(crate) async fn a_deletion_needs_its_condition(fixture: &Fixture) {
    let held = fixture.open().await;
    let version = put(fixture, held, "k", "1").await;
    for unmet in [Condition::Absent, Condition::Version(vec![version + 1])] {
        let written = write(fixture, held.id, "k", None, unmet).await;
        assert_eq!(written, ValueWrite::ConditionFailed);
    }
    assert_eq!(all(fixture, held).await.len(), 1);
    let met = Condition::Version(vec![version]);
    assert_eq!(write(fixture, held.id, "k", None, met).await, ValueWrite::Deleted);
    for unmet in [Condition::Present, Condition::Version(vec![version])] {
        let written = write(fixture, held.id, "k", None, unmet).await;
        assert_eq!(written, ValueWrite::ConditionFailed);
    }
}

pub(crate) async fn of_many_swaps_of_one_version_one_succeeds(fixture: &Fixture) {
    let held = fixture.open().await;
    let version = put(fixture, held, "k", "0").await;
    let mut swaps = JoinSet::new();
    for _ in 0..16 {
        let store = Arc::clone(&fixture.store);
        swaps.spawn(async move {
            let change = ValueChange::Put("1".into());
            let condition = Condition::Version(vec![version]);
            store.write_value(held.id, "k", change, condition).await.unwrap()
        });
    }
    let written = swaps.join_all().await;
    let put = written.iter().filter(|written| matches!(written, ValueWrite::Put(_))).count();
    let failed = written.iter().filter(|written| **written == ValueWrite::ConditionFailed).count();
    assert_eq!((put, failed), (1, 15));
}

pub(crate) async fn the_limit_is_on_keys_and_values_together(fixture: &Fixture) {
    let held = fixture.open().await;
    put(fixture, held, "half", &"x".repeat(VALUES_LIMIT / 2 - 4)).await;
    let before = all(fixture, held).await;
    let too_much = "x".repeat(VALUES_LIMIT / 2 - 3);
    let written = write(fixture, held.id, "rest", Some(&too_much), Condition::None).await;
    assert_eq!(written, ValueWrite::TooLarge);
    assert_eq!(all(fixture, held).await, before);
    put(fixture, held, "rest", &too_much[1..]).await;
    let written = write(fixture, held.id, "k", Some(""), Condition::None).await;
    assert_eq!(written, ValueWrite::TooLarge);
    let failed = write(fixture, held.id, "k", Some("x"), Condition::Present).await;
    assert_eq!(failed, ValueWrite::ConditionFailed);
}

pub(crate) async fn what_is_replaced_or_deleted_makes_room(fixture: &Fixture) {
    let held = fixture.open().await;
    let large = "x".repeat(VALUES_LIMIT - 1);
    for _ in 0..3 {
        put(fixture, held, "k", &large).await;
    }
    let grown = write(fixture, held.id, "k", Some(&format!("{large}x")), Condition::None).await;
    assert_eq!(grown, ValueWrite::TooLarge);
    write(fixture, held.id, "k", None, Condition::None).await;
    put(fixture, held, "j", &large).await;
    put(fixture, held, "j", "").await;
    put(fixture, held, "k", &large[2..]).await;
}

pub(crate) async fn nothing_is_written_to_a_dead_session(fixture: &Fixture) {
    let (expired, removed) = (fixture.open().await, fixture.open().await);
    fixture.store.remove(removed.id, &logout()).await.unwrap();
    fixture.pass(5).await;
    for id in [expired.id, removed.id, fresh_id()] {
        for (text, condition) in
            [(Some("1"), Condition::None), (Some("1"), Condition::Absent), (None, Condition::None)]
        {
            assert_eq!(write(fixture, id, "k", text, condition).await, ValueWrite::SessionDead);
        }
        assert!(fixture.store.values(id).await.unwrap().is_none());
    }
}

pub(crate) async fn a_write_is_no_use(fixture: &Fixture) {
    let held = fixture.open().await;
    let opened = fixture.look_live(held).await;
    fixture.pass(3).await;
    put(fixture, held, "k", "1").await;
    all(fixture, held).await;
    let seen = fixture.look_live(held).await;
    assert_eq!((seen.refresh_count, seen.expires_at_ms), (0, opened.expires_at_ms));
    fixture.pass(2).await;
    assert_over(&fixture.touch(use_of(held)).await);
}

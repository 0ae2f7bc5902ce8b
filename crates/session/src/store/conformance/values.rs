//! What backends keep in a session.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::bench::{Held, assert_over, fresh_id};
use super::{Bench, use_of};
use crate::{Condition, SessionId, VALUES_LIMIT, ValueChange, ValueWrite};

async fn write(
    bench: &Bench,
    id: SessionId,
    key: &str,
    text: Option<&str>,
    condition: Condition,
) -> ValueWrite {
    let change = text.map_or(ValueChange::Delete, |text| ValueChange::Put(text.into()));
    bench.store.write_value(id, key, change, condition).await.unwrap()
}

/// Puts a value without a condition, which must succeed, and says its version.
async fn put(bench: &Bench, held: Held, key: &str, text: &str) -> u64 {
    match write(bench, held.id, key, Some(text), Condition::None).await {
        ValueWrite::Put(version) => version,
        other => panic!("{other:?}"),
    }
}

/// All values as keys, versions and texts.
async fn all(bench: &Bench, held: Held) -> Vec<(String, u64, String)> {
    let values = bench.store.values(held.id).await.unwrap().expect("it lives").into_iter();
    values.map(|(key, (version, text))| (key, version, text.into())).collect()
}

pub(crate) async fn a_live_session_begins_without_values_and_a_dead_one_has_none(bench: &Bench) {
    let (held, gone) = (bench.open().await, bench.open().await);
    assert_eq!(all(bench, held).await, []);
    bench.store.remove(gone.id).await.unwrap();
    for dead in [gone.id, fresh_id()] {
        assert!(bench.store.values(dead).await.unwrap().is_none());
    }
    put(bench, held, "k", "1").await;
    bench.pass(5).await;
    assert!(bench.store.values(held.id).await.unwrap().is_none());
}

pub(crate) async fn a_value_is_kept_until_it_is_deleted(bench: &Bench) {
    let (held, other) = (bench.open().await, bench.open().await);
    let cart = put(bench, held, "cart", "[1]").await;
    let theme = put(bench, held, "theme", "\"dark\"").await;
    put(bench, other, "cart", "[]").await;
    let expected =
        [("cart".into(), cart, "[1]".into()), ("theme".into(), theme, "\"dark\"".into())];
    assert_eq!(all(bench, held).await, expected);
    let cart = put(bench, held, "cart", "[1,2]").await;
    assert_eq!(all(bench, held).await[0], ("cart".into(), cart, "[1,2]".into()));
    let deleted = write(bench, held.id, "cart", None, Condition::None).await;
    assert_eq!(deleted, ValueWrite::Deleted);
    assert_eq!(all(bench, held).await, expected[1..]);
}

pub(crate) async fn deleting_what_is_not_there_is_no_error(bench: &Bench) {
    let held = bench.open().await;
    let deleted = write(bench, held.id, "nothing", None, Condition::None).await;
    assert_eq!(deleted, ValueWrite::Deleted);
}

pub(crate) async fn no_version_comes_twice_in_a_session(bench: &Bench) {
    let held = bench.open().await;
    let mut versions = Vec::new();
    for key in ["a", "b", "a"] {
        versions.push(put(bench, held, key, "1").await);
        versions.push(put(bench, held, key, "2").await);
        write(bench, held.id, key, None, Condition::None).await;
    }
    versions.push(put(bench, held, "a", "1").await);
    let given = versions.len();
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), given);
}

pub(crate) async fn a_write_needs_its_condition(bench: &Bench) {
    let held = bench.open().await;
    let id = held.id;
    for unmet in [Condition::Present, Condition::Version(vec![0, 1]), Condition::Version(vec![])] {
        let written = write(bench, id, "k", Some("x"), unmet).await;
        assert_eq!(written, ValueWrite::ConditionFailed);
    }
    assert_eq!(all(bench, held).await, []);
    let written = write(bench, id, "k", Some("1"), Condition::Absent).await;
    let ValueWrite::Put(first) = written else { panic!("{written:?}") };
    for unmet in [Condition::Absent, Condition::Version(vec![first + 1])] {
        let written = write(bench, id, "k", Some("x"), unmet).await;
        assert_eq!(written, ValueWrite::ConditionFailed);
    }
    assert_eq!(all(bench, held).await, [("k".into(), first, "1".into())]);
    let either = Condition::Version(vec![first + 7, first]);
    let written = write(bench, id, "k", Some("2"), either).await;
    let ValueWrite::Put(second) = written else { panic!("{written:?}") };
    let stale = write(bench, id, "k", Some("x"), Condition::Version(vec![first])).await;
    assert_eq!(stale, ValueWrite::ConditionFailed);
    let written = write(bench, id, "k", Some("3"), Condition::Present).await;
    assert!(matches!(written, ValueWrite::Put(third) if third != second));
}

pub(crate) async fn a_deletion_needs_its_condition(bench: &Bench) {
    let held = bench.open().await;
    let version = put(bench, held, "k", "1").await;
    for unmet in [Condition::Absent, Condition::Version(vec![version + 1])] {
        let written = write(bench, held.id, "k", None, unmet).await;
        assert_eq!(written, ValueWrite::ConditionFailed);
    }
    assert_eq!(all(bench, held).await.len(), 1);
    let met = Condition::Version(vec![version]);
    assert_eq!(write(bench, held.id, "k", None, met).await, ValueWrite::Deleted);
    for unmet in [Condition::Present, Condition::Version(vec![version])] {
        let written = write(bench, held.id, "k", None, unmet).await;
        assert_eq!(written, ValueWrite::ConditionFailed);
    }
}

pub(crate) async fn of_many_swaps_of_one_version_one_succeeds(bench: &Bench) {
    let held = bench.open().await;
    let version = put(bench, held, "k", "0").await;
    let mut swaps = JoinSet::new();
    for _ in 0..16 {
        let store = Arc::clone(&bench.store);
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

pub(crate) async fn the_limit_is_on_keys_and_values_together(bench: &Bench) {
    let held = bench.open().await;
    put(bench, held, "half", &"x".repeat(VALUES_LIMIT / 2 - 4)).await;
    let before = all(bench, held).await;
    let too_much = "x".repeat(VALUES_LIMIT / 2 - 3);
    let written = write(bench, held.id, "rest", Some(&too_much), Condition::None).await;
    assert_eq!(written, ValueWrite::TooLarge);
    assert_eq!(all(bench, held).await, before);
    put(bench, held, "rest", &too_much[1..]).await;
    let written = write(bench, held.id, "k", Some(""), Condition::None).await;
    assert_eq!(written, ValueWrite::TooLarge);
    let failed = write(bench, held.id, "k", Some("x"), Condition::Present).await;
    assert_eq!(failed, ValueWrite::ConditionFailed);
}

pub(crate) async fn what_is_replaced_or_deleted_makes_room(bench: &Bench) {
    let held = bench.open().await;
    let large = "x".repeat(VALUES_LIMIT - 1);
    for _ in 0..3 {
        put(bench, held, "k", &large).await;
    }
    let grown = write(bench, held.id, "k", Some(&format!("{large}x")), Condition::None).await;
    assert_eq!(grown, ValueWrite::TooLarge);
    write(bench, held.id, "k", None, Condition::None).await;
    put(bench, held, "j", &large).await;
    put(bench, held, "j", "").await;
    put(bench, held, "k", &large[2..]).await;
}

pub(crate) async fn nothing_is_written_to_a_dead_session(bench: &Bench) {
    let (expired, removed) = (bench.open().await, bench.open().await);
    bench.store.remove(removed.id).await.unwrap();
    bench.pass(5).await;
    for id in [expired.id, removed.id, fresh_id()] {
        for (text, condition) in
            [(Some("1"), Condition::None), (Some("1"), Condition::Absent), (None, Condition::None)]
        {
            assert_eq!(write(bench, id, "k", text, condition).await, ValueWrite::Gone);
        }
        assert!(bench.store.values(id).await.unwrap().is_none());
    }
}

pub(crate) async fn a_write_is_no_use(bench: &Bench) {
    let held = bench.open().await;
    let opened = bench.look_live(held).await;
    bench.pass(3).await;
    put(bench, held, "k", "1").await;
    all(bench, held).await;
    let seen = bench.look_live(held).await;
    assert_eq!((seen.refresh_count, seen.expires_at_ms), (0, opened.expires_at_ms));
    bench.pass(2).await;
    assert_over(&bench.touch(use_of(held)).await);
}

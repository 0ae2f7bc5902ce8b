//! What ends a user's sessions, and how others learn of it.

use std::collections::HashMap;

use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Fixture, PASSWORD, add, disabled, roles};
use crate::EndingCause;
use crate::{Directory, SessionEnding, UserChanges, UsersError};

pub(super) async fn what_ends_sessions_raises_the_generation_and_says_so(fixture: Fixture) {
    let directory = fixture.open().await;
    add(&directory, "root@example.com", &["admin"]).await;
    let ann = add(&directory, "ann@example.com", &["user"]).await;
    let start = last(&directory).await;
    let spared = Uuid::from_u128(7);

    let update = directory.update(ann.id, disabled(true)).await.unwrap();
    assert!((update.ends_sessions, update.user.generation) == (true, 2));
    directory.update(ann.id, disabled(false)).await.unwrap();
    let update = directory.update(ann.id, roles(&["user", "a"])).await.unwrap();
    assert!((update.ends_sessions, update.user.generation) == (true, 3));
    let update = directory.update(ann.id, roles(&["a", "user"])).await.unwrap();
    assert!(update.ends_sessions, "another first role is another role to act in");
    let password = "another thousand balloons".into();
    let prepared = directory.prepare_own_password(&update.user, &password, spared).await.unwrap();
    let user = directory.set_password(prepared).await.unwrap();
    assert_eq!(user.generation, 5);
    let both = UserChanges { disabled: Some(true), ..roles(&["b"]) };
    assert_eq!(directory.update(ann.id, both).await.unwrap().user.generation, 6);
    assert_eq!(directory.delete(ann.id).await.unwrap().generation, 7);

    assert_order_of_endings(&directory, start, ann.id, spared).await;
}

pub(super) async fn a_password_that_was_shown_before_an_ending_is_too_late(fixture: Fixture) {
    let directory = fixture.open().await;
    let ann = add(&directory, "ann@example.com", &["user"]).await;
    let shown = directory.verify(ann.id, &PASSWORD.into()).await.unwrap().unwrap();
    // The owner is faster: by another password, or by other roles.
    directory.change_password(ann.id, &"another thousand balloons".into()).await.unwrap();
    let newest = last(&directory).await;
    let password = "the thief's own balloons".into();
    let prepared = directory.prepare_own_password(&shown, &password, Uuid::from_u128(7)).await;
    let late = directory.set_password(prepared.unwrap()).await;
    assert!(matches!(late, Err(UsersError::Rule(_))), "{late:?}");
    assert_eq!(last(&directory).await, newest, "nothing has ended");
    let owner = directory.verify(ann.id, &"another thousand balloons".into()).await.unwrap();
    assert!(owner.is_some(), "the owner's stands");
}

async fn assert_order_of_endings(directory: &Directory, start: i64, id: Uuid, spared: Uuid) {
    let endings = all_after(directory, start).await;
    let read: Vec<_> =
        endings.iter().map(|e| (e.user_id, e.generation, e.spared_session)).collect();
    let expected = [(2, None), (3, None), (4, None), (5, Some(spared)), (6, None), (7, None)];
    assert_eq!(read, expected.map(|(generation, spared)| (id, generation, spared)));
    let causes: Vec<_> = endings.iter().filter_map(|ending| ending.cause).collect();
    let (roles, disabled) = (EndingCause::RolesChanged, EndingCause::UserDisabled);
    let (password, deleted) = (EndingCause::PasswordChanged, EndingCause::UserDeleted);
    assert_eq!(causes, [disabled, roles, roles, password, disabled, deleted]);
    assert!(endings.is_sorted_by_key(|ending| ending.seq));
    assert_eq!(last(directory).await, endings[5].seq);
    assert_eq!(all_after(directory, endings[4].seq).await, endings[5..]);
}

pub(super) async fn what_changes_nothing_ends_nothing(fixture: Fixture) {
    let directory = fixture.open().await;
    let ann = add(&directory, "ann@example.com", &["user", "admin"]).await;
    add(&directory, "root@example.com", &["admin"]).await;
    fixture.clock.advance(std::time::Duration::from_secs(1));
    let same = UserChanges { disabled: Some(false), ..roles(&["user", "admin"]) };
    let unchanged = directory.update(ann.id, same).await.unwrap();
    assert!(!unchanged.ends_sessions);
    assert_eq!(unchanged.user, ann, "not even its time of change");
    let changes = UserChanges {
        first_name: Some("Ann".into()),
        last_name: Some(String::new()),
        ..Default::default()
    };
    let named = directory.update(ann.id, changes).await.unwrap();
    assert!(!named.ends_sessions);
    assert_eq!(named.user.first_name.as_deref(), Some("Ann"));
    assert_eq!((named.user.last_name, named.user.generation), (None, 1));
    assert_eq!(named.user.updated_at_ms, ann.updated_at_ms + 1000);
    assert_eq!(all_after(&directory, 0).await, []);
    directory.update(ann.id, disabled(true)).await.unwrap();
    let enabled = directory.update(ann.id, disabled(false)).await.unwrap();
    assert!(!enabled.ends_sessions && enabled.user.generation == 2);
}

pub(super) async fn a_follower_misses_no_ending_while_others_write(fixture: Fixture) {
    const WRITERS: usize = 8;
    const CHANGES_PER_WRITER: usize = 25;
    let directory = fixture.open().await;
    add(&directory, "root@example.com", &["admin"]).await;
    let mut writers = JoinSet::new();
    for n in 0..WRITERS {
        let user = add(&directory, &format!("u{n}@example.com"), &["user"]).await;
        let directory = directory.clone();
        writers.spawn(async move {
            for step in 0..CHANGES_PER_WRITER {
                let role = if step % 2 == 0 { "a" } else { "b" };
                directory.update(user.id, roles(&[role])).await.unwrap();
            }
        });
    }
    let mut seen: Vec<SessionEnding> = Vec::new();
    while seen.len() < WRITERS * CHANGES_PER_WRITER {
        let last = seen.last().map_or(0, |ending| ending.seq);
        let done = writers.is_empty() || writers.try_join_next().is_some() && writers.is_empty();
        let more = all_after(&directory, last).await;
        assert!(!(done && more.is_empty()), "an ending below {last} became visible too late");
        seen.extend(more);
        tokio::task::yield_now().await;
    }
    assert!(seen.is_sorted_by(|a, b| a.seq < b.seq));
    writers.join_all().await;
    assert_eq!(all_after(&directory, 0).await, seen);
}

pub(super) async fn endings_outlive_a_restart_unless_in_memory(fixture: Fixture) {
    let directory = fixture.open().await;
    let ann = add(&directory, "ann@example.com", &["user"]).await;
    directory.delete(ann.id).await.unwrap();
    let endings = all_after(&directory, 0).await;
    assert_eq!(endings.len(), 1);
    drop(directory);
    let reopened = fixture.open().await;
    let stored = all_after(&reopened, 0).await;
    if fixture.is_shared() {
        assert_eq!(stored, endings);
        let bob = add(&reopened, "bob@example.com", &["user"]).await;
        reopened.delete(bob.id).await.unwrap();
        assert!(last(&reopened).await > endings[0].seq);
    } else {
        assert_eq!(stored, []);
    }
}

pub(super) async fn a_change_that_is_given_up_happens_wholly_or_not_at_all(fixture: Fixture) {
    let directory = fixture.open().await;
    let ann = add(&directory, "ann@example.com", &["user"]).await;
    for round in 0..120 {
        let role = if round % 2 == 0 { "a" } else { "b" };
        let mut change = std::pin::pin!(directory.update(ann.id, roles(&[role])));
        for _ in 0..round * 5 {
            tokio::select! {
                biased;
                _ = &mut change => break,
                () = tokio::task::yield_now() => {}
            }
        }
    }
    let last = directory.update(ann.id, roles(&["last"])).await.unwrap().user;
    let endings = all_after(&directory, 0).await;
    let generations: Vec<i64> = endings.iter().map(|ending| ending.generation).collect();
    assert_eq!(generations, (2..=last.generation).collect::<Vec<_>>());
}

#[tokio::test]
async fn only_the_newest_endings_are_stored() {
    let directory = Fixture::new("sqlite::memory:").open().await;
    let ann = add(&directory, "ann@example.com", &["user"]).await;
    for n in 0..super::super::MAX_STORED_ENDINGS + 5 {
        let role = if n % 2 == 0 { "a" } else { "b" };
        directory.update(ann.id, roles(&[role])).await.unwrap();
    }
    let stored = all_after(&directory, 0).await;
    assert_eq!((stored.len(), stored.last().unwrap().seq), (10_000, 10_005));
}

/// The endings after that one, the oldest first.
async fn all_after(directory: &Directory, seq: i64) -> Vec<SessionEnding> {
    let (mut endings, mut before) = (Vec::new(), i64::MAX);
    loop {
        let page = directory.endings(seq + 1, before).await.unwrap();
        let Some(last) = page.last() else { break };
        before = last.seq;
        endings.extend(page);
    }
    endings.reverse();
    endings
}

async fn last(directory: &Directory) -> i64 {
    directory.newest_ending().await.unwrap().map_or(0, |ending| ending.seq)
}

pub(super) async fn generations_are_those_of_the_users_that_there_are(fixture: Fixture) {
    let directory = fixture.open().await;
    let mut expected = HashMap::new();
    for n in 0..8 {
        let user = add(&directory, &format!("u{n}@example.com"), &["user"]).await;
        for _ in 0..n {
            directory.change_password(user.id, &"another thousand balloons".into()).await.unwrap();
        }
        expected.insert(user.id, 1 + n);
    }
    let mut requested: Vec<Uuid> = (0..1_200).map(Uuid::from_u128).collect();
    requested.extend(expected.keys());
    assert_eq!(directory.generations(&requested).await.unwrap(), expected);
    assert_eq!(directory.generations(&[]).await.unwrap(), HashMap::new());
    let deleted = *requested.last().unwrap();
    directory.delete(deleted).await.unwrap();
    assert_eq!(directory.generations(&[deleted]).await.unwrap(), HashMap::new());
}

pub(super) async fn a_database_is_known_by_one_random_id(fixture: Fixture) {
    let directory = fixture.open().await;
    let id = directory.identity().await.unwrap();
    assert!(!id.is_nil());
    assert_eq!(directory.identity().await.unwrap(), id);
    assert_eq!(fixture.open().await.identity().await.unwrap() == id, fixture.is_shared());
    let other = Fixture::new("sqlite::memory:").open().await;
    assert_ne!(other.identity().await.unwrap(), id);
}

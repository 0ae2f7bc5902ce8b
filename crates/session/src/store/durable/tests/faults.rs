//! Commits that fail: what was promised is taken back, ends stay, and no later commit makes a failed
//! one good.

use std::sync::atomic::Ordering::SeqCst;

use super::files::connect;
use super::*;
use crate::TouchContext;
use crate::store::conformance::logout;
use crate::store::conformance::{Client, Held, end_of, fresh_digest, held, look, someone, use_of};
use crate::{AttemptKey, AttemptStore as _, Kind, NewSession, Verdict};

impl Running {
    fn fail(&self, failing: bool) {
        self.failing.store(failing, SeqCst);
    }

    /// Waits until the file can be written again.
    async fn recovered(&self) {
        self.fail(false);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while self.store.ping().await.is_err() {
            assert!(tokio::time::Instant::now() < deadline, "it does not recover");
            // The manual clock decides when it is tried again.
            self.clock.advance(Duration::from_millis(100));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A lifetime that nothing here outlives.
fn lasting(fixture: &Fixture) -> NewSession {
    fixture.ending(Kind::Sliding, 1000)
}

#[tokio::test]
async fn an_opening_that_is_not_written_did_not_happen() {
    let machine = Machine::new();
    let running = machine.start().await;
    let new = lasting(&running.fixture);
    running.fail(true);
    let error = running.store.insert(&new, 0, &logout()).await.unwrap_err();
    assert!(error.0.contains("session file"), "{error}");
    assert!(running.store.ping().await.is_err(), "it is not ready");
    assert!(!running.fixture.lives(held(&new)).await);
    assert_eq!(running.store.count().await.unwrap(), 0);
    running.recovered().await;
    let other = running.fixture.insert(&lasting(&running.fixture)).await;
    running.kill().await;
    let running = machine.start().await;
    assert!(!running.fixture.lives(held(&new)).await, "a later commit does not write it");
    assert!(running.fixture.lives(other).await);
}

#[tokio::test]
async fn an_end_that_is_not_written_ends_the_session_all_the_same_and_stays_queued() {
    let machine = Machine::new();
    let running = machine.start().await;
    let ann = someone();
    let open = async || running.fixture.open_for(&ann, 1000).await;
    let (by_token, by_id, by_user, spared) =
        (open().await, open().await, open().await, open().await);
    running.fail(true);
    assert!(running.store.touch(&[end_of(by_token)], TouchContext::default()).await[0].is_err());
    assert!(running.store.remove(by_id.id, &logout()).await.is_err());
    let ending = Ending { below_generation: Some(9), keep: Some(spared.id) };
    assert!(running.store.remove_subject(ann.id, ending, &logout()).await.is_err());
    for held in [by_token, by_id, by_user] {
        assert!(!running.fixture.lives(held).await);
        let again = running.store.touch(&[end_of(held)], TouchContext::default()).await.remove(0);
        assert!(again.is_err(), "no crash may bring back what somebody was told is dead");
        assert!(running.store.remove(held.id, &logout()).await.is_err());
    }
    assert!(running.store.remove_subject(ann.id, ending, &logout()).await.is_err());
    running.recovered().await;
    assert!(!running.store.remove(by_id.id, &logout()).await.unwrap());
    running.kill().await;
    let running = machine.start().await;
    for held in [by_token, by_id, by_user] {
        assert!(!running.fixture.lives(held).await);
    }
    assert_eq!(running.fixture.look_live(spared).await.generation, 9);
}

#[tokio::test]
async fn a_rotation_that_is_not_written_leaves_the_secret_that_was() {
    let machine = Machine::new();
    let running = machine.start().await;
    let old = running.fixture.insert(&lasting(&running.fixture)).await;
    let digests = [fresh_digest(), fresh_digest()];
    let client = Client::BOB.digest();
    let first = Held { id: old.id, digest: digests[0] };
    running.store.rotate(&use_of(old), first.digest, Some(1), client, &logout()).await.unwrap();
    running.fail(true);
    assert!(
        running.store.rotate(&use_of(first), digests[1], Some(2), client, &logout()).await.is_err()
    );
    let second = Held { id: old.id, digest: digests[1] };
    for _ in 0..2 {
        assert_eq!(running.fixture.look_live(first).await.role, 1);
        assert!(!running.fixture.lives(second).await);
        running.recovered().await;
    }
    running.kill().await;
    let running = machine.start().await;
    assert_eq!(running.fixture.look_live(first).await.role, 1);
    assert!(!running.fixture.lives(second).await);
    assert!(matches!(running.fixture.touch(end_of(old)).await, Verdict::Alive(_)));
}

#[tokio::test]
async fn a_single_use_that_is_not_written_can_be_made_again() {
    let machine = Machine::new();
    let running = machine.start().await;
    let once = running.fixture.insert(&running.fixture.ending(Kind::SingleUse, 1000)).await;
    running.fail(true);
    assert!(running.store.touch(&[use_of(once)], TouchContext::default()).await[0].is_err());
    assert!(running.fixture.lives(once).await);
    running.recovered().await;
    running.kill().await;
    let running = machine.start().await;
    assert!(matches!(running.fixture.touch(use_of(once)).await, Verdict::Alive(_)));
    assert!(!running.fixture.lives(once).await);
}

#[tokio::test]
async fn a_value_that_is_not_written_leaves_the_one_that_was() {
    let machine = Machine::new();
    let running = machine.start().await;
    let one = running.fixture.insert(&lasting(&running.fixture)).await;
    let write = async |store: &DurableStore, text: &str| {
        let put = ValueChange::Put(text.into());
        store.write_value(one.id, "k", put, Condition::None).await
    };
    assert_eq!(write(&running.store, "1").await.unwrap(), ValueWrite::Put(1));
    running.fail(true);
    assert!(write(&running.store, "2").await.is_err());
    let stands = running.store.values(one.id).await.unwrap().unwrap();
    assert_eq!(stands["k"], (1, "1".into()));
    running.recovered().await;
    running.kill().await;
    let running = machine.start().await;
    let stands = running.store.values(one.id).await.unwrap().unwrap();
    assert_eq!(stands["k"], (1, "1".into()));
    assert!(
        matches!(write(&running.store, "3").await.unwrap(), ValueWrite::Put(version) if version > 1)
    );
}

#[tokio::test]
async fn an_opening_that_is_not_written_ends_nobody_for_the_cap() {
    let machine = Machine::new();
    let running = machine.start().await;
    let ann = someone();
    let first = running.fixture.open_for(&ann, 1000).await;
    let new = NewSession { subject: Arc::clone(&ann), ..lasting(&running.fixture) };
    running.fail(true);
    assert!(running.store.insert(&new, 1, &logout()).await.is_err());
    assert!(running.fixture.lives(first).await);
    running.recovered().await;
    assert!(running.fixture.lives(first).await);
    let new = NewSession { subject: Arc::clone(&ann), ..lasting(&running.fixture) };
    let Insertion::Created { ended, .. } = running.store.insert(&new, 1, &logout()).await.unwrap()
    else {
        panic!("it is created");
    };
    assert_eq!(ended, [first.id]);
    running.kill().await;
    let running = machine.start().await;
    assert!(!running.fixture.lives(first).await);
    assert!(running.fixture.lives(held(&new)).await);
}

#[tokio::test]
async fn while_nothing_can_be_written_sessions_are_served_and_uses_counted() {
    let machine = Machine::new();
    let running = machine.start().await;
    let one = running.fixture.insert(&lasting(&running.fixture)).await;
    assert!(running.store.swap_checkpoint("one", None, "1").await.unwrap());
    running.fail(true);
    assert!(running.store.remove(someone_elses(&running).await.id, &logout()).await.is_err());
    assert_eq!(running.fixture.use_live(one).await.refresh_count, 1);
    assert!(
        running.attempts.remember(AttemptKey::of(&[b"a"]), Duration::from_hours(1)).await.is_err()
    );
    assert!(running.store.set_bookmark("9").await.is_err());
    assert_eq!(running.store.bookmark().await.unwrap(), None);
    assert!(running.store.swap_checkpoint("one", Some("1"), "2").await.is_err());
    assert!(running.store.swap_checkpoint("two", None, "1").await.is_err());
    running.recovered().await;
    running.stop().await;
    let running = machine.start().await;
    assert_eq!(running.fixture.look_live(one).await.refresh_count, 1);
    assert_eq!(running.store.bookmark().await.unwrap(), None);
    assert_eq!(running.store.checkpoint("one").await.unwrap().as_deref(), Some("1"));
    assert_eq!(running.store.checkpoint("two").await.unwrap(), None);
}

/// A session that was opened while the file could be written.
async fn someone_elses(running: &Running) -> Held {
    running.fail(false);
    let held = running.fixture.insert(&lasting(&running.fixture)).await;
    running.fail(true);
    held
}

#[tokio::test]
async fn a_file_that_is_removed_or_replaced_is_not_written_and_one_that_is_put_back_is() {
    let machine = Machine::new();
    let running = machine.start().await;
    let one = running.fixture.insert(&lasting(&running.fixture)).await;
    let aside = machine.directory.path().join("aside.db");
    std::fs::rename(machine.path(), &aside).unwrap();
    let error = running.store.ping().await.unwrap_err();
    assert!(error.0.contains("removed"), "{error}");
    let error = running.store.insert(&lasting(&running.fixture), 0, &logout()).await.unwrap_err();
    assert!(error.0.contains("removed"), "{error}");
    std::fs::write(machine.path(), b"").unwrap();
    let error = running.store.ping().await.unwrap_err();
    assert!(error.0.contains("removed") || error.0.contains("replaced"), "{error}");
    assert!(running.fixture.lives(one).await);
    std::fs::rename(&aside, machine.path()).unwrap();
    running.recovered().await;
    let two = running.fixture.insert(&lasting(&running.fixture)).await;
    running.kill().await;
    let running = machine.start().await;
    for held in [one, two] {
        assert!(matches!(running.fixture.touch(look(held)).await, Verdict::Alive(_)));
    }
}

#[tokio::test]
async fn a_lock_of_somebody_else_fails_what_must_be_written_until_it_is_let_go() {
    let machine = Machine::new();
    let running = machine.start().await;
    let [one, two] = [(); 2].map(|()| lasting(&running.fixture));
    running.fixture.insert(&one).await;
    let mut other = connect(&machine.path()).await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let error = running.store.insert(&two, 0, &logout()).await.unwrap_err();
    assert!(error.0.contains("locked"), "{error}");
    assert!(running.store.remove(one.id, &logout()).await.is_err());
    assert!(!running.fixture.lives(held(&one)).await, "it has ended all the same");
    sqlx::Connection::close(other).await.unwrap();
    running.recovered().await;
    running.kill().await;
    let running = machine.start().await;
    assert_eq!(running.store.count().await.unwrap(), 0);
}

#[tokio::test]
async fn an_end_of_very_many_is_written_in_several_commits_and_survives_their_failure() {
    let machine = Machine::new();
    let mut running = machine.start().await;
    for failing in [false, true] {
        let ann = someone();
        let news = (0..20_000)
            .map(|_| NewSession { subject: Arc::clone(&ann), ..lasting(&running.fixture) });
        let store = &running.store;
        let opened =
            news.map(|new| async move { store.insert(&new, 0, &logout()).await.map(drop) });
        futures_util::future::try_join_all(opened).await.unwrap();
        running.fail(failing);
        let ending = Ending { below_generation: None, keep: None };
        let ended = running.store.remove_subject(ann.id, ending, &logout()).await;
        assert_eq!(ended.is_err(), failing);
        assert_eq!(running.store.count().await.unwrap(), 0);
        running.recovered().await;
        running.kill().await;
        running = machine.start().await;
        assert_eq!(running.store.count().await.unwrap(), 0, "failing: {failing}");
    }
}

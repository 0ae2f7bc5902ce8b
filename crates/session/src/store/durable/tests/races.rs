//! The races that the file could decide otherwise than memory did. After each round the service is
//! killed, and what memory answered must hold.
//!
//! | race | what must hold |
//! | --- | --- |
//! | end × use | the session is dead, whatever was written of the use |
//! | rotate × end | every token of it is dead |
//! | cap × mint | no more than the cap live, and all that were answered to be ended are dead |
//! | single use × kill | one use was answered at most, and none after the kill if one was |
//! | value × rotate | both stand |
//! | sweep × use | what was used in time lives, what was not is gone |

#![expect(clippy::disallowed_methods, reason = "a test awaits its tasks, or ends with them")]

use super::*;
use crate::TouchContext;
use crate::store::conformance::logout;
use crate::store::conformance::{Client, Held, end_of, fresh_digest, held, someone, use_of};
use crate::{Kind, NewSession, Presented, Verdict};

const ROUNDS: usize = 12;
const SESSIONS: usize = 24;

/// Presents a token on a task of its own.
fn present(store: &DurableStore, presented: Presented) -> JoinHandle<bool> {
    let store = store.clone();
    tokio::spawn(async move {
        let outcome = store.touch(&[presented], TouchContext::default()).await.remove(0);
        matches!(outcome, Ok(Verdict::Alive(_)))
    })
}

/// Rotates a session's token on a task of its own.
fn rotate(store: &DurableStore, old: Held, new: Held) -> JoinHandle<Verdict> {
    let store = store.clone();
    tokio::spawn(async move {
        store.rotate(&use_of(old), new.digest, None, Client::BOB.digest(), &logout()).await.unwrap()
    })
}

async fn open(running: &Running, kind: Kind) -> Held {
    running.fixture.insert(&running.fixture.ending(kind, 1000)).await
}

/// Kills and starts anew.
async fn again(machine: &Machine, running: Running) -> Running {
    running.kill().await;
    machine.start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn end_and_use() {
    let machine = Machine::new();
    let mut running = machine.start().await;
    for _ in 0..ROUNDS {
        let mut ended = Vec::new();
        for _ in 0..SESSIONS {
            let one = open(&running, Kind::Sliding).await;
            let uses = [present(&running.store, use_of(one)), present(&running.store, use_of(one))];
            machine.clock.advance(Duration::from_secs(40));
            let end = present(&running.store, end_of(one));
            assert!(end.await.unwrap());
            for used in uses {
                used.await.unwrap();
            }
            ended.push(one);
        }
        running = again(&machine, running).await;
        for one in ended {
            assert!(!running.fixture.lives(one).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotate_and_end() {
    let machine = Machine::new();
    let mut running = machine.start().await;
    for _ in 0..ROUNDS {
        let mut tokens = Vec::new();
        for _ in 0..SESSIONS {
            let old = open(&running, Kind::Sliding).await;
            let new = Held { id: old.id, digest: fresh_digest() };
            let rotating = rotate(&running.store, old, new);
            assert!(present(&running.store, end_of(old)).await.unwrap());
            rotating.await.unwrap();
            tokens.extend([old, new]);
        }
        running = again(&machine, running).await;
        for token in tokens {
            assert!(!running.fixture.lives(token).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cap_and_mint() {
    const CAP: usize = 3;
    let machine = Machine::new();
    let mut running = machine.start().await;
    for _ in 0..ROUNDS {
        let ann = someone();
        let maker = running.fixture.open_for(&ann, 1000).await;
        let mints: Vec<_> = (0..SESSIONS)
            .map(|_| {
                let subject = Arc::clone(&ann);
                let maker = Some(use_of(maker));
                let new =
                    NewSession { subject, maker, ..running.fixture.ending(Kind::Sliding, 1000) };
                let store = running.store.clone();
                tokio::spawn(async move {
                    (held(&new), store.insert(&new, CAP, &logout()).await.unwrap())
                })
            })
            .collect();
        let (mut created, mut ended) = (Vec::new(), Vec::new());
        for mint in mints {
            let (new, insertion) = mint.await.unwrap();
            if let Insertion::Created { ended: others, .. } = insertion {
                created.push(new.id);
                ended.extend(others);
            }
        }
        let before = ids(&running, ann.id).await;
        assert!(before.len() <= CAP, "{}", before.len());
        running = again(&machine, running).await;
        assert_eq!(ids(&running, ann.id).await, before);
        created.retain(|id| !ended.contains(id));
        assert!(created.iter().all(|id| before.contains(id)));
    }
}

async fn ids(running: &Running, subject: Uuid) -> Vec<SessionId> {
    let listed = running.store.list(subject).await.unwrap();
    let mut ids: Vec<SessionId> = listed.iter().map(|session| session.id).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_use_and_kill() {
    let machine = Machine::new();
    let mut running = machine.start().await;
    for _ in 0..ROUNDS {
        let once = open(&running, Kind::SingleUse).await;
        let uses: Vec<_> = (0..6).map(|_| present(&running.store, use_of(once))).collect();
        // Those that the kill leaves without an answer are cut off with the process.
        let mut answered = 0;
        for (number, used) in uses.into_iter().enumerate() {
            if number < 3 {
                answered += usize::from(used.await.unwrap());
            } else {
                used.abort();
            }
        }
        assert!(answered <= 1);
        running = again(&machine, running).await;
        if answered == 1 {
            assert!(!running.fixture.lives(once).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn value_and_rotate() {
    let machine = Machine::new();
    let mut running = machine.start().await;
    for _ in 0..ROUNDS {
        let mut expected = Vec::new();
        for _ in 0..SESSIONS {
            let old = open(&running, Kind::Sliding).await;
            let new = Held { id: old.id, digest: fresh_digest() };
            let rotating = rotate(&running.store, old, new);
            let put = ValueChange::Put("7".into());
            let written = running.store.write_value(old.id, "k", put, Condition::None).await;
            assert_eq!(written.unwrap(), ValueWrite::Put(1));
            assert!(matches!(rotating.await.unwrap(), Verdict::Alive(_)));
            expected.push(new);
        }
        running = again(&machine, running).await;
        for new in expected {
            assert!(running.fixture.lives(new).await);
            assert_eq!(running.store.values(new.id).await.unwrap().unwrap()["k"], (1, "7".into()));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sweep_and_use() {
    let machine = Machine::new();
    let mut running = machine.start().await;
    for _ in 0..ROUNDS {
        let (mut used, mut unused) = (Vec::new(), Vec::new());
        for _ in 0..SESSIONS {
            used.push(running.fixture.open().await);
            unused.push(running.fixture.open().await);
        }
        running.fixture.pass(3).await;
        let sweeping = running.store.clone();
        let sweep = tokio::spawn(async move { sweeping.sweep().await.unwrap() });
        for one in &used {
            running.fixture.use_live(*one).await;
        }
        sweep.await.unwrap();
        running.fixture.pass(2).await;
        running.store.sweep().await.unwrap();
        assert_eq!(running.store.count().await.unwrap(), SESSIONS as u64);
        running.stop().await;
        running = machine.start().await;
        assert_eq!(running.store.count().await.unwrap(), SESSIONS as u64);
        for one in used {
            assert!(running.fixture.lives(one).await);
            running.store.remove(one.id, &logout()).await.unwrap();
        }
        for one in unused {
            assert!(!running.fixture.lives(one).await);
        }
    }
}

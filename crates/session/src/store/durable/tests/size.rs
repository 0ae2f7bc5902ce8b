//! The file gives back what it no longer needs.

use super::files::connect;
use super::*;
use crate::store::conformance::logout;
use crate::{Kind, NewSession};

const SESSIONS: usize = 40_000;

#[tokio::test]
async fn after_a_sweep_of_many_the_file_shrinks() {
    let machine = Machine::new();
    let running = machine.start().await;
    let stays = running.fixture.insert(&running.fixture.ending(Kind::Fixed, 100_000)).await;
    let news: Vec<NewSession> =
        (0..SESSIONS).map(|_| running.fixture.ending(Kind::Fixed, 10)).collect();
    let context = logout();
    for news in news.chunks(5_000) {
        let opened = news.iter().map(|new| running.store.insert(new, 0, &context));
        futures_util::future::try_join_all(opened).await.unwrap();
    }
    let mut other = connect(&machine.path()).await;
    let mode: i64 = sqlx::query_scalar("PRAGMA auto_vacuum").fetch_one(&mut other).await.unwrap();
    assert_eq!(mode, 2, "the file is vacuumed incrementally");
    sqlx::Connection::close(other).await.unwrap();
    machine.clock.advance(running.fixture.unit * 11);
    assert_eq!(running.store.sweep().await.unwrap().removed, SESSIONS as u64);
    let before = machine.path().metadata().unwrap().len();
    assert!(before > 4 << 20, "{before} bytes: it was never large");
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    while machine.path().metadata().unwrap().len() > before / 3 {
        assert!(tokio::time::Instant::now() < deadline, "it does not shrink");
        machine.clock.advance(Duration::from_secs(6));
        // What is given back is gone from the file once the log beside it is moved into it.
        let again = running.fixture.ending(Kind::Fixed, 1000);
        running.store.insert(&again, 0, &logout()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.stop().await;
    assert!(machine.start().await.fixture.lives(stays).await);
}

//! Minting at the user's limit, on each store.

#![expect(clippy::disallowed_methods, reason = "a test awaits its tasks, or ends with them")]

use std::sync::Arc;
use std::time::Duration;

use clock::ManualClock;
use uuid::Uuid;

use super::*;
use crate::store::conformance::{broken, logout, someone};
use crate::store::redis::server::fresh_database;
use crate::{MemoryStore, Origin, RedisStore};

const CAP: usize = 3;

fn engine(store: Arc<dyn SessionStore>, clock: &ManualClock) -> Sessions {
    const HOUR: Duration = Duration::from_hours(1);
    let lifetimes = Lifetimes {
        token: (HOUR, HOUR),
        cookie: (HOUR, HOUR),
        fixed_max: HOUR * 9,
        single_use_max: HOUR,
        fresh_for: HOUR,
        max_per_subject: CAP,
    };
    Sessions::new(store, Arc::new(clock.clone()), lifetimes, Binding::default())
}

/// An engine on each store that is to be had here.
async fn engines() -> Vec<Sessions> {
    let clock = ManualClock::new();
    let memory = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    let mut stores: Vec<Arc<dyn SessionStore>> = vec![memory];
    stores.extend(
        fresh_database().await.map(|connection| Arc::new(RedisStore::new(connection)) as Arc<_>),
    );
    stores.into_iter().map(|store| engine(store, &clock)).collect()
}

fn login() -> Login {
    Login {
        subject: someone(),
        role: 0,
        generation: 0,
        transport: Transport::Bearer,
        origin: Origin::default(),
        request_id: None,
    }
}

fn presented(token: &Token) -> Presented {
    let (id, digest) = Token::read(token.expose()).unwrap();
    Presented { id, digest, intent: Intent::Use }
}

async fn mint(sessions: &Sessions, maker: &Issued) -> Result<Issued, SessionError> {
    let ttl = Some(Duration::from_hours(9));
    let (name, scopes, origin) = (None, None, Origin::default());
    let mint = Mint { kind: Kind::Fixed, ttl, name, scopes, origin, request_id: None };
    sessions.mint(&maker.session, presented(&maker.token), mint).await
}

/// A user's live sessions, in order of their ids.
async fn live(sessions: &Sessions, subject: Uuid) -> Vec<SessionId> {
    let listed = sessions.list(subject).await.unwrap();
    let mut ids: Vec<SessionId> = listed.iter().map(|session| session.id).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn a_mint_that_is_refused_at_the_limit_ends_no_other_session() {
    for sessions in engines().await {
        let login = login();
        let maker = sessions.issue(login.clone()).await.unwrap();
        assert!(
            sessions
                .log_out(&[presented(&maker.token)], &logout())
                .await
                .remove(0)
                .unwrap()
                .is_some()
        );
        for _ in 0..CAP {
            sessions.issue(login.clone()).await.unwrap();
        }
        let before = live(&sessions, login.subject.id).await;
        let refused = mint(&sessions, &maker).await;
        assert!(matches!(refused, Err(SessionError::Dead(Dead::Unknown))), "{refused:?}");
        assert_eq!(live(&sessions, login.subject.id).await, before);
    }
}

#[tokio::test]
async fn of_mints_one_after_the_other_the_one_that_ends_its_maker_is_the_last() {
    for sessions in engines().await {
        let maker = sessions.issue(login()).await.unwrap();
        let mut minted = Vec::new();
        for _ in 0..CAP {
            minted.push(mint(&sessions, &maker).await.unwrap().session.id);
        }
        let refused = mint(&sessions, &maker).await;
        assert!(matches!(refused, Err(SessionError::Dead(Dead::Unknown))), "{refused:?}");
        minted.sort_unstable();
        assert_eq!(live(&sessions, maker.session.subject.id).await, minted);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_minted_while_all_of_a_users_sessions_are_ended_ends_with_them() {
    for sessions in engines().await {
        for _ in 0..200 {
            let maker = sessions.issue(login()).await.unwrap();
            let subject = maker.session.subject.id;
            let (minting, ending) = (sessions.clone(), sessions.clone());
            let minted = tokio::spawn(async move { mint(&minting, &maker).await });
            let ended =
                tokio::spawn(
                    async move { ending.end_all(subject, Ending::default(), &logout()).await },
                );
            ended.await.unwrap().unwrap();
            let minted = minted.await.unwrap();
            assert_eq!(live(&sessions, subject).await, [], "{minted:?}");
        }
    }
}

#[tokio::test]
async fn a_session_that_a_store_has_missed_where_all_of_a_users_end_ends_as_well() {
    let store = broken::listing_before_it_ends().store;
    let sessions = engine(store, &ManualClock::new());
    let issued = sessions.issue(login()).await.unwrap();
    let subject = issued.session.subject.id;
    let ended = sessions.end_all(subject, Ending::default(), &logout()).await.unwrap();
    assert_eq!((ended.len(), live(&sessions, subject).await), (2, Vec::new()));
}

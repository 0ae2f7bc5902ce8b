//! What the engine adds to its store: randomness that is checked, minting rules, binding.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use clock::ManualClock;
use parking_lot::Mutex;

use super::*;
use crate::store::conformance::logout;
use crate::{MemoryStore, Origin, Subject};

pub(super) const S: Duration = Duration::from_secs(1);

pub(super) fn lifetimes() -> Lifetimes {
    Lifetimes {
        token: (30 * S, 600 * S),
        cookie: (3600 * S, 7200 * S),
        fixed_max: 9000 * S,
        single_use_max: 1000 * S,
        fresh_for: 60 * S,
        max_per_subject: 3,
    }
}

pub(super) fn engine(binding: Binding) -> (Sessions, ManualClock) {
    let clock = ManualClock::new();
    let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    (Sessions::new(store, Arc::new(clock.clone()), lifetimes(), binding), clock)
}

pub(super) fn login(ip: &str) -> Login {
    let subject = Subject {
        id: Uuid::from_u128(7),
        external: None,
        username: "ann@example.com".into(),
        display_name: "Ann".into(),
        roles: ["admin", "user"].map(Box::from).into(),
    };
    Login {
        subject: Arc::new(subject),
        role: 1,
        generation: 4,
        transport: Transport::Bearer,
        origin: Origin { ip: ip.parse().ok(), user_agent: Some("a".into()) },
        request_id: None,
    }
}

pub(super) fn presented(token: &Token) -> Presented {
    let (id, digest) = Token::read(token.expose()).unwrap();
    Presented { id, digest, intent: Intent::Use }
}

fn mint(kind: Kind, ttl: Option<Duration>) -> Mint {
    let (name, scopes, origin) = (None, None, Origin::default());
    Mint { kind, ttl, name, scopes, origin, request_id: None }
}

pub(super) async fn alive(sessions: &Sessions, token: &Token) -> Option<Session> {
    match sessions.validate_one(presented(token), SeenAt::default()).await.unwrap() {
        Verdict::Alive(session) => Some(session),
        Verdict::Dead(_) => None,
    }
}

/// A source that gives each of `draws` in turn, in every byte, and then fails.
fn scripted(draws: &[u8]) -> RandomSource {
    let draws = Mutex::new(draws.iter().copied().collect::<VecDeque<_>>());
    Arc::new(move |buffer: &mut [u8]| {
        let next = draws.lock().pop_front();
        let draw = next.ok_or_else(|| SessionError::Randomness("exhausted".to_owned()))?;
        buffer.fill(draw);
        Ok(())
    })
}

#[tokio::test]
async fn randomness_that_repeats_itself_leads_to_another_draw_and_never_to_an_overwrite() {
    let (sessions, _) = engine(Binding::default());
    // An id, its secret; the same id again, its secret; another id, its secret.
    let sessions = sessions.with_randomness(scripted(&[1, 11, 1, 12, 2, 13]));
    let first = sessions.issue(login("192.0.2.1")).await.unwrap();
    let second = sessions.issue(login("192.0.2.1")).await.unwrap();
    assert_ne!(first.session.id, second.session.id);
    assert!(alive(&sessions, &first.token).await.is_some());
    assert!(alive(&sessions, &second.token).await.is_some());
}

#[tokio::test]
async fn randomness_that_only_repeats_itself_issues_nothing() {
    let (sessions, _) = engine(Binding::default());
    let sessions = sessions.with_randomness(scripted(&[1; 12]));
    let first = sessions.issue(login("192.0.2.1")).await.unwrap();
    let refused = sessions.issue(login("192.0.2.1")).await.unwrap_err();
    assert!(matches!(refused, SessionError::Randomness(_)));
    assert!(alive(&sessions, &first.token).await.is_some());
}

#[tokio::test]
async fn no_session_is_issued_without_randomness() {
    let (sessions, _) = engine(Binding::default());
    let sessions = sessions.with_randomness(scripted(&[]));
    assert!(matches!(sessions.issue(login("::1")).await, Err(SessionError::Randomness(_))));
    assert_eq!(sessions.store().count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_minted_token_acts_as_its_maker_and_outlives_its_makers_logout() {
    let (sessions, clock) = engine(Binding::default());
    let maker = sessions.issue(login("192.0.2.1")).await.unwrap();
    clock.advance(10 * S);
    let session = alive(&sessions, &maker.token).await.unwrap();
    let minted =
        sessions.mint(&session, presented(&maker.token), mint(Kind::Fixed, None)).await.unwrap();
    assert_eq!(minted.session.role(), "user");
    assert_eq!(minted.session.generation, 4);
    assert_eq!(minted.session.login_age, 10 * S);
    assert_eq!(minted.session.expires_in, 3600 * S);
    assert!(
        sessions.log_out(&[presented(&maker.token)], &logout()).await.remove(0).unwrap().is_some()
    );
    assert!(alive(&sessions, &minted.token).await.is_some());
}

#[tokio::test]
async fn a_maker_that_ended_meanwhile_mints_nothing() {
    let (sessions, _) = engine(Binding::default());
    let maker = sessions.issue(login("192.0.2.1")).await.unwrap();
    sessions.end_all(Uuid::from_u128(7), Ending::default(), &logout()).await.unwrap();
    let minted =
        sessions.mint(&maker.session, presented(&maker.token), mint(Kind::Fixed, None)).await;
    assert!(matches!(minted, Err(SessionError::Dead(_))));
    assert_eq!(sessions.store().count().await.unwrap(), 0);
}

#[tokio::test]
async fn only_a_fresh_sliding_session_mints_and_only_within_the_maximum() {
    let (sessions, clock) = engine(Binding::default());
    let maker = sessions.issue(login("192.0.2.1")).await.unwrap();
    let by = presented(&maker.token);
    for (kind, ttl) in
        [(Kind::Fixed, 9001), (Kind::SingleUse, 1001), (Kind::Sliding, 31), (Kind::Fixed, 0)]
    {
        let refused = sessions.mint(&maker.session, by, mint(kind, Some(ttl * S))).await;
        assert!(matches!(refused, Err(SessionError::Ttl(_))), "{kind:?} {ttl}");
    }
    let once = sessions.mint(&maker.session, by, mint(Kind::SingleUse, None)).await.unwrap();
    let refused =
        sessions.mint(&once.session, presented(&once.token), mint(Kind::Fixed, None)).await;
    assert!(matches!(refused, Err(SessionError::WrongKind)));
    for _ in 0..3 {
        clock.advance(21 * S);
        alive(&sessions, &maker.token).await.unwrap();
    }
    let old = alive(&sessions, &maker.token).await.unwrap();
    let refused = sessions.mint(&old, by, mint(Kind::Fixed, None)).await;
    assert!(matches!(refused, Err(SessionError::Stale { .. })));
}

#[tokio::test]
async fn a_rotated_session_keeps_its_id_and_its_old_token_is_dead() {
    let (sessions, _) = engine(Binding::default());
    let issued = sessions.issue(login("192.0.2.1")).await.unwrap();
    let rotation =
        sessions.rotate(presented(&issued.token), Some(0), &SeenAt::default()).await.unwrap();
    let Rotation::Rotated(token, session) = rotation else { panic!("{rotation:?}") };
    assert_eq!((session.id, session.role()), (issued.session.id, "admin"));
    assert!(alive(&sessions, &issued.token).await.is_none());
    assert!(alive(&sessions, &token).await.is_some());
    let again = sessions.rotate(presented(&issued.token), None, &SeenAt::default()).await.unwrap();
    assert!(matches!(again, Rotation::Dead(Dead::Unknown)));
}

fn seen_at(ip: &str) -> SeenAt {
    SeenAt { ip: ip.parse().ok(), user_agent: None, request_id: None }
}

#[tokio::test]
async fn a_bound_session_ends_when_it_is_used_elsewhere_and_a_look_only_says_so() {
    let (sessions, _) = engine(Binding { ip: true, user_agent: false });
    let issued = sessions.issue(login("192.0.2.1")).await.unwrap();
    let used = presented(&issued.token);
    let look = Presented { intent: Intent::Look, ..used };
    for _ in 0..2 {
        let verdict = sessions.validate_one(look, seen_at("192.0.2.2")).await.unwrap();
        assert_eq!(verdict, Verdict::Dead(Dead::Revoked));
    }
    assert!(alive(&sessions, &issued.token).await.is_some());
    for dead in [Dead::Revoked, Dead::Unknown] {
        let verdict = sessions.validate_one(used, seen_at("192.0.2.2")).await.unwrap();
        assert_eq!(verdict, Verdict::Dead(dead));
    }
    assert!(alive(&sessions, &issued.token).await.is_none());
}

#[tokio::test]
async fn what_ends_a_bound_session_is_seen_by_those_behind_it_in_the_batch() {
    const HOME: &str = "192.0.2.1";
    const AWAY: &str = "192.0.2.2";
    let (sessions, _) = engine(Binding { ip: true, user_agent: false });
    let issued = sessions.issue(login(HOME)).await.unwrap();
    let other = sessions.issue(login(HOME)).await.unwrap();
    let (used, others) = (presented(&issued.token), presented(&other.token));
    let look = Presented { intent: Intent::Look, ..used };
    let (batch, seen): (Vec<_>, Vec<_>) = [
        (used, HOME),
        (look, AWAY),
        (used, HOME),
        (used, AWAY),
        (used, HOME),
        (others, HOME),
        (look, AWAY),
    ]
    .map(|(presented, ip)| (presented, seen_at(ip)))
    .into_iter()
    .unzip();
    let verdicts: Vec<_> = sessions
        .validate(&batch, &seen)
        .await
        .into_iter()
        .map(|outcome| match outcome.unwrap() {
            Verdict::Alive(_) => None,
            Verdict::Dead(dead) => Some(dead),
        })
        .collect();
    let (revoked, unknown) = (Some(Dead::Revoked), Some(Dead::Unknown));
    assert_eq!(verdicts, [None, revoked, None, revoked, unknown, None, unknown]);
}

#[tokio::test]
async fn past_the_users_limit_a_login_ends_the_session_that_would_end_soonest() {
    let (sessions, clock) = engine(Binding::default());
    let mut tokens = Vec::new();
    for _ in 0..4 {
        tokens.push(sessions.issue(login("192.0.2.1")).await.unwrap());
        clock.advance(S);
    }
    assert_eq!(tokens[3].ended, [tokens[0].session.id]);
    assert!(alive(&sessions, &tokens[0].token).await.is_none());
    assert!(alive(&sessions, &tokens[1].token).await.is_some());
}

#[tokio::test]
async fn a_token_minted_at_the_users_limit_may_end_its_maker_and_lives() {
    let (sessions, _) = engine(Binding::default());
    let maker = sessions.issue(login("192.0.2.1")).await.unwrap();
    let by = presented(&maker.token);
    let mut minted = Vec::new();
    for _ in 0..3 {
        minted.push(sessions.mint(&maker.session, by, mint(Kind::Fixed, None)).await.unwrap());
    }
    assert_eq!(minted[2].ended, [maker.session.id]);
    assert!(alive(&sessions, &maker.token).await.is_none());
    for issued in &minted {
        assert!(alive(&sessions, &issued.token).await.is_some());
    }
}

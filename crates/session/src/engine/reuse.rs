//! Tokens from before a rotation: what ends with them, and what is taken for theft.

use std::sync::Arc;

use super::tests::{S, alive, engine, login, presented};
use super::*;
use crate::store::conformance::logout;

fn seen(ip: Option<&str>, agent: Option<&str>) -> SeenAt {
    SeenAt {
        ip: ip.map(|ip| ip.parse().unwrap()),
        user_agent: agent.map(Arc::from),
        request_id: None,
    }
}

fn ann() -> SeenAt {
    seen(Some("192.0.2.1"), Some("a"))
}

async fn rotate(sessions: &Sessions, presented: Presented, seen: &SeenAt) -> Option<Token> {
    match sessions.rotate(presented, None, seen).await.unwrap() {
        Rotation::Rotated(token, _) => Some(token),
        Rotation::Dead(dead) => {
            assert_eq!(dead, Dead::Unknown);
            None
        }
    }
}

/// A session that was rotated once: what opened it before, and its token.
async fn rotated(sessions: &Sessions) -> (Presented, Token) {
    let issued = sessions.issue(login("192.0.2.1")).await.unwrap();
    let old = presented(&issued.token);
    (old, rotate(sessions, old, &ann()).await.unwrap())
}

async fn verdict(sessions: &Sessions, presented: Presented, seen: SeenAt) -> Dead {
    match sessions.validate_one(presented, seen).await.unwrap() {
        Verdict::Dead(dead) => dead,
        Verdict::Alive(session) => panic!("alive: {session:?}"),
    }
}

#[tokio::test]
async fn a_use_of_the_token_from_before_is_unknown_and_theft_from_elsewhere_or_later() {
    for (seconds, seen, ends) in [
        (0, ann(), false),
        (10, ann(), false),
        (10, SeenAt::default(), false),
        (11, ann(), true),
        (11, SeenAt::default(), true),
        (0, seen(Some("192.0.2.2"), None), true),
        (0, seen(Some("192.0.2.1"), Some("b")), true),
        (9, seen(None, Some("a")), false),
    ] {
        let (sessions, clock) = engine(Binding::default());
        let (old, new) = rotated(&sessions).await;
        clock.advance(seconds * S);
        assert_eq!(verdict(&sessions, old, seen.clone()).await, Dead::Unknown);
        assert_eq!(alive(&sessions, &new).await.is_none(), ends, "{seconds} {seen:?}");
    }
}

#[tokio::test]
async fn a_look_at_the_token_from_before_ends_nothing() {
    let (sessions, clock) = engine(Binding { ip: true, user_agent: true });
    let (old, new) = rotated(&sessions).await;
    clock.advance(20 * S);
    let look = Presented { intent: Intent::Look, ..old };
    for seen in [ann(), seen(Some("203.0.113.9"), Some("z"))] {
        assert_eq!(verdict(&sessions, look, seen).await, Dead::Unknown);
    }
    assert!(alive(&sessions, &new).await.is_some());
}

#[tokio::test]
async fn a_rotation_with_the_token_from_before_is_judged_as_a_use_of_it() {
    let (sessions, clock) = engine(Binding::default());
    let (old, new) = rotated(&sessions).await;
    assert!(rotate(&sessions, old, &ann()).await.is_none());
    assert!(alive(&sessions, &new).await.is_some());
    clock.advance(11 * S);
    assert!(rotate(&sessions, old, &ann()).await.is_none());
    assert!(alive(&sessions, &new).await.is_none());
}

#[tokio::test]
async fn a_mint_with_the_token_from_before_makes_nothing_and_ends_nothing() {
    let (sessions, clock) = engine(Binding::default());
    let (old, new) = rotated(&sessions).await;
    let session = alive(&sessions, &new).await.unwrap();
    clock.advance(20 * S);
    let mint = Mint {
        kind: Kind::Fixed,
        ttl: None,
        name: None,
        scopes: None,
        origin: crate::Origin::default(),
        request_id: None,
    };
    let refused = sessions.mint(&session, old, mint).await;
    assert!(matches!(refused, Err(SessionError::Dead(Dead::Unknown))), "{refused:?}");
    assert!(alive(&sessions, &new).await.is_some());
}

#[tokio::test]
async fn what_theft_ends_is_dead_to_those_behind_it_in_the_batch_and_to_no_other() {
    let (sessions, clock) = engine(Binding::default());
    let (old, new) = rotated(&sessions).await;
    let other = sessions.issue(login("192.0.2.1")).await.unwrap();
    clock.advance(11 * S);
    let new = presented(&new);
    let look = Presented { intent: Intent::Look, ..new };
    let batch = [new, old, new, presented(&other.token), look, old];
    let lives: Vec<bool> = sessions
        .validate(&batch, &vec![ann(); batch.len()])
        .await
        .into_iter()
        .map(|outcome| matches!(outcome.unwrap(), Verdict::Alive(_)))
        .collect();
    assert_eq!(lives, [true, false, false, true, false, false]);
}

#[tokio::test]
async fn a_logout_ends_each_session_that_any_of_its_tokens_opens_or_opened() {
    let (sessions, clock) = engine(Binding::default());
    let (old, new) = rotated(&sessions).await;
    let other = sessions.issue(login("192.0.2.1")).await.unwrap();
    let spared = sessions.issue(login("192.0.2.1")).await.unwrap();
    clock.advance(20 * S);
    let wrong = SecretDigest::from_bytes([7; 32]);
    let mistaken = Presented { digest: wrong, ..presented(&spared.token) };
    let tokens = [old, presented(&other.token), presented(&other.token), mistaken];
    let ended: Vec<Option<SessionId>> = sessions
        .log_out(&tokens, &logout())
        .await
        .into_iter()
        .map(|ended| ended.unwrap().map(|session| session.id))
        .collect();
    assert_eq!(ended, [Some(old.id), Some(other.session.id), None, None]);
    for token in [&new, &other.token] {
        assert!(alive(&sessions, token).await.is_none());
    }
    assert!(alive(&sessions, &spared.token).await.is_some());
}

//! Taking sessions in.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::fixture::{alive, assert_over, fresh_digest, held, someone};
use super::{Fixture, Held, look};
use crate::store::conformance::logout;
use crate::{Insertion, Kind, NewSession, Origin, Session, Transport};

pub(crate) async fn a_new_session_stands_as_it_was_given(fixture: &Fixture) {
    let origin =
        Origin { ip: Some("2001:db8::9".parse().unwrap()), user_agent: Some("curl/8.5".into()) };
    let new = NewSession {
        transport: Transport::Cookie,
        role: 1,
        generation: 7,
        name: Some("ci".into()),
        login_age: Duration::from_mins(1),
        origin,
        ..fixture.new_session()
    };
    let Insertion::Created { session, ended } =
        fixture.store.insert(&new, 0, &logout()).await.unwrap()
    else {
        panic!("taken");
    };
    assert_eq!(ended, []);
    assert_given(&session, &new);
    let seen = fixture.look_live(held(&new)).await;
    assert_given(&seen, &new);
    assert_eq!(seen.created_at_ms, session.created_at_ms);
    assert_eq!(seen.role(), "user");
}

fn assert_given(session: &Session, new: &NewSession) {
    let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap();
    let Session { id, kind, transport, role, generation, .. } = *session;
    assert_eq!((id, kind, transport), (new.id, new.kind, new.transport));
    assert_eq!((role, generation, session.refresh_count), (new.role, new.generation, 0));
    assert_eq!((&session.subject, &session.name), (&new.subject, &new.name));
    assert_eq!(session.origin, new.origin);
    assert_eq!(session.last_used_at_ms, session.created_at_ms);
    assert_eq!(session.expires_at_ms, session.created_at_ms + ms(new.ttl));
    assert_eq!(session.absolute_expires_at_ms, session.created_at_ms + ms(new.max_lifetime));
    assert!(session.expires_in > new.ttl / 2 && session.expires_in <= new.ttl);
    assert!(session.login_age >= new.login_age);
    assert!(session.login_age < new.login_age + new.ttl);
}

pub(crate) async fn a_fixed_session_expires_at_its_absolute_end(fixture: &Fixture) {
    for kind in [Kind::Fixed, Kind::SingleUse] {
        // The idle time is ignored.
        let new = NewSession { kind, ..fixture.new_session() };
        let session = fixture.look_live(fixture.insert(&new).await).await;
        assert_eq!(session.expires_at_ms, session.absolute_expires_at_ms);
        assert!(session.expires_in > new.ttl && session.expires_in <= new.max_lifetime);
    }
}

pub(crate) async fn an_id_in_use_is_taken_and_nothing_changes(fixture: &Fixture) {
    let first = fixture.new_session();
    let owner = fixture.insert(&first).await;
    let before = fixture.look_live(owner).await;
    let second = NewSession {
        id: first.id,
        role: 2,
        generation: 9,
        subject: someone(),
        ..fixture.new_session()
    };
    let insertion = fixture.store.insert(&second, 1, &logout()).await.unwrap();
    assert!(matches!(insertion, Insertion::Taken), "{insertion:?}");
    let after = fixture.look_live(owner).await;
    assert_eq!((after.subject, after.role), (before.subject, before.role));
    assert_eq!(after.generation, before.generation);
    assert!(!fixture.lives(held(&second)).await);
    assert!(fixture.store.list(second.subject.id).await.unwrap().is_empty());
    assert_eq!(fixture.store.list(first.subject.id).await.unwrap().len(), 1);
    assert_eq!(fixture.store.count().await.unwrap(), 1);
}

pub(crate) async fn an_expired_id_that_is_taken_stays_dead(fixture: &Fixture) {
    let first = fixture.new_session();
    let old = fixture.insert(&first).await;
    fixture.pass(5).await;
    let second = NewSession { id: first.id, ..fixture.new_session() };
    let insertion = fixture.store.insert(&second, 0, &logout()).await.unwrap();
    // A store may have let go of it by itself, and then the id is free.
    let created = matches!(insertion, Insertion::Created { .. });
    assert_eq!(fixture.lives(held(&second)).await, created);
    assert_over(&fixture.touch(look(old)).await);
}

pub(crate) async fn of_many_inserts_of_one_id_one_creates_it(fixture: &Fixture) {
    let template = fixture.new_session();
    let mut inserts = JoinSet::new();
    for _ in 0..16 {
        let new = NewSession { digest: fresh_digest(), ..template.clone() };
        let store = Arc::clone(&fixture.store);
        inserts.spawn(async move { (held(&new), store.insert(&new, 0, &logout()).await.unwrap()) });
    }
    let created: Vec<Held> = inserts
        .join_all()
        .await
        .into_iter()
        .filter_map(|(held, done)| matches!(done, Insertion::Created { .. }).then_some(held))
        .collect();
    assert_eq!(created.len(), 1);
    let session = alive(fixture.touch(look(created[0])).await);
    assert_eq!(fixture.store.list(session.subject.id).await.unwrap().len(), 1);
}

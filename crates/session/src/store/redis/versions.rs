//! Records of other versions of this software: what it wrote before, and what it may write one day.

use super::key::shown;
use super::record::{self, with_fields};
use super::scripts::CREATE;
use super::server::{Server, connect};
use super::{RedisStore, session_key};
use crate::TouchContext;
use crate::redis_connection::ScriptRequest;
use crate::store::conformance::logout;
use crate::store::conformance::{Client, Fixture, Held, end_of, fresh_digest, held, look, use_of};
use crate::{
    Condition, Dead, Ending, Kind, NewSession, Presented, Session, SessionStore as _, ValueChange,
    Verdict,
};

/// A packed user name, display name, role and user agent, as version 1 wrote them.
const VERSION_1: [(u8, &[u8]); 4] = [
    (6, &[0x08, 0x7e, 0xed, 0xf5, 0x03]),
    (7, &[0x08, 0x7e]),
    (3, b""),
    (5, b"\xc0\xf6\xfa142\xfc\xfd"),
];
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/142.0.0.0 Safari/537.36";

async fn store(server: &Server) -> RedisStore {
    RedisStore::new(connect(&server.url()).await)
}

fn new_session() -> NewSession {
    Fixture::memory().ending(Kind::Sliding, 1000)
}

/// Puts a record in as another version would, entered in its subject's index.
async fn put(store: &RedisStore, new: &NewSession, version: u8, fields: &[(u8, &[u8])]) -> Held {
    store.enter(new).await.unwrap();
    let bytes = with_fields(new, version, fields);
    let request = ScriptRequest::on(&CREATE, &session_key(new.id)).arg(bytes);
    store.connection.run_one(request).await.unwrap();
    store.settle(new, 0, &logout()).await.unwrap();
    held(new)
}

async fn present(store: &RedisStore, presented: Presented) -> Verdict {
    store.touch(&[presented], TouchContext::default()).await.remove(0).unwrap()
}

async fn alive(store: &RedisStore, presented: Presented) -> Session {
    match present(store, presented).await {
        Verdict::Alive(session) => session,
        Verdict::Dead(dead) => panic!("{presented:?}: {dead:?}"),
    }
}

fn version_of(server: &Server, held: Held) -> u8 {
    server.cli(&["GETRANGE", &shown(session_key(held.id)), "0", "0"]).as_bytes()[0]
}

/// Fails unless a session shows what version 1 knew of it.
fn assert_read(session: &Session) {
    assert_eq!((&*session.subject.username, &*session.subject.display_name), ("ann@b.c", "Ann"));
    assert_eq!(session.role(), "user");
    assert_eq!(session.origin.user_agent.as_deref(), Some(FIREFOX));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_version_1_is_used_and_is_of_version_2_once_it_is_rotated() {
    let Some(server) = Server::start(&[]) else { return };
    let store = store(&server).await;
    let new = new_session();
    let old = put(&store, &new, 1, &VERSION_1).await;
    assert_read(&alive(&store, use_of(old)).await);
    let value = ValueChange::Put("1".into());
    store.write_value(old.id, "cart", value, Condition::None).await.unwrap();
    assert_eq!(alive(&store, use_of(old)).await.refresh_count, 2);
    assert_read(&store.list(new.subject.id).await.unwrap()[0]);
    assert_eq!(version_of(&server, old), 1);
    let mut current = old;
    for count in 3..5 {
        let digest = fresh_digest();
        let verdict =
            store.rotate(&use_of(current), digest, None, Client::BOB.digest(), &logout()).await;
        let Ok(Verdict::Alive(session)) = verdict else { panic!("{verdict:?}") };
        assert_read(&session);
        assert_eq!((session.refresh_count, version_of(&server, current)), (count, 2));
        let replaced = present(&store, use_of(current)).await;
        assert_eq!(replaced, Verdict::Dead(Dead::Replaced));
        current = Held { digest, ..current };
        assert_read(&alive(&store, look(current)).await);
    }
    assert_eq!(store.values(old.id).await.unwrap().map(|values| values.len()), Some(1));
    assert_eq!(present(&store, end_of(old)).await, Verdict::Dead(Dead::Unknown));
    assert_read(&alive(&store, end_of(current)).await);
    assert_eq!(present(&store, look(current)).await, Verdict::Dead(Dead::Unknown));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_version_1_ends_by_whatever_ends_sessions() {
    let Some(server) = Server::start(&[]) else { return };
    let store = store(&server).await;
    for way in 0..3 {
        let new = new_session();
        let held = put(&store, &new, 1, &VERSION_1).await;
        match way {
            0 => assert_read(&alive(&store, end_of(held)).await),
            1 => assert!(store.remove(held.id, &logout()).await.unwrap()),
            _ => {
                let ended =
                    store.remove_subject(new.subject.id, Ending::default(), &logout()).await;
                assert_eq!(ended.unwrap(), [held.id]);
            }
        }
        assert_eq!(present(&store, use_of(held)).await, Verdict::Dead(Dead::Unknown), "{way}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restriction_that_is_not_understood_lets_no_token_pass_and_ends_with_the_rest() {
    let Some(server) = Server::start(&[]) else { return };
    let store = store(&server).await;
    let user: (u8, &[u8]) = (1, b"ann@b.c");
    for (field, passes) in [
        (&[4, 1][..], true),
        (&[127], true),
        (&[128, 4, b'r', b'e', b'a', b'd'], true),
        (&[128, 4, b'r', b'e', b'a'], false),
        (&[128, 4, b'r', b'e', b'a', b' '], false),
        (&[128], false),
        // The id is not the one of this subject.
        (&[129, b'4', b'2'], false),
        (&[130], false),
        (&[131, 1], false),
        (&[255, 0], false),
    ] {
        let new = new_session();
        let held = put(&store, &new, 2, &[user, (3, b""), (0, field)]).await;
        for presented in [look(held), use_of(held)] {
            let answer = store.touch(&[presented], TouchContext::default()).await.remove(0);
            assert_eq!(matches!(answer, Ok(Verdict::Alive(_))), passes, "{field:?}");
            assert_eq!(answer.is_err(), !passes, "{field:?}");
        }
        assert_eq!(store.list(new.subject.id).await.unwrap().len(), usize::from(passes));
        let ended =
            store.remove_subject(new.subject.id, Ending::default(), &logout()).await.unwrap();
        assert_eq!(ended, [held.id], "{field:?}");
        assert_eq!(present(&store, use_of(held)).await, Verdict::Dead(Dead::Unknown));
    }
}

#[test]
fn what_is_written_is_of_version_2() {
    assert_eq!(record::encode(&new_session()).unwrap()[0], 2);
}

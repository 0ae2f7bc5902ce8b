//! `auth-client` with a real auth service: a backend's own users, and the layer that lets sessions in.

use std::convert::Infallible;
use std::sync::Arc;

use auth_client::{
    AuthClient, AuthClientOptions, Client, ErrorCode, ExternalUser, GrantError, InternalKey,
    RequireSession, SessionRequest, SystemClock, Transport, UserId,
};
use bytes::Bytes;
use http::Response;
use serde_json::json;
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::{KEY, launch, listed, start, token, validate};
use crate::harness::{AuthService, Launch, TIMEOUT, is_alive};

fn client(auth: &AuthService, key: &str) -> AuthClient {
    let url = format!("http://127.0.0.1:{}", auth.internal.port);
    let options = AuthClientOptions {
        keys: vec![InternalKey::new(key).unwrap()],
        timeout: TIMEOUT,
        ..AuthClientOptions::new(vec![url.parse().unwrap()])
    };
    AuthClient::new(options, Arc::new(SystemClock::new())).unwrap()
}

fn ann() -> ExternalUser {
    ExternalUser {
        id: "50%/ann?".to_owned(),
        username: "ann".to_owned(),
        name: Some("Ann Example".to_owned()),
        roles: vec!["user".to_owned(), "team".to_owned()],
    }
}

fn code(error: &GrantError) -> Option<ErrorCode> {
    match error {
        GrantError::Refused { code, .. } => Some(*code),
        GrantError::Unavailable(_) => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_issues_lists_and_ends_the_sessions_of_its_users() {
    let auth = start();
    let client = client(&auth, KEY);
    let seen = Client { ip: Some("203.0.113.9".to_owned()), user_agent: Some("Lynx".to_owned()) };
    let request = SessionRequest {
        role: Some("team".to_owned()),
        client: Some(seen),
        values: Some([("cart".to_owned(), json!([1, 2]))].into()),
        ..SessionRequest::new(ann())
    };
    let first = client.issue(&request).await.unwrap();
    auth.keep_token_secret(first.token().unwrap());
    assert_eq!((first.session.role.as_ref(), first.set_cookie()), ("team", None));
    let of = &first.session.user;
    assert!(of.is_external() && matches!(&of.id, UserId::External(id) if *id == ann().id));
    let verdict = validate(&auth, first.token().unwrap());
    assert_eq!(verdict["session"]["ip"], "203.0.113.9");
    let by_cookie =
        SessionRequest { transport: Some(Transport::Cookie), ..SessionRequest::new(ann()) };
    let second = client.issue(&by_cookie).await.unwrap();
    let line = second.set_cookie().unwrap();
    assert!(second.token().is_none() && line.is_sensitive(), "it stands in no log");
    let cookie = line.to_str().unwrap().split(['=', ';']).nth(1).unwrap().to_owned();
    let third = client.issue(&SessionRequest::new(ann())).await.unwrap();
    let others = ExternalUser { id: "50%".to_owned(), ..ann() };
    let other = client.issue(&SessionRequest::new(others)).await.unwrap();

    let ids: Vec<_> = client.sessions_of(&ann().id).await.unwrap();
    assert_eq!(ids.len(), 3);
    assert_eq!(client.end_session(third.session.id).await, Ok(true));
    assert_eq!(client.end_session(third.session.id).await, Ok(false));
    assert_eq!(client.end_others(&ann().id, second.session.id).await, Ok(1));
    assert!(is_alive(&validate(&auth, &cookie)));
    assert_eq!(client.end_all(&ann().id).await, Ok(1));
    assert_eq!(client.end_all(&ann().id).await, Ok(0));
    for ended in [first.token().unwrap(), &cookie, third.token().unwrap()] {
        assert!(!is_alive(&validate(&auth, ended)));
    }
    assert!(is_alive(&validate(&auth, other.token().unwrap())), "it is somebody else's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_and_what_is_none_is_not_taken_for_one() {
    let mut auth = start();
    let sessions = client(&auth, KEY);
    for (request, expected) in [
        (
            SessionRequest { role: Some("root".to_owned()), ..SessionRequest::new(ann()) },
            ErrorCode::Unprocessable,
        ),
        (
            SessionRequest::new(ExternalUser { id: " a".to_owned(), ..ann() }),
            ErrorCode::Unprocessable,
        ),
        (
            SessionRequest { ttl: Some("soon".to_owned()), ..SessionRequest::new(ann()) },
            ErrorCode::InvalidRequest,
        ),
    ] {
        let refused = sessions.issue(&request).await.unwrap_err();
        assert_eq!(code(&refused), Some(expected), "{refused}");
    }
    for nobody in ["", "..", "a\tb"] {
        let refused = sessions.end_all(nobody).await.unwrap_err();
        assert_eq!(code(&refused), Some(ErrorCode::Unprocessable), "{nobody:?}");
    }
    // A wrong key is a fault of the setup: no answer about anybody.
    let stranger = client(&auth, "another-key-than-the-one");
    for failed in [
        stranger.issue(&SessionRequest::new(ann())).await.map(drop),
        stranger.end_all(&ann().id).await.map(drop),
        stranger.sessions_of(&ann().id).await.map(drop),
    ] {
        assert_eq!(code(&failed.unwrap_err()), None);
    }
    assert_eq!(listed(&auth, &ann().id), [""; 0]);
    let keyless = AuthService::launch(&Launch::auth());
    let refused = client(&keyless, KEY).issue(&SessionRequest::new(ann())).await.unwrap_err();
    assert_eq!(code(&refused), Some(ErrorCode::Forbidden), "{refused}");
    auth.kill();
    let failed = sessions.end_all(&ann().id).await.unwrap_err();
    // Unreachable, or broken on a connection that was open: either way nobody knows.
    assert_eq!(code(&failed), None, "{failed}");
}

/// A layer, and what comes of one of our users as an admin, of an external user in a role that its
/// backend calls `admin`, of a token of ours that is narrowed to `reports:read`, and of one of the external
/// user's that is.
type Row = (fn(RequireSession) -> RequireSession, [u16; 4]);

const LAYERS: &[Row] = &[
    (|layer| layer, [200; 4]),
    (|layer| layer.with_role("admin"), [200; 4]),
    (|layer| layer.with_role("user"), [403; 4]),
    (|layer| layer.own_users_only(), [200, 403, 200, 403]),
    (|layer| layer.with_role("admin").own_users_only(), [200, 403, 200, 403]),
    (|layer| layer.scope("reports:read"), [200; 4]),
    (|layer| layer.scope("reports"), [200, 200, 403, 403]),
    (|layer| layer.scope(""), [200, 200, 403, 403]),
    (|layer| layer.scope("reports:read").scope("reports:write"), [200, 200, 403, 403]),
    (|layer| layer.scope("reports:write").own_users_only(), [200, 403, 403, 403]),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_layer_lets_in_whom_it_names_and_nobody_else() {
    let auth = AuthService::launch(&launch());
    let client = client(&auth, KEY);
    let narrowed =
        |maker: &str| auth.mint(maker, &json!({"kind": "sliding", "scopes": ["reports:read"]}));
    let (own, theirs) = (auth.token(), token(&auth, "17"));
    let sessions = [own.clone(), theirs.clone(), narrowed(&own), narrowed(&theirs)];
    for (number, (layer, expected)) in LAYERS.iter().enumerate() {
        let layer = layer(RequireSession::new(client.clone()));
        for (session, status) in sessions.iter().zip(expected) {
            let reached = service_fn(async |_: http::Request<()>| {
                Ok::<_, Infallible>(Response::new(Bytes::from_static(b"reached")))
            });
            let request = http::Request::get("/").header("token", session).body(()).unwrap();
            let answer = layer.layer(reached).oneshot(request).await.unwrap();
            assert_eq!(answer.status(), *status, "{number}");
            assert_eq!(*answer.body() == "reached", *status == 200, "{number}");
        }
    }
}

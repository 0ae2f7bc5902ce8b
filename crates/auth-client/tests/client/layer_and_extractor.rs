//! The extractor and the layer: what they take, what they refuse, and that one request is one use.

use auth_client::{
    AuthClient, AuthClientOptions, Authenticated, ClientFields, Refusal, RequireSession,
};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, Response, StatusCode};
use tower::ServiceExt;

use crate::{client, client_with, options};
use testkit::fake_auth::{Act, Upstream, no, yes};

async fn who(Authenticated(session): Authenticated) -> String {
    session.user.username.into_owned()
}

fn by_extractor(client: AuthClient) -> Router {
    Router::new().route("/", get(who)).with_state(client)
}

async fn send(router: &Router, headers: &[(&str, &str)]) -> Response<Body> {
    let mut request = Request::get("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn both_doors_refuse_alike() {
    let upstream = Upstream::start(no("expired")).await;
    let client = client(&[&upstream]);
    let layered = Router::new()
        .route("/", get(async || "reached"))
        .layer(RequireSession::new(client.clone()));
    for router in [by_extractor(client), layered] {
        let none = send(&router, &[]).await;
        assert_eq!(none.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(header(&none, "www-authenticate"), Some(r#"Bearer realm="reinflate""#));

        let two = send(&router, &[("token", "T"), ("authorization", "Bearer U")]).await;
        assert_eq!(two.status(), StatusCode::BAD_REQUEST);

        upstream.set_act(no("expired"));
        let dead = send(&router, &[("cookie", "__Host-reinflate=T")]).await;
        assert_eq!(dead.status(), StatusCode::UNAUTHORIZED);
        assert!(header(&dead, "www-authenticate").unwrap().contains(r#"error="invalid_token""#));

        upstream.set_act(Act::Reset);
        let unknown = send(&router, &[("token", "T")]).await;
        assert_eq!(unknown.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(header(&unknown, "retry-after"), Some("1"));

        upstream.set_act(yes());
        assert_eq!(send(&router, &[("token", "T")]).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_layer_and_an_extractor_on_one_way_are_one_use() {
    let upstream = Upstream::start(yes()).await;
    let client = client(&[&upstream]);
    let router = by_extractor(client.clone())
        .layer(RequireSession::new(client.clone()))
        .layer(RequireSession::new(client).with_role("admin"));
    assert_eq!(send(&router, &[("token", "T")]).await.status(), StatusCode::OK);
    assert_eq!(upstream.count("\"T\""), 1);
}

#[tokio::test]
async fn a_session_that_acts_in_another_role_is_forbidden() {
    let upstream = Upstream::start(yes()).await;
    let router = by_extractor(client(&[&upstream]))
        .layer(RequireSession::new(client(&[&upstream])).with_role("user"));
    let refused = send(&router, &[("token", "T")]).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(header(&refused, "www-authenticate").unwrap().contains("insufficient_scope"));
}

#[tokio::test]
async fn a_handler_may_take_the_refusal_instead() {
    let upstream = Upstream::start(no("revoked")).await;
    let answer = async |outcome: Result<Authenticated, Refusal>| match outcome {
        Ok(_) => "in".to_owned(),
        Err(refusal) => refusal.code().as_str().to_owned(),
    };
    let router = Router::new().route("/", get(answer)).with_state(client(&[&upstream]));
    let body = send(&router, &[("token", "T")]).await.into_body();
    assert_eq!(axum::body::to_bytes(body, 100).await.unwrap(), "invalid_token");
}

#[tokio::test]
async fn the_service_is_told_of_the_client_what_was_chosen() {
    let upstream = Upstream::start(yes()).await;
    let agent = "x".repeat(300);
    let headers: &[(&str, &str)] = &[
        ("token", "T"),
        ("user-agent", &agent),
        ("x-forwarded-for", "6.6.6.6, 203.0.113.9"),
        ("x-request-id", "r-1"),
    ];
    for (client_fields, expected) in [
        ("ip", r#""client":{"ip":"203.0.113.9"},"#.to_owned()),
        ("user-agent", format!(r#""client":{{"user_agent":"{}"}},"#, "x".repeat(256))),
    ] {
        let options = AuthClientOptions {
            client_fields: client_fields.parse().unwrap(),
            trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
            peer: |_| Some([127, 0, 0, 1].into()),
            ..options(&[&upstream])
        };
        send(&by_extractor(client_with(options)), headers).await;
        let body = format!(r#"{{"token":"T",{expected}"request_id":"r-1"}}"#);
        assert_eq!(upstream.count(&body), 1, "{:?}", upstream.requests_with(""));
    }
    assert_eq!(options(&[]).client_fields, ClientFields::default());
}

#[tokio::test]
async fn a_request_id_that_the_service_would_refuse_is_not_passed_on() {
    let upstream = Upstream::start(yes()).await;
    let router = by_extractor(client(&[&upstream]));
    let long = "x".repeat(129);
    for bad in ["", "a b", "ä", &long] {
        send(&router, &[("token", "T"), ("x-request-id", bad)]).await;
    }
    assert_eq!(upstream.count(r#"{"token":"T"}"#), 4);
    assert_eq!(upstream.count("x-request-id"), 0);
}

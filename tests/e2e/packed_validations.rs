//! `/validateToken` in the packed form that our own services speak: it says what the JSON says, and is
//! refused where the JSON is; and pairs of which one end does not know it.

mod front;
mod mixed_pairs;

use auth_api_types::json::WriteJson as _;
use auth_api_types::{ItemOrToken, MAX_TOKENS, ValidateRequest, Verdict, packed};
use serde_json::{Value, json};

use crate::harness::{Answer, AuthService, Launch, Request, is_alive};

const KEY: &str = "eleven-paper-lanterns-on-a-string";

/// A packed request with these questions, in the JSON that a batch has.
pub(crate) fn request(items: &Value) -> Request {
    Request::post("/validateToken").body(packed::MEDIA_TYPE, body(items))
}

fn body(items: &Value) -> Vec<u8> {
    let text = json!({ "tokens": items }).to_string();
    let request: ValidateRequest<'_> = serde_json::from_str(&text).unwrap();
    let items = request.tokens.unwrap();
    let mut bytes = Vec::new();
    packed::open_request(&mut bytes, items.len());
    for item in &items {
        let ItemOrToken::Item(item) = item else { panic!("an object") };
        let client = item.client.as_ref();
        let question = packed::Question {
            token: &item.token,
            touch: item.touch.unwrap_or(true),
            ip: client.and_then(|client| client.ip.as_deref()),
            user_agent: client.and_then(|client| client.user_agent.as_deref()),
            request_id: item.request_id.as_deref(),
        };
        question.write(&mut bytes);
    }
    bytes
}

/// The verdicts of a packed answer, as the JSON that says the same.
#[track_caller]
pub(crate) fn verdicts(answer: Answer, questions: usize) -> Vec<String> {
    let answer = answer.expect(200);
    assert_eq!(answer.header("content-type"), Some(packed::MEDIA_TYPE), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    let read = packed::read_verdicts(&answer.body, questions).expect("it can be read");
    let json = |verdict: Verdict<'_>| {
        let mut text = Vec::new();
        verdict.write_json(&mut text);
        String::from_utf8(text).unwrap()
    };
    read.map(json).collect()
}

/// The text without how many seconds sessions have left, which may change from one answer to the next.
fn without_rests(text: &str) -> String {
    let parts: Vec<&str> = text.split("\"expires_in\":").collect();
    let cut = |part: &&str| part.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned();
    parts.iter().map(cut).collect::<Vec<_>>().join("\"expires_in\":")
}

#[test]
fn a_packed_verdict_says_byte_for_byte_what_the_json_says() {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_INTERNAL_KEY", KEY));
    let agent = Request::post("/login").header("User-Agent", "Kettle/1 \"ü\"");
    let login = agent.json(&json!({"username": "jsf.fusco@gmail.com", "password": "postman"}));
    let session = auth.public.send(login).expect(200).json()["token"].as_str().unwrap().to_owned();
    let named = json!({"kind": "fixed", "ttl": "1m", "name": "a \"name\"\\ ü", "scopes": ["read", "write"]});
    let narrowed = auth.mint(&session, &named);
    let once = auth.mint(&session, &json!({"kind": "single_use"}));
    let ended = auth.token();
    auth.logout(&ended);
    let user = json!({"id": "4711", "username": "bob \"x\"", "roles": ["user"]});
    let external = Request::post("/sessions").bearer(KEY).json(&json!({ "user": user }));
    let external = auth.internal.send(external).expect(201).json();
    let external = external["token"].as_str().unwrap();
    let tokens = [&session, &narrowed, &once, &ended, "no token", external];
    let items: Vec<Value> =
        tokens.iter().map(|token| json!({"token": token, "touch": false})).collect();

    let packed = auth.internal.send(request(&json!(items)).bearer(KEY));
    let packed = verdicts(packed, tokens.len());
    let ask = Request::post("/validateToken").bearer(KEY).json(&json!({ "tokens": items }));
    let joined = format!("{{\"results\":[{}]}}", packed.join(","));
    assert_eq!(without_rests(&joined), without_rests(&auth.internal.send(ask).expect(200).text()));
    for (packed, item) in packed.iter().zip(&items) {
        let alone = verdicts(auth.internal.send(request(&json!([item])).bearer(KEY)), 1);
        assert_eq!(without_rests(&alone[0]), without_rests(packed));
    }
    let alive: Vec<bool> =
        packed.iter().map(|text| is_alive(&serde_json::from_str(text).unwrap())).collect();
    assert_eq!(alive, [true, true, true, false, false, true]);
    assert!(packed[5].contains("\"external\":true") && packed[0].contains("Kettle/1"));
}

#[test]
fn a_packed_use_is_a_use() {
    let auth = AuthService::start();
    let token = auth.token();
    let once = auth.mint(&auth.token(), &json!({"kind": "single_use"}));
    let items = json!([{"token": once}, {"token": once}, {"token": token}, {"token": token, "touch": false}]);
    let read = verdicts(auth.internal.send(request(&items)), 4);
    let read: Vec<Value> = read.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    assert!(is_alive(&read[0]) && !is_alive(&read[1]), "{read:?}");
    let uses: Vec<&Value> = read[2..].iter().map(|one| &one["session"]["refresh_count"]).collect();
    assert_eq!(uses, [1, 1]);
    assert!(!is_alive(&auth.look_at(&once)));
}

#[test]
fn what_is_refused_in_json_is_refused_packed_and_in_the_same_way() {
    let auth = AuthService::start();
    let token = auth.token();
    let good = body(&json!([{"token": token}]));
    let send = |media_type: &str, bytes: &[u8]| {
        auth.internal.send(Request::post("/validateToken").body(media_type, bytes))
    };
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let unsupported = |answer: Answer| {
        let answer = answer.expect_problem(415, "unsupported_media_type");
        assert_eq!(answer.json()["detail"], "send the body as application/json");
    };
    for later in [changed(0, 2), changed(1, 1), changed(4, 0x81)] {
        unsupported(send(packed::MEDIA_TYPE, &later));
    }
    for other in ["application/vnd.reinflate.validation; v=2", "application/octet-stream"] {
        unsupported(send(other, &good));
    }
    let twice = request(&json!([{"token": token}])).header("Content-Type", "application/json");
    unsupported(auth.internal.send(twice));
    unsupported(auth.internal.send(Request::post("/validateToken").untyped_body(good.clone())));

    let question = body(&json!([{"token": "x"}]))[packed::HEAD..].to_vec();
    let many = |count: usize| {
        let mut bytes = Vec::new();
        packed::open_request(&mut bytes, count);
        bytes.extend(question.repeat(count));
        bytes
    };
    for malformed in [
        &b""[..],
        &good[..good.len() - 1],
        &[&good[..], b"x"].concat(),
        &changed(2, 2),
        &changed(9, 0xff),
        br#"{"token":"x"}"#,
        &many(0),
        &many(MAX_TOKENS + 1),
        &body(&json!([{"token": token, "client": {"ip": "kettle"}}])),
    ] {
        let answer = send(packed::MEDIA_TYPE, malformed);
        if malformed.first() == Some(&b'{') {
            unsupported(answer);
        } else {
            answer.expect_problem(400, "invalid_request");
        }
    }
    assert_eq!(verdicts(send(packed::MEDIA_TYPE, &many(MAX_TOKENS)), MAX_TOKENS).len(), MAX_TOKENS);
    let long = |length: usize| body(&json!([{"token": "x".repeat(length - packed::HEAD - 5)}]));
    assert_eq!(verdicts(send(packed::MEDIA_TYPE, &long(128 * 1024)), 1).len(), 1);
    send(packed::MEDIA_TYPE, &long(128 * 1024 + 1)).expect_problem(413, "payload_too_large");
    assert_eq!(auth.look_at(&token)["session"]["refresh_count"], 0, "none of them was a use");

    let public = auth.public.send(request(&json!([{"token": token}])));
    public.expect_problem(404, "not_found");
}

#[test]
fn a_packed_request_shows_the_key_and_is_counted_like_any_other() {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_INTERNAL_KEY", KEY));
    let ask = || request(&json!([{"token": "x", "request_id": "kettle-4713"}]));
    auth.internal.send(ask()).expect_problem(401, "missing_token");
    auth.internal.send(ask().bearer("wrong")).expect_problem(401, "invalid_token");
    auth.internal.send(ask().bearer(KEY).header("X-Request-Id", "kettle-4714")).expect(200);
    auth.log_lines_with("kettle-4714", 1);
}

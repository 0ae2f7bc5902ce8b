//! `/validateToken` for many: each item its own verdict, in order.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{AuthService, Launch, Request, is_alive, let_time_pass};

#[track_caller]
fn results(auth: &AuthService, body: &Value) -> Vec<Value> {
    let answer = auth.try_validate(body).expect(200).json();
    assert_eq!(answer.as_object().map(serde_json::Map::len), Some(1), "{answer}");
    answer["results"].as_array().expect("results").clone()
}

#[test]
fn a_batch_of_one_is_answered_as_a_batch() {
    let auth = AuthService::start();
    let results = results(&auth, &json!({"tokens": [auth.token()]}));
    assert_eq!(results.len(), 1);
    assert!(is_alive(&results[0]));
}

#[test]
fn a_batch_of_1024_has_each_its_own_answer_in_order() {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_SWEEP_INTERVAL", "0"));
    let live = auth.tokens(3);
    let dead = auth.token();
    auth.logout(&dead);
    let fixed = auth.mint(&live[0], &json!({"kind": "fixed", "ttl": "300ms"}));
    let once = auth.mint(&live[0], &json!({"kind": "single_use"}));
    let_time_pass(Duration::from_millis(400));
    // Each kind at each eighth place; the single-use token comes up 128 times.
    let pattern =
        [live[0].as_str(), "nonsense", &live[1], &dead, &live[2], &fixed, &once, &live[0]];
    let tokens: Vec<&str> = pattern.into_iter().cycle().take(1024).collect();
    let results = results(&auth, &json!({"tokens": tokens}));
    assert_eq!(results.len(), 1024);
    let mut uses = [0, 0, 0];
    for (index, verdict) in results.iter().enumerate() {
        let column = index % 8;
        let expected = [0, 2, 4, 7].contains(&column) || index == 6;
        assert_eq!(is_alive(verdict), expected, "at {index}: {verdict}");
        if let Some(which) = [0, 2, 4, 7].iter().position(|live| *live == column) {
            let which = which % 3;
            uses[which] += 1;
            let mints = if which == 0 { 2 } else { 0 };
            assert_eq!(verdict["session"]["refresh_count"], uses[which] + mints, "at {index}");
        }
        match column {
            1 => assert_eq!(verdict["reason"], "malformed"),
            5 => assert_eq!(verdict["reason"], "expired"),
            _ => {}
        }
    }
}

#[test]
fn a_token_named_twice_is_used_twice() {
    let auth = AuthService::start();
    let token = auth.token();
    let results = results(&auth, &json!({"tokens": [token, token, token]}));
    let counts: Vec<_> =
        results.iter().map(|verdict| verdict["session"]["refresh_count"].clone()).collect();
    assert_eq!(counts, [1, 2, 3]);
}

#[test]
fn an_item_may_say_how_it_is_to_be_validated() {
    let auth = AuthService::start();
    let tokens = auth.tokens(3);
    let body = json!({"touch": false, "request_id": "kettle", "tokens": [
        tokens[0],
        {"token": tokens[1], "touch": true, "request_id": "pot", "client": {"ip": "::1"}},
        {"token": tokens[2]},
    ]});
    let counts = |body: &Value| -> Vec<Value> {
        results(&auth, body)
            .iter()
            .map(|verdict| verdict["session"]["refresh_count"].clone())
            .collect()
    };
    assert_eq!(counts(&body), [0, 1, 0]);
    assert_eq!(
        counts(&json!({"tokens": [{"token": tokens[1], "touch": false}, tokens[0]]})),
        [1, 1]
    );
}

#[test]
fn no_token_and_1025_of_them_are_no_batch() {
    let auth = AuthService::start();
    let token = auth.token();
    auth.try_validate(&json!({"tokens": []})).expect_problem(400, "invalid_request");
    auth.try_validate(&json!({"tokens": vec!["x"; 1025]})).expect_problem(400, "invalid_request");
    assert_eq!(results(&auth, &json!({"tokens": vec![&token; 1024]})).len(), 1024);
}

#[test]
fn a_batch_over_128_kib_is_too_large() {
    let auth = AuthService::start();
    let body = json!({"tokens": vec!["x".repeat(129); 1024]});
    auth.try_validate(&body).expect_problem(413, "payload_too_large");
}

#[test]
fn what_stands_beside_a_thousand_tokens_is_not_copied_for_each_of_them() {
    let auth = AuthService::launch(&Launch::auth().var("RUST_LOG", "warn"));
    let short = json!({"tokens": vec![""; 1024]});
    assert_eq!(results(&auth, &short).len(), 1024);
    let before = auth.peak_memory_kib();
    // One with and one without a character that JSON writes in another way.
    for long in ["x".repeat(118_000), format!("{}\u{e9}\n", "x".repeat(117_000))] {
        let mut body = short.clone();
        body["client"] = json!({"user_agent": long});
        assert_eq!(results(&auth, &body).len(), 1024);
        body["client"] = json!({"ip": "192.0.2.1"});
        body["request_id"] = json!(long);
        assert_eq!(results(&auth, &body).len(), 1024);
        body["client"] = json!({"ip": long});
        body["request_id"] = json!(null);
        auth.try_validate(&body).expect_problem(400, "invalid_request");
    }
    let grown = auth.peak_memory_kib() - before;
    assert!(grown < 8 * 1024, "{grown} KiB more");
}

#[test]
fn one_bad_item_spoils_the_question_and_uses_nothing() {
    let auth = AuthService::start();
    let token = auth.token();
    for bad in
        [json!(7), json!(null), json!([token]), json!({}), json!({"token": token, "touch": 1})]
    {
        auth.try_validate(&json!({"tokens": [token, bad]})).expect_problem(400, "invalid_request");
    }
    let twice = format!(r#"{{"tokens":["{token}",{{"token":"{token}","token":"{token}"}}]}}"#);
    let request = Request::post("/validateToken").body("application/json", twice);
    auth.internal.send(request).expect_problem(400, "invalid_request");
    assert_eq!(auth.look_at(&token)["session"]["refresh_count"], 0);
}

//! A business service with an auth service that does not know the packed form, which is replaced by one
//! that does; and the last release with this one, either way round.

use std::thread;

use serde_json::json;

use super::front::Front;
use crate::harness::{
    ANN, AuthService, BusinessService, LONG_PASSWORD, Launch, Request, TIMEOUT, eventually,
    unused_port,
};
use crate::upgrades::previous;

/// What a pair owes its callers, many at once and each use counted.
fn serves(auth: &AuthService, business: &BusinessService) {
    let token = auth.token();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut connection = business.public.connect();
                let request = Request::get("/data").bearer(&token);
                (0..15).for_each(|_| drop(connection.send(&request).expect(200)));
            });
        }
    });
    assert_eq!(auth.look_at(&token)["session"]["refresh_count"], 120);
    let once = auth.mint(&token, &json!({"kind": "single_use"}));
    business.data(&once).expect(200);
    business.data(&once).expect_problem(401, "invalid_token");
    let name = json!({"kind": "fixed", "ttl": "10m", "name": "a \"name\"", "scopes": ["read"]});
    let narrowed = auth.mint(&token, &name);
    let session = auth.look_at(&narrowed)["session"].clone();
    assert_eq!(business.data(&narrowed).expect(200).json()["data"]["session"]["id"], session["id"]);
    auth.logout(&token);
    business.data(&token).expect_problem(401, "invalid_token");
    business.data("no token").expect_problem(401, "invalid_token");
}

#[test]
fn a_service_that_does_not_know_the_form_is_asked_in_json_until_it_is_replaced() {
    let auth = AuthService::start();
    let front = Front::to(auth.internal.port);
    let business = BusinessService::launch(&Launch::business(front.port).var("WORKERS", "2"));
    serves(&auth, &business);
    let (packed, json) = front.counts();
    assert!(packed == 0 && json > 0, "{packed} packed, {json} in JSON");

    // It is replaced: away for a while, and then another release.
    let token = auth.token();
    front.set_down(true);
    for _ in 0..20 {
        business.data(&token).expect_problem(503, "unavailable");
    }
    front.let_through();
    front.set_down(false);
    eventually("data again", TIMEOUT, || (business.data(&token).status == 200).then_some(()));
    let (_, json) = front.counts();
    serves(&auth, &business);
    // A second thread may ask in JSON once more, before it has seen an answer.
    assert!(front.counts().1 <= json + 2, "it is asked packed from then on");
    assert!(front.counts().0 > 0);
}

#[test]
fn what_callers_get_is_the_same_byte_for_byte_but_for_its_numbers() {
    let auth = AuthService::with_users();
    let front = Front::to(auth.internal.port);
    let by_json = BusinessService::launch(&Launch::business(front.port));
    let packed = BusinessService::start(&auth);
    let (demo, ann) = (auth.token(), auth.login(ANN, LONG_PASSWORD));
    let narrowed = json!({"kind": "fixed", "ttl": "10m", "name": "\"\\", "scopes": ["read"]});
    let narrowed = auth.mint(&demo, &narrowed);
    auth.logout(&ann);
    for token in [demo.as_str(), &narrowed, &ann, "no token"] {
        for path in ["/data", "/protected-resource"] {
            let [one, other] = [&by_json, &packed].map(|business| {
                let answer = business.public.send(Request::get(path).bearer(token));
                let text = answer.text().replace(|c: char| c.is_ascii_digit(), "0");
                (answer.status, answer.header("content-type").map(str::to_owned), text)
            });
            assert_eq!(one, other);
        }
    }
    let (packed, in_json) = front.counts();
    assert!(packed == 0 && in_json > 0, "{packed} packed, {in_json} in JSON");
}

#[test]
fn the_last_release_and_this_one_serve_together_either_way_round() {
    let port = unused_port();
    let launch = || Launch::auth().var("AUTH_INTERNAL_ADDR", format!("127.0.0.1:{port}"));
    let (old, new) = (previous(launch()), launch());
    let of_old = BusinessService::launch(&previous(Launch::business(port)));
    let of_new = BusinessService::launch(&Launch::business(port));
    // To the next release, back to the last one, and on to the next again.
    for launch in [&old, &new, &old, &new] {
        let auth = AuthService::launch(launch);
        for business in [&of_old, &of_new] {
            let token = auth.token();
            eventually("data", TIMEOUT, || (business.data(&token).status == 200).then_some(()));
            serves(&auth, business);
        }
    }
}

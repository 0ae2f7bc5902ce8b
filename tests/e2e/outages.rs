//! The auth service is killed, hung or gone: business-service says 503 in time, never 200 and
//! never 401 for a token that may be alive, and is back by itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::{
    Answer, AuthService, BusinessService, Launch, Request, TIMEOUT, eventually, now, unused_port,
};

/// The budget of one validation is a second; the rest is for a busy machine.
const BUDGET: Duration = Duration::from_secs(2);

#[track_caller]
fn expect_unavailable(answer: Answer) {
    let answer = answer.expect_problem(503, "unavailable");
    let seconds = answer.header("retry-after").and_then(|after| after.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| seconds >= 1), "{answer:?}");
    assert_eq!(answer.header("www-authenticate"), None, "{answer:?}");
}

#[test]
fn with_the_auth_service_killed_the_answer_is_503_for_every_token() {
    let mut auth = AuthService::start();
    let business = BusinessService::start(&auth);
    let (live, dead) = (auth.token(), auth.token());
    auth.logout(&dead);
    business.data(&live).expect(200);
    business.data(&dead).expect(401);
    auth.kill();
    for token in [&live, &dead, &live] {
        let sent_at = now();
        expect_unavailable(business.data(token));
        assert!(sent_at.elapsed() < BUDGET, "it took {:?}", sent_at.elapsed());
    }
    business.public.get("/data").expect_problem(401, "missing_token");
}

#[test]
fn before_any_auth_service_was_there_the_answer_is_503() {
    let business = BusinessService::launch(&Launch::business(unused_port()));
    expect_unavailable(business.public.send(Request::get("/data").bearer("anything")));
    business.public.get("/livez").expect(200);
    assert_eq!(business.public.get("/readyz").status, 503);
}

#[test]
fn after_a_restart_on_the_same_port_it_is_back_within_a_second() {
    let port = unused_port();
    let launch = Launch::auth().var("AUTH_INTERNAL_ADDR", format!("127.0.0.1:{port}"));
    let mut auth = AuthService::launch(&launch);
    let business = BusinessService::start(&auth);
    let old = auth.token();
    business.data(&old).expect(200);
    auth.kill();
    for _ in 0..20 {
        expect_unavailable(business.data(&old));
    }
    drop(auth);
    let auth = AuthService::launch(&launch);
    let new = auth.token();
    let back = now();
    eventually("data again", TIMEOUT, || match business.data(&new).status {
        200 => Some(()),
        503 => None,
        other => panic!("{other} for a live token"),
    });
    assert!(back.elapsed() < Duration::from_millis(1500), "back after {:?}", back.elapsed());
    business.data(&old).expect_problem(401, "invalid_token");
}

#[test]
fn with_the_auth_service_hung_the_answer_is_503_within_the_budget_and_heals() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    let token = auth.token();
    business.data(&token).expect(200);
    auth.hang();
    for _ in 0..3 {
        let sent_at = now();
        expect_unavailable(business.data(&token));
        assert!(sent_at.elapsed() < BUDGET, "it took {:?}", sent_at.elapsed());
    }
    business.public.get("/livez").expect(200);
    auth.signal("CONT");
    let back = now();
    eventually("data again", TIMEOUT, || match business.data(&token).status {
        200 => Some(()),
        503 => None,
        other => panic!("{other} for a live token"),
    });
    assert!(back.elapsed() < BUDGET, "back after {:?}", back.elapsed());
}

#[test]
fn a_shorter_budget_is_kept() {
    let auth = AuthService::start();
    let launch = Launch::business(auth.internal.port).var("BUSINESS_AUTH_TIMEOUT", "200ms");
    let business = BusinessService::launch(&launch);
    let token = auth.token();
    business.data(&token).expect(200);
    auth.hang();
    let sent_at = now();
    expect_unavailable(business.data(&token));
    assert!(sent_at.elapsed() < Duration::from_millis(900), "it took {:?}", sent_at.elapsed());
    auth.signal("CONT");
}

#[test]
fn killed_under_load_it_is_never_200_and_never_401_until_it_is_back() {
    let mut auth = AuthService::start();
    let business = BusinessService::start(&auth);
    let token = auth.token();
    let (killed, enough) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut connection = business.public.connect();
                let request = Request::get("/data").bearer(&token);
                while !enough.load(Ordering::SeqCst) {
                    let after = killed.load(Ordering::SeqCst);
                    let status = connection.send(&request).status;
                    let good = if after { status == 503 } else { status == 200 || status == 503 };
                    assert!(good, "{status}, killed before: {after}");
                }
            });
        }
        for _ in 0..20 {
            business.data(&token).expect(200);
        }
        auth.kill();
        killed.store(true, Ordering::SeqCst);
        for _ in 0..20 {
            expect_unavailable(business.data(&token));
        }
        enough.store(true, Ordering::SeqCst);
    });
}

#[test]
fn readiness_follows_the_auth_service() {
    let mut auth = AuthService::start();
    let business = BusinessService::start(&auth);
    eventually("ready", TIMEOUT, || (business.public.get("/readyz").status == 200).then_some(()));
    auth.kill();
    eventually("not ready", TIMEOUT, || {
        (business.public.get("/readyz").status == 503).then_some(())
    });
    business.public.get("/livez").expect(200);
}

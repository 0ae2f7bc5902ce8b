//! Redis does not answer for a while: streams and pages that are waited for go on by themselves.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::stream::Stream;
use super::{KEY, behind, read, try_read};
use crate::harness::{
    AuthService, Launch, Redis, Request, TIMEOUT, eventually, let_time_pass, now,
};
use crate::redis::nodes::Site;
use crate::webhooks::receiver::{Mode, Receiver, log_out, sessions};

fn on(site: &Site) -> Launch {
    site.node().var("AUTH_INTERNAL_KEY", KEY)
}

/// Has it answer nothing, until the service has noticed and tried again and again.
fn pause(redis: &Redis, auth: &AuthService) {
    redis.signal("STOP");
    eventually("it is noticed", TIMEOUT, || {
        let ready = auth.internal.send(Request::get("/readyz").bearer(KEY));
        (ready.status == 503).then_some(())
    });
    let_time_pass(Duration::from_secs(2));
}

#[test]
fn a_stream_and_a_page_that_is_waited_for_outlast_a_redis_that_pauses() {
    let Some(site) = Site::open() else { return };
    let auth = AuthService::launch(&on(&site));
    auth.token();
    let start = read(&auth, "")["next"].as_str().unwrap().to_owned();
    let mut all = Stream::open(&auth, &format!("?after={start}"), "");
    let mut ended = Stream::open(&auth, &format!("?after={start}&types=session.ended"), "");
    let mut sessions = Vec::new();
    for round in 0..2 {
        let ids = log_out(&auth, 2);
        let at = read(&auth, "")["next"].as_str().unwrap().to_owned();
        let query = format!("?after={at}&wait=60s");
        thread::scope(|threads| {
            let page = threads.spawn(|| try_read(&auth, &query).expect(200).json());
            pause(&site.redis, &auth);
            assert!(!page.is_finished(), "the page has ended");
            site.redis.signal("CONT");
            eventually("Redis answers", TIMEOUT, || {
                (auth.public.get("/readyz").status == 200).then_some(())
            });
            let token = auth.token();
            let page = page.join().unwrap();
            assert_eq!(page["events"][0]["type"], "session.issued", "{round}");
            auth.logout(&token);
        });
        sessions.extend(ids);
    }
    let stored = behind(&auth, &start, "");
    for event in &stored {
        assert_eq!(&all.next().2, event, "nothing is lost, and nothing comes twice");
    }
    let is_end = |event: &&Value| event["type"] == "session.ended";
    for event in stored.iter().filter(is_end) {
        assert_eq!(&ended.next().2, event);
    }
    assert!(stored.iter().filter(is_end).count() >= sessions.len() + 2);
}

#[test]
fn what_cannot_be_read_now_is_503_at_once_and_a_stream_ends_when_it_lasts() {
    let Some(site) = Site::open() else { return };
    let auth = AuthService::launch(&on(&site));
    let mut stream = Stream::open(&auth, "?after=0", "");
    auth.token();
    assert_eq!(stream.next().1, "session.issued");
    pause(&site.redis, &auth);
    let began = now();
    try_read(&auth, "?after=0").expect_problem(503, "unavailable");
    try_read(&auth, "?after=0&wait=2s").expect_problem(503, "unavailable");
    assert!(began.elapsed() < TIMEOUT);
    assert!(stream.ends());
    assert!(began.elapsed() > Duration::from_secs(15), "{:?}", began.elapsed());
    site.redis.signal("CONT");
}

#[test]
fn what_is_posted_while_redis_pauses_is_posted_once() {
    let Some(site) = Site::open() else { return };
    let receiver = Receiver::start();
    let auth = AuthService::launch(&receiver.of(on(&site)));
    let mut ended = log_out(&auth, 2);
    receiver.taken_at_least(2);
    receiver.set(Mode::Hang);
    ended.extend(log_out(&auth, 3));
    receiver.tried_at_least(3);
    // More to be looked at while the post waits for its answer.
    ended.extend(log_out(&auth, 1));
    pause(&site.redis, &auth);
    site.redis.signal("CONT");
    receiver.answer(204);
    let posts = receiver.taken_at_least(ended.len());
    assert_eq!(sessions(&posts), ended);
    // The one that was not answered is given up after ten seconds, and no sooner.
    assert_eq!(receiver.posts().len(), ended.len() + 1);
}

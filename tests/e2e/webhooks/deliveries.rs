//! What is posted, signed and tried again, on one node.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::receiver::{Mode, Receiver, SECRET, log_out, posting_to, sessions};
use crate::harness::{AuthService, DEMO, Launch, Request, TIMEOUT, eventually, now};

const KEY: &str = "an-internal-key-of-a-test";

/// The events of these types, as they are read.
fn events(auth: &AuthService, types: &str) -> Vec<Value> {
    let path = format!("/events?after=0&limit=1000&types={types}");
    let page = auth.internal.send(Request::get(&path).bearer(KEY)).expect(200).json();
    page["events"].as_array().unwrap().clone()
}

pub(super) fn figure(auth: &AuthService, name: &str, labels: &str) -> Option<f64> {
    let request = Request::get("/metrics").bearer(KEY);
    let text = auth.internal.send(request).expect(200).text();
    let series = format!("{name}{{{labels}}} ");
    text.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok())
}

fn launch() -> Launch {
    Launch::auth().var("AUTH_INTERNAL_KEY", KEY).var("AUTH_LOGINS_PER_ADDRESS", "0")
}

#[test]
fn an_event_is_posted_as_it_is_read_and_signed() {
    let receiver = Receiver::start();
    let auth = AuthService::launch(&receiver.of(launch()));
    auth.keep_secret(SECRET);
    auth.keep_secret("secret-of-the-path");
    let ended = log_out(&auth, 2);
    let posts = receiver.taken_at_least(2);
    assert_eq!(sessions(&posts), ended);
    let read = events(&auth, "session.ended");
    for (post, event) in posts.iter().zip(&read) {
        assert_eq!(&post.json(), event);
        assert!(post.is_signed_by(SECRET), "{post:?}");
        assert_eq!(post.headers["content-type"], "application/json");
        assert!(post.id().starts_with("msg_") && !post.id().contains('.'), "{post:?}");
        let names: Vec<_> = post.headers.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "accept",
                "content-length",
                "content-type",
                "host",
                "user-agent",
                "webhook-id",
                "webhook-signature",
                "webhook-timestamp"
            ]
        );
    }
    assert_ne!(posts[0].id(), posts[1].id());
    assert_eq!(posts[0].json()["user"]["username"], DEMO.0);
    eventually("it is counted", TIMEOUT, || {
        let sent = figure(&auth, "auth_webhook_posts_total", "url=\"1\",result=\"sent\"");
        (sent == Some(2.0)).then_some(())
    });
}

#[test]
fn each_url_gets_what_is_named_and_expired_sessions_only_by_name() {
    let (one, other) = (Receiver::start(), Receiver::start());
    let types = "session.issued,session.ended:expired";
    let urls = format!("{}, {}", one.url(), other.url());
    let launch = posting_to(&urls, launch()).var("AUTH_TOKEN_TTL", "3s");
    let auth = AuthService::launch(&launch.clone().var("AUTH_WEBHOOK_TYPES", types));
    auth.token();
    log_out(&auth, 1);
    for receiver in [&one, &other] {
        let posts = receiver.taken_at_least(3);
        let short: Vec<_> = posts.iter().map(|post| post.json()["cause"].clone()).collect();
        assert_eq!(short, ["login", "login", "expired"].map(Value::from));
    }
    let receiver = Receiver::start();
    let auth = AuthService::launch(&receiver.of(launch.var("AUTH_INTERNAL_KEY", KEY)));
    auth.token();
    eventually("it expires", TIMEOUT, || {
        events(&auth, "session.ended").iter().any(|event| event["cause"] == "expired").then_some(())
    });
    let ended = log_out(&auth, 1);
    assert_eq!(sessions(&receiver.taken_at_least(1)), ended, "nothing of what expired");
}

#[test]
fn anything_but_a_2xx_is_tried_again_under_the_same_id_and_nothing_overtakes() {
    let (receiver, elsewhere) = (Receiver::start(), Receiver::start());
    let auth = AuthService::launch(&receiver.of(launch()));
    receiver.set(Mode::Answer(307, format!("Location: {}\r\n", elsewhere.url())));
    let ended = log_out(&auth, 3);
    receiver.tried_at_least(1);
    receiver.set(Mode::Reset);
    receiver.tried_at_least(2);
    receiver.answer(500);
    receiver.tried_at_least(3);
    let ready = auth.internal.send(Request::get("/readyz").bearer(KEY)).expect(200).text();
    assert!(ready.contains("events are not taken by URL 1"), "{ready}");
    receiver.answer(202);
    let taken = receiver.taken_at_least(3);
    assert_eq!(sessions(&taken), ended);
    let posts = receiver.posts();
    let tries = posts.iter().filter(|post| post.id() == taken[0].id()).count();
    assert_eq!((tries, posts.len()), (4, 6), "only the first was tried more than once");
    assert!(posts.iter().all(|post| post.is_signed_by(SECRET)));
    assert!(elsewhere.posts().is_empty(), "a redirect was followed");
    eventually("the note is over", TIMEOUT, || {
        let ready = auth.internal.send(Request::get("/readyz").bearer(KEY)).expect(200).text();
        (!ready.contains("AUTH_WEBHOOK_URL")).then_some(())
    });
}

#[test]
fn a_receiver_that_hangs_or_trickles_is_given_up_after_ten_seconds_and_holds_up_nobody() {
    let (hanging, slow, good) = (Receiver::start(), Receiver::start(), Receiver::start());
    hanging.set(Mode::Hang);
    slow.set(Mode::Trickle);
    let urls = format!("{},{},{}", hanging.url(), slow.url(), good.url());
    let auth = AuthService::launch(&posting_to(&urls, launch()));
    let began = now();
    let ended = log_out(&auth, 2);
    assert_eq!(sessions(&good.taken_at_least(2)), ended);
    for receiver in [&hanging, &slow] {
        receiver.tried_at_least(2);
        assert!(began.elapsed() >= Duration::from_secs(10), "{:?}", began.elapsed());
        receiver.answer(200);
        assert_eq!(sessions(&receiver.taken_at_least(2)), ended);
        let posts = receiver.posts();
        assert_eq!(posts[0].id(), posts[1].id());
    }
    auth.log_lines_with("no answer within 10 s", 2);
}

#[test]
fn what_a_receiver_answers_without_a_pause_holds_up_no_request() {
    let receiver = Receiver::start();
    let auth = AuthService::launch(&receiver.of(launch()));
    receiver.set(Mode::Continue);
    let ended = log_out(&auth, 1);
    receiver.tried_at_least(1);
    let began = now();
    for _ in 0..20 {
        auth.public.get("/livez").expect(200);
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}: they waited for the answer to end");
    receiver.answer(204);
    assert_eq!(sessions(&receiver.taken_at_least(1)), ended);
}

#[test]
fn a_receiver_that_was_killed_gets_everything_in_order_and_once() {
    let mut receiver = Receiver::start();
    let auth = AuthService::launch(&receiver.of(launch()));
    let mut ended = log_out(&auth, 1);
    receiver.taken_at_least(1);
    receiver.go_away();
    ended.extend(log_out(&auth, 20));
    eventually("they are counted as waiting", TIMEOUT, || {
        let waiting = figure(&auth, "auth_webhook_waiting", "url=\"1\"");
        (waiting == Some(20.0)).then_some(())
    });
    receiver.come_back();
    ended.extend(log_out(&auth, 3));
    receiver.taken_at_least(ended.len());
    eventually("nothing waits", TIMEOUT, || {
        let waiting = figure(&auth, "auth_webhook_waiting", "url=\"1\"");
        (waiting == Some(0.0)).then_some(())
    });
    assert_eq!(sessions(&receiver.taken()), ended);
}

#[test]
fn a_service_with_a_file_goes_on_after_a_kill_where_it_was() {
    let home = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let path = |name: &str| format!("sqlite:{}", home.path().join(name).display());
    let mut receiver = Receiver::start();
    let launch = receiver
        .of(launch())
        .var("AUTH_SESSION_STORE", path("sessions.db"))
        .var("AUTH_DATABASE_URL", path("users.db"));
    let mut auth = AuthService::launch(&launch);
    let mut ended = log_out(&auth, 2);
    receiver.taken_at_least(2);
    // The answer of the third is lost with the process, or it is not posted at all.
    receiver.answer(500);
    ended.extend(log_out(&auth, 1));
    receiver.tried_at_least(3);
    let tried = receiver.posts()[2].id().to_owned();
    receiver.go_away();
    ended.extend(log_out(&auth, 5));
    auth.kill();
    receiver.answer(200);
    receiver.come_back();
    let auth = AuthService::launch(&launch);
    ended.extend(log_out(&auth, 1));
    let taken = receiver.taken_at_least(ended.len());
    assert_eq!(sessions(&taken), ended);
    assert_eq!(taken[2].id(), tried, "the same id as before the kill");
}

#[test]
fn a_secret_is_replaced_under_load_and_no_post_is_refused() {
    let home = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let file = home.path().join("secret");
    let put = |text: &str| {
        let next = home.path().join("next");
        std::fs::write(&next, text).unwrap();
        std::fs::rename(next, &file).unwrap();
    };
    let new = "whsec_ZWlnaHQgYmx1ZSBrZXR0bGVzIGh1bSBhbG9uZw==";
    put(SECRET);
    let receiver = Receiver::start();
    let launch = receiver.of(launch()).without("AUTH_WEBHOOK_SECRET");
    let auth =
        AuthService::launch(&launch.var("AUTH_WEBHOOK_SECRET_FILE", file.display().to_string()));
    auth.keep_secret(new);
    let mut ended = log_out(&auth, 5);
    for (count, text) in [(1, format!("{new},{SECRET}")), (2, new.to_owned())] {
        put(&text);
        auth.signal("HUP");
        while auth.log_lines_with("secrets were read again", 0).len() < count {
            ended.extend(log_out(&auth, 1));
        }
    }
    ended.extend(log_out(&auth, 3));
    let posts = receiver.taken_at_least(ended.len());
    assert_eq!(sessions(&posts), ended);
    assert!(posts.iter().all(|post| post.is_signed_by(SECRET) || post.is_signed_by(new)));
    assert!(posts.iter().take(5).all(|post| !post.is_signed_by(new)));
    assert!(posts.iter().rev().take(3).all(|post| !post.is_signed_by(SECRET)));
    put("whsec_short");
    auth.signal("HUP");
    auth.log_lines_with("AUTH_WEBHOOK_SECRET", 1);
    log_out(&auth, 1);
    let posts = receiver.taken_at_least(ended.len() + 1);
    assert!(posts.last().unwrap().is_signed_by(new), "a bad one leaves the old one in force");
    assert!(json!(auth.log()).to_string().contains("AUTH_WEBHOOK_SECRET"));
}

/// Figures of a minute without a receiver: `cargo test --test e2e -- --ignored killed_for_a_minute`.
#[test]
#[ignore = "it takes two minutes; it is for figures"]
fn a_receiver_killed_for_a_minute() {
    let mut receiver = Receiver::start();
    let home = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let store = format!("sqlite:{}", home.path().join("sessions.db").display());
    let launch = receiver.of(launch()).var("AUTH_SESSION_STORE", store).var("RUST_LOG", "info");
    let database = format!("sqlite:{}", home.path().join("users.db").display());
    let auth = AuthService::launch(&launch.var("AUTH_DATABASE_URL", database));
    let mut ended = log_out(&auth, 10);
    receiver.taken_at_least(10);
    receiver.go_away();
    let away = now();
    while away.elapsed() < Duration::from_mins(1) {
        ended.extend(log_out(&auth, 1));
    }
    receiver.come_back();
    let back = now();
    let first = eventually("the first", Duration::from_mins(6), || {
        (receiver.taken().len() > 10).then(|| back.elapsed())
    });
    let all = eventually("all", Duration::from_mins(6), || {
        (receiver.taken().len() >= ended.len()).then(|| back.elapsed())
    });
    let taken = receiver.taken();
    assert_eq!(sessions(&taken), ended);
    let posts = receiver.posts().len();
    eprintln!(
        "{} events while it was away; the first {first:.1?} after it was back, all {all:.1?} after; \
         {posts} posts for {} events",
        ended.len() - 10,
        ended.len(),
    );
}

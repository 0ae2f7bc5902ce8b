//! What a URL will never get is counted, logged and told to it before anything else.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::deliveries::figure;
use super::receiver::{Mode, Post, Receiver, log_out, sessions};
use crate::harness::{AuthService, Clocks, Launch, Redis, TIMEOUT, eventually};

fn skips(posts: &[Post]) -> Vec<Value> {
    let skips = posts.iter().map(Post::json).filter(|body| body["type"] == "webhook.skipped");
    skips.collect()
}

/// What was taken, but for what was posted again: Redis may go away before it knows what was taken.
fn distinct(receiver: &Receiver) -> Vec<Post> {
    let mut seen = HashSet::new();
    let mut posts = receiver.taken();
    posts.retain(|post| seen.insert(post.id().to_owned()));
    posts
}

fn distinct_at_least(receiver: &Receiver, count: usize) -> Vec<Post> {
    eventually("so many are taken", 3 * TIMEOUT, || {
        Some(distinct(receiver)).filter(|taken| taken.len() >= count)
    })
}

fn launch() -> Launch {
    Launch::auth().var("AUTH_LOGINS_PER_ADDRESS", "0").var("RUST_LOG", "info")
}

#[test]
fn what_the_limit_drops_is_counted_exactly() {
    let mut receiver = Receiver::start();
    let launch =
        receiver.of(launch()).var("AUTH_EVENTS_LIMIT", "1000").var("AUTH_MINTS_PER_USER", "0");
    let auth = AuthService::launch(&launch.var("AUTH_MAX_SESSIONS_PER_USER", "0"));
    let mut total = log_out(&auth, 1).len();
    receiver.taken_at_least(1);
    receiver.go_away();
    let maker = auth.token();
    // Many more than are read ahead; half of the events are of a type that is not posted.
    while figure(&auth, "auth_webhook_waiting", "url=\"1\"") < Some(2000.0) {
        for _ in 0..20 {
            let used = auth.mint(&maker, &json!({"kind": "single_use"}));
            auth.validate(&used);
            total += 1;
        }
        assert!(total < 20_000, "it does not look ahead");
    }
    receiver.come_back();
    let counted = || {
        let taken = receiver.taken();
        let skipped = skips(&taken).iter().map(|skip| skip["count"].as_u64().unwrap()).sum::<u64>();
        (sessions(&taken).len() as u64, skipped)
    };
    eventually("each is delivered or counted", 3 * TIMEOUT, || {
        let (delivered, skipped) = counted();
        (delivered + skipped >= total as u64).then_some(())
    });
    let (delivered, skipped) = counted();
    assert_eq!(delivered + skipped, total as u64);
    assert!(skipped > 0 && delivered > 100, "{delivered} {skipped}");
    let skipped_figure = figure(&auth, "auth_webhook_skipped_total", "url=\"1\"");
    assert_eq!(skipped_figure, Some(f64::from(u32::try_from(skipped).unwrap())));
    let lines = auth.log_lines_with("events are skipped", 1);
    assert!(lines[0].contains("\"WARN\"") && !lines[0].contains("secret-of-the-path"), "{lines:?}");
    let posts = receiver.taken();
    let skip = posts.iter().find(|post| post.json()["type"] == "webhook.skipped").unwrap();
    assert_eq!(skip.json()["cause"], "dropped");
    assert!(skip.is_signed_by(super::receiver::SECRET));
}

fn stop(auth: &mut AuthService) {
    auth.signal("TERM");
    auth.wait_for_end(TIMEOUT);
}

#[test]
fn what_one_redis_drops_is_counted_and_what_somebody_took_out_of_it_is_told_once() {
    let Some(redis) = Redis::start_durable(&[]) else { return };
    let receiver = Receiver::start();
    let home = tempfile::TempDir::with_prefix("reinflate-e2e-").unwrap();
    let users = format!("sqlite:{}", home.path().join("users.db").display());
    let silent = launch()
        .var("AUTH_SESSION_STORE", redis.url())
        .var("AUTH_DATABASE_URL", users)
        .var("AUTH_EVENTS_LIMIT", "100");
    let posting = receiver.of(silent.clone());
    let mut auth = AuthService::launch(&posting);
    log_out(&auth, 2);
    receiver.taken_at_least(2);
    stop(&mut auth);
    let mut auth = AuthService::launch(&silent);
    let ended = log_out(&auth, 75);
    stop(&mut auth);
    let mut auth = AuthService::launch(&posting);
    let taken = receiver.taken_at_least(3 + 50);
    let skip = taken[2].json();
    assert_eq!((&skip["cause"], &skip["count"]), (&json!("dropped"), &json!(50)));
    assert_eq!(sessions(&taken[2..]), ended[25..]);
    stop(&mut auth);

    let mut auth = AuthService::launch(&silent);
    let ended = log_out(&auth, 3);
    stop(&mut auth);
    let latest = redis.cli(&["HGET", "known:events:count-and-history", "number"]);
    let second_end = latest.trim().parse::<u64>().unwrap() - 2;
    redis.cli(&["XDEL", "known:events:recent-event-list", &format!("{second_end}-0")]);
    let auth = AuthService::launch(&posting);
    let ended = [ended, log_out(&auth, 1)].concat();
    receiver.taken_at_least(53 + 4);
    let taken = receiver.taken();
    assert_eq!(skips(&taken[53..]).len(), 1, "{taken:?}");
    assert_eq!(skips(&taken[53..])[0]["count"], 1);
    assert_eq!(sessions(&taken[53..]), [&ended[..1], &ended[2..]].concat());
}

#[test]
fn what_was_tried_for_three_days_is_passed_over_and_told() {
    let Some(clocks) = Clocks::new() else { return };
    let receiver = Receiver::start();
    let auth = AuthService::launch(&clocks.of(receiver.of(launch())));
    receiver.answer(503);
    log_out(&auth, 3);
    receiver.tried_at_least(1);
    clocks.shift_date(3 * 24 * 3600 + 60);
    receiver.tried_at_least(2);
    let ended = log_out(&auth, 1);
    receiver.answer(200);
    let taken = receiver.taken_at_least(2);
    let skip = taken[0].json();
    assert_eq!((&skip["cause"], &skip["count"]), (&json!("too_old"), &json!(3)), "{taken:?}");
    assert_eq!(sessions(&taken), ended);
}

#[test]
fn a_redis_that_may_have_lost_events_is_told_and_what_is_posted_again_has_its_id() {
    let Some(mut redis) = Redis::start_durable(&[]) else { return };
    let receiver = Receiver::start();
    let home = tempfile::TempDir::with_prefix("reinflate-e2e-").unwrap();
    let users = format!("sqlite:{}", home.path().join("users.db").display());
    let launch = receiver.of(launch()).var("AUTH_SESSION_STORE", redis.url());
    let auth = AuthService::launch(&launch.var("AUTH_DATABASE_URL", users));
    let mut ended = log_out(&auth, 3);
    receiver.taken_at_least(3);
    redis.kill();
    redis.start_again();
    redis.wait();
    eventually("it is ready", TIMEOUT, || (auth.public.get("/readyz").status == 200).then_some(()));
    let taken = distinct_at_least(&receiver, 4);
    assert_eq!(
        (&taken[3].json()["cause"], &taken[3].json()["count"]),
        (&json!("history"), &Value::Null)
    );
    ended.extend(log_out(&auth, 2));
    assert_eq!(sessions(&distinct_at_least(&receiver, 6)), ended, "each once, in order");

    receiver.set(Mode::Answer(500, String::new()));
    redis.cli(&["FLUSHALL"]);
    eventually("sessions are opened again", TIMEOUT, || {
        auth.try_login(crate::harness::DEMO.0, crate::harness::DEMO.1).status.eq(&200).then_some(())
    });
    let later = log_out(&auth, 2);
    receiver.answer(200);
    let taken = eventually("what happened since", 3 * TIMEOUT, || {
        Some(distinct(&receiver)).filter(|taken| sessions(taken).ends_with(&later))
    });
    assert_eq!(skips(&taken).len(), 2, "{taken:?}");
    assert_eq!(taken[6].json()["cause"], "history", "before anything else");
}

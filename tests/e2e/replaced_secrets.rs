//! Secrets that are replaced while the services run: no request fails, what is refused leaves the
//! old ones in force, and the metrics say which key is still used.

mod redis_password;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::{
    AuthService, BusinessService, Launch, Process, Redis, Request, TIMEOUT, eventually,
    let_time_pass,
};
use crate::load::{Load, under_load};

const OLD: &str = "seven-old-brass-lanterns";
const NEW: &str = "eight-new-paper-lanterns";
const LAST_USED: &str = "internal_key_last_used_timestamp_seconds";

/// Files that secrets are read from.
pub(super) struct Files(TempDir);

impl Files {
    pub(super) fn new() -> Self {
        Self(TempDir::with_prefix("reinflate-e2e-").unwrap())
    }

    /// With the old key for both services.
    fn with_old_keys() -> Self {
        let files = Self::new();
        files.put("auth", OLD);
        files.put("business", OLD);
        files
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts a file with this content in the place of the one of this name, in one step.
    pub(super) fn put(&self, name: &str, content: &str) {
        let next = self.path("next");
        fs::write(&next, content).unwrap();
        fs::rename(next, self.path(name)).unwrap();
    }
}

/// Waits until the process has read its secrets so many times, by its log.
#[track_caller]
pub(super) fn expect_taken(process: &Process, times: usize) {
    let taken = process.log_lines_with("secrets were read again", times);
    assert_eq!(taken.len(), times, "{taken:?}");
    assert!(taken.iter().all(|line| line.contains("\"INFO\"")), "{taken:?}");
}

fn auth_launch(launch: Launch, files: &Files) -> Launch {
    launch
        .var("AUTH_INTERNAL_KEY_FILE", files.path("auth").display().to_string())
        .var("AUTH_TOKEN_TTL", "10m")
        .var("RUST_LOG", "info")
}

fn business(files: &Files, nodes: &[&AuthService]) -> BusinessService {
    let url = |node: &&AuthService| format!("http://127.0.0.1:{}", node.internal.port);
    let urls: Vec<String> = nodes.iter().map(url).collect();
    let launch = Launch::business(1)
        .var("BUSINESS_AUTH_URL", urls.join(","))
        .var("BUSINESS_AUTH_KEY_FILE", files.path("business").display().to_string())
        .var("RUST_LOG", "info");
    let business = BusinessService::launch(&launch);
    business.keep_secret(OLD);
    business.keep_secret(NEW);
    business
}

/// When the key of this number was last used; looked at with another one.
fn last_used(auth: &AuthService, number: usize, shown: &str) -> Option<u64> {
    let metrics = auth.internal.send(Request::get("/metrics").bearer(shown)).expect(200).text();
    let series = format!("{LAST_USED}{{key=\"{number}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok())
}

/// Both keys in force at once, then the new one alone, one service after the other.
fn rotate(files: &Files, nodes: &[&AuthService], business: &BusinessService) {
    let both = format!("{NEW}, {OLD}\n");
    files.put("auth", &both);
    for node in nodes {
        expect_taken(node, 1);
    }
    files.put("business", &format!("{NEW}\n"));
    expect_taken(business, 1);
    let before = nodes.iter().map(|node| last_used(node, 2, NEW).unwrap()).max().unwrap();
    eventually("the new key is used, and the old one not any more", TIMEOUT, || {
        let is_over = |node: &&AuthService| {
            last_used(node, 1, NEW) > Some(before + 1) && last_used(node, 2, NEW) <= Some(before)
        };
        nodes.iter().all(is_over).then_some(())
    });
    files.put("auth", &format!("{NEW}\n"));
    for node in nodes {
        expect_taken(node, 2);
    }
    for node in nodes {
        assert_eq!(node.internal.send(Request::get("/metrics").bearer(OLD)).status, 401);
        assert_eq!(last_used(node, 2, NEW), None, "the list has one key now");
    }
}

fn expect_none_failed(load: &Load, what: &str) {
    assert_eq!(load.failed, Vec::<String>::new(), "of {}", load.requests);
    assert!(load.requests > 500, "{load:?}");
    eprintln!("{} requests during {what}, none failed", load.requests);
}

#[test]
fn a_key_is_rotated_under_load_on_one_node() {
    let files = Files::with_old_keys();
    let auth = AuthService::launch(&auth_launch(Launch::auth(), &files));
    let business = business(&files, &[&auth]);
    let tokens = auth.tokens(4);
    let load = under_load(&business, &tokens, || rotate(&files, &[&auth], &business));
    expect_none_failed(&load, "a rotation on one node");
}

#[test]
fn a_key_is_rotated_under_load_on_two_nodes() {
    let Some(redis) = Redis::start(&[]) else { return };
    let files = Files::with_old_keys();
    let node = || {
        let users = format!("sqlite:{}", files.path("users.db").display());
        let launch =
            Launch::auth().var("AUTH_SESSION_STORE", redis.url()).var("AUTH_DATABASE_URL", users);
        AuthService::launch(&auth_launch(launch, &files))
    };
    let nodes = [node(), node()];
    let nodes = [&nodes[0], &nodes[1]];
    let business = business(&files, &nodes);
    let tokens = nodes[0].tokens(4);
    let load = under_load(&business, &tokens, || rotate(&files, &nodes, &business));
    expect_none_failed(&load, "a rotation on two nodes");
}

#[test]
fn a_client_with_both_keys_goes_along_whichever_order_the_services_follow() {
    let files = Files::with_old_keys();
    let auth = AuthService::launch(&auth_launch(Launch::auth(), &files));
    let business = business(&files, &[&auth]);
    let tokens = auth.tokens(4);
    let load = under_load(&business, &tokens, || {
        // The auth service knows nothing of the first key yet: the next one is shown.
        files.put("business", &format!("{NEW},{OLD}"));
        expect_taken(&business, 1);
        let_time_pass(Duration::from_millis(500));
        // From one key to the other at once.
        files.put("auth", NEW);
        auth.signal("HUP");
        expect_taken(&auth, 1);
        let_time_pass(Duration::from_millis(500));
    });
    expect_none_failed(&load, "an exchange of one key for the other");
}

#[test]
fn a_bad_file_leaves_the_old_key_in_force_and_is_counted() {
    let files = Files::with_old_keys();
    let auth = AuthService::launch(&auth_launch(Launch::auth(), &files));
    let business = business(&files, &[&auth]);
    let token = auth.token();
    let failures = |process: &Process, metrics: &dyn Fn() -> String, name: &str| {
        for (times, bad) in ["", "one,,two", " , "].into_iter().enumerate() {
            files.put(name, bad);
            process.signal("HUP");
            let lines = process.log_lines_with("none was replaced", times + 1);
            assert!(lines.iter().all(|line| line.contains("\"ERROR\"")), "{lines:?}");
            assert!(lines[times].contains("_KEY_FILE: "), "{lines:?}");
        }
        fs::remove_file(files.path(name)).unwrap();
        process.log_lines_with("cannot be read", 1);
        let metrics = metrics();
        let count = metrics.lines().find_map(|l| l.strip_prefix("config_reload_failures_total "));
        let count: u64 = count.unwrap().parse().unwrap();
        // Whether the look at the files saw some of them before the signal did is all the same.
        assert!(count >= 4, "{count}");
    };
    let of_auth = || auth.internal.send(Request::get("/metrics").bearer(OLD)).expect(200).text();
    failures(&auth, &of_auth, "auth");
    failures(&business, &|| business.internal.get("/metrics").expect(200).text(), "business");
    business.data(&token).expect(200);
}

#[test]
fn a_hang_up_ends_nothing_where_no_secret_is_in_a_file() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    for process in [&*auth, &*business] {
        process.signal("HUP");
        let lines = process.log_lines_with("secrets were read again", 1);
        assert!(lines[0].contains("none of them"), "{lines:?}");
    }
    business.data(&auth.token()).expect(200);
}

#[test]
fn both_services_in_one_process_replace_the_key_on_both_sides_at_once() {
    let files = Files::new();
    files.put("auth", OLD);
    let launch = Launch::pair()
        .var("AUTH_INTERNAL_KEY_FILE", files.path("auth").display().to_string())
        .var("AUTH_TOKEN_TTL", "10m");
    let mut pair = launch.start();
    let (public, internal) = (pair.listener("public"), pair.listener("internal"));
    let data = pair.listener("business");
    let login = serde_json::json!({"username": "jsf.fusco@gmail.com", "password": "postman"});
    let login = public.send(Request::post("/login").json(&login)).expect(200).json();
    let token = login["token"].as_str().unwrap();
    // What is stored in the session is read over HTTP, and the key is shown for it.
    let ask = || data.send(Request::get("/notes").bearer(token)).expect(200);
    ask();
    for (times, key) in [NEW, OLD, NEW].into_iter().enumerate() {
        files.put("auth", key);
        pair.signal("HUP");
        expect_taken(&pair, times + 1);
        ask();
        internal.send(Request::get("/metrics").bearer(key)).expect(200);
    }
}

#[test]
fn a_short_part_of_a_list_is_warned_of_and_an_empty_one_refused() {
    let auth = Launch::auth().var("AUTH_INTERNAL_KEY", format!("{OLD} , short"));
    let auth = AuthService::launch(&auth);
    let lines = auth.log_lines_with("key 2 of AUTH_INTERNAL_KEY has fewer than 16", 1);
    assert!(lines[0].contains("\"WARN\""), "{lines:?}");
    for key in [OLD, "short"] {
        auth.internal.send(Request::get("/metrics").bearer(key)).expect(200);
    }
    let launch = Launch::business(auth.internal.port).var("BUSINESS_AUTH_KEY", "short, x");
    let business = BusinessService::launch(&launch);
    for number in [1, 2] {
        let line = format!("key {number} of BUSINESS_AUTH_KEY has fewer than 16");
        assert!(business.log_lines_with(&line, 1)[0].contains("\"WARN\""));
    }
    business.data(&auth.token()).expect(200);
    for launch in [
        Launch::auth().var("AUTH_INTERNAL_KEY", format!("{OLD},")),
        Launch::business(1).var("BUSINESS_AUTH_KEY", format!("{OLD},,{NEW}")),
    ] {
        let output = launch.run();
        assert_eq!(output.code, Some(2), "{output:?}");
        assert_eq!(output.lines().len(), 1, "{output:?}");
        assert!(output.stderr.contains("_KEY: \"****\" is not acceptable"), "{output:?}");
    }
}

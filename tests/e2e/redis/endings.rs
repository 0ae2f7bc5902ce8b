//! A node is ready only once it has carried out what ended sessions while nobody followed: however
//! much that is, and however far away Redis is.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::nodes::Site;
use crate::harness::{
    ANN, AuthService, BOB, DelayProxy, LONG_PASSWORD, Launch, Request, TIMEOUT, eventually,
    is_alive, now, query,
};

/// How many endings the database keeps.
const MAX_STORED: usize = 10_000;
const DELAY: Duration = Duration::from_micros(2_500);
/// What the store remembers of the endings that were carried out.
const BOOKMARK: &str = "known:endings";

/// A site with Ann and Bob, no node of which is running.
struct Fixture {
    site: Site,
}

impl Fixture {
    fn open() -> Option<Self> {
        let site = Site::open()?;
        for name in [ANN, BOB] {
            let add = site.node().arg("users").arg("add").arg(name);
            let added = add.run_with_input(&format!("{LONG_PASSWORD}\n"));
            assert_eq!(added.code, Some(0), "{added:?}");
        }
        Some(Self { site })
    }

    fn node(&self) -> AuthService {
        AuthService::launch(&self.site.node())
    }

    /// Tokens of a user, from a node that is gone then.
    fn tokens(&self, user: &str, count: usize) -> Vec<String> {
        let node = self.node();
        (0..count).map(|_| node.login(user, LONG_PASSWORD)).collect()
    }

    fn query(&self, sql: &str) -> String {
        query(&self.site.users(), sql)
    }

    /// Runs a command that knows nothing of Redis: what it ends is left to who follows.
    #[track_caller]
    fn users(&self, arguments: &[&str]) {
        let launch = self.site.node().var("AUTH_SESSION_STORE", "memory").arg("users");
        let launch = arguments.iter().fold(launch, |launch, argument| launch.arg(*argument));
        let done = launch.run();
        assert_eq!(done.code, Some(0), "{done:?}");
    }

    /// Endings of that many users who are gone.
    fn strangers(&self, count: usize) {
        self.query(&format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
             INSERT INTO session_endings (user_id, generation) \
             SELECT printf('%08x-0000-7000-8000-%012x', i, i), 2 FROM n"
        ));
    }

    /// Raises a user's generation as a change of the password within this session does, and leaves
    /// it to others to carry that out.
    fn raise(&self, user: &str, spared: Option<&str>) {
        let spared = spared.map_or("NULL".to_owned(), |spared| format!("'{spared}'"));
        self.query(&format!(
            "BEGIN; UPDATE users SET generation = generation + 1 WHERE email = '{user}'; \
             INSERT INTO session_endings (user_id, generation, kept_session) \
             SELECT id, generation, {spared} FROM users WHERE email = '{user}'; COMMIT"
        ));
    }

    /// Without what was carried out so far, as after another server took over.
    fn forget_bookmark(&self) {
        self.site.redis.cli(&["DEL", BOOKMARK]);
    }
}

/// Starts a node, and watches it from the first moment until it is ready: by then, and ever after,
/// none of the tokens opens anything, and before it none is said to be alive. How long it took.
#[track_caller]
fn dead_once_ready(launch: &Launch, tokens: &[&str]) -> (AuthService, Duration) {
    let began = now();
    let node = AuthService::launch(launch);
    let items: Vec<Value> =
        tokens.iter().map(|token| json!({"token": token, "touch": false})).collect();
    let ask = || node.try_validate(&json!({"tokens": items}));
    let none_alive = |answer: &crate::harness::Answer| match answer.status {
        503 => true,
        200 => {
            let answer = answer.json();
            answer["results"].as_array().unwrap().iter().all(|one| one["authenticated"] != true)
        }
        other => panic!("{other}"),
    };
    let took = eventually("ready", Duration::from_mins(2), || {
        let ready = node.internal.get("/readyz");
        assert!(none_alive(&ask()), "alive while /readyz says {ready:?}");
        if ready.status == 503 {
            assert!(ready.text().contains("session endings"), "{ready:?}");
        }
        (ready.status == 200).then(|| began.elapsed())
    });
    for token in tokens {
        assert!(!is_alive(&node.look_at(token)));
    }
    (node, took)
}

fn session_of(node: &AuthService, token: &str) -> String {
    node.session(token).expect(200).json()["id"].as_str().unwrap().to_owned()
}

#[test]
fn ten_thousand_endings_are_carried_out_before_a_node_is_ready() {
    let Some(fixture) = Fixture::open() else { return };
    let (ann, bob) = (fixture.tokens(ANN, 3), fixture.tokens(BOB, 3));
    // Ann's is the oldest that is kept, Bob's the newest.
    fixture.users(&["disable", ANN]);
    fixture.strangers(MAX_STORED - 2);
    fixture.users(&["disable", BOB]);
    assert_eq!(fixture.query("SELECT COUNT(*) FROM session_endings"), MAX_STORED.to_string());
    let tokens: Vec<&str> = ann.iter().chain(&bob).map(String::as_str).collect();
    let (node, without_delay) = dead_once_ready(&fixture.site.node(), &tokens);
    drop(node);
    let revived = revive(&fixture);
    let slow = DelayProxy::to(fixture.site.redis.port, DELAY);
    let far = fixture.site.node();
    let far = far.var("AUTH_SESSION_STORE", format!("redis://127.0.0.1:{}", slow.port));
    let (_node, took) = dead_once_ready(&far, &[&revived[0], &revived[1]]);
    eprintln!(
        "ready after {without_delay:?} with Redis at hand, after {took:?} with {DELAY:?} to it"
    );
    assert!(took < Duration::from_secs(15), "{took:?}");
}

/// Live sessions of Ann and Bob, who are disabled, of a generation that is over, and nothing that
/// says how far anybody was: as where another server took over that had not got that far.
fn revive(fixture: &Fixture) -> [String; 2] {
    let set = |values: &str| fixture.query(&format!("UPDATE users SET {values} WHERE demo = 0"));
    set("disabled = 0, generation = generation - 1");
    let node = fixture.node();
    let tokens = [ANN, BOB].map(|user| node.login(user, LONG_PASSWORD));
    drop(node);
    set("disabled = 1, generation = generation + 1");
    fixture.forget_bookmark();
    tokens
}

#[test]
fn an_ending_that_the_log_no_longer_has_is_carried_out_all_the_same() {
    let Some(fixture) = Fixture::open() else { return };
    let (ann, bob) = (fixture.tokens(ANN, 2), fixture.tokens(BOB, 1));
    let demo = fixture.node().token();
    fixture.users(&["disable", ANN]);
    fixture.query(&format!("DELETE FROM users WHERE email = '{BOB}'"));
    fixture.strangers(MAX_STORED);
    fixture.query(
        "DELETE FROM session_endings WHERE seq <= (SELECT MAX(seq) FROM session_endings) - 10000",
    );
    fixture.forget_bookmark();
    // Nor does Redis know any more which sessions a user has.
    let forget = "return redis.call('DEL', unpack(redis.call('KEYS', 'subject:*')))";
    assert_eq!(fixture.site.redis.cli(&["EVAL", forget, "0"]), "3");
    let (node, _) = dead_once_ready(&fixture.site.node(), &[&ann[0], &ann[1], &bob[0]]);
    assert!(is_alive(&node.look_at(&demo)), "of whom nothing was changed");
}

#[test]
fn one_ending_a_user_is_carried_out_and_the_session_that_was_kept_lives() {
    let Some(fixture) = Fixture::open() else { return };
    for pruned in [false, true] {
        let node = fixture.node();
        let tokens: Vec<String> = (0..3).map(|_| node.login(ANN, LONG_PASSWORD)).collect();
        let ids: Vec<String> = tokens.iter().map(|token| session_of(&node, token)).collect();
        drop(node);
        // Two changes of the password, both in the second.
        fixture.raise(ANN, Some(&ids[1]));
        fixture.raise(ANN, Some(&ids[1]));
        if pruned {
            fixture.strangers(MAX_STORED);
            fixture.raise(ANN, Some(&ids[1]));
        }
        fixture.forget_bookmark();
        let (node, _) = dead_once_ready(&fixture.site.node(), &[&tokens[0], &tokens[2]]);
        assert!(is_alive(&node.validate(&tokens[1])), "pruned: {pruned}");
        drop(node);
        fixture.forget_bookmark();
        let (node, _) = dead_once_ready(&fixture.site.node(), &[&tokens[0]]);
        assert!(is_alive(&node.validate(&tokens[1])), "again, pruned: {pruned}");
        drop(node);
        fixture.raise(ANN, None);
        dead_once_ready(&fixture.site.node(), &[&tokens[1]]);
    }
}

/// The calls of scripts that Redis has served.
fn script_calls(fixture: &Fixture) -> u64 {
    let stats = fixture.site.redis.cli(&["INFO", "commandstats"]);
    let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

#[test]
fn what_was_carried_out_is_not_repeated_within_one_history_of_redis_and_is_in_another() {
    let Some(mut fixture) = Fixture::open() else { return };
    let ann = fixture.tokens(ANN, 1).remove(0);
    // What the only session consists of: its record, and its entry in its user's list.
    let keys = ["session:*", "subject:*"].map(|keys| fixture.site.redis.cli(&["KEYS", keys]));
    for (at, key) in keys.iter().enumerate() {
        assert_eq!(fixture.site.redis.cli(&["COPY", key, &format!("known:{at}")]), "1");
    }
    fixture.users(&["disable", ANN]);
    fixture.strangers(2_000);
    dead_once_ready(&fixture.site.node(), &[&ann]);
    let calls = script_calls(&fixture);
    let (node, _) = dead_once_ready(&fixture.site.node(), &[&ann]);
    assert!(script_calls(&fixture) - calls < 500, "it went through all of them again");
    // The session comes back, and then another history begins: as where a server takes over which
    // had not got that far. First beneath a node that runs, then while none does.
    let come_back = |fixture: &mut Fixture| {
        for (at, key) in keys.iter().enumerate() {
            fixture.site.redis.cli(&["COPY", &format!("known:{at}"), key, "REPLACE"]);
        }
        fixture.site.redis.kill();
        fixture.site.redis.start_again();
        fixture.site.redis.wait();
    };
    come_back(&mut fixture);
    eventually("the node notices", TIMEOUT, || {
        (node.try_validate(&json!({"token": ann, "touch": false})).json()["authenticated"] == false)
            .then_some(())
    });
    drop(node);
    come_back(&mut fixture);
    dead_once_ready(&fixture.site.node(), &[&ann]);
}

#[test]
fn what_the_database_no_longer_remembers_is_compared() {
    let Some(fixture) = Fixture::open() else { return };
    let bob = fixture.tokens(BOB, 1).remove(0);
    let node = fixture.node();
    let copy = fixture.site.users().with_extension("copy");
    fixture.query(&format!("VACUUM INTO '{}'", copy.display()));
    // Ann's sessions of a generation that the copy will not know, and a change that comes again
    // under a number that was given before.
    fixture.raise(ANN, None);
    eventually("the node has followed", TIMEOUT, || {
        fixture.site.redis.cli(&["GET", BOOKMARK]).starts_with("1 ").then_some(())
    });
    let ann = node.login(ANN, LONG_PASSWORD);
    drop(node);
    restore(&copy, &fixture.site.users());
    fixture.raise(BOB, None);
    dead_once_ready(&fixture.site.node(), &[&ann, &bob]);
}

/// Puts a copy of the users' file in its place, as an operator restores one.
fn restore(copy: &Path, users: &Path) {
    for companion in ["db-wal", "db-shm"] {
        // There is none where the last process closed it.
        let _ = std::fs::remove_file(users.with_extension(companion));
    }
    std::fs::copy(copy, users).unwrap();
}

#[test]
fn ending_everybodys_sessions_ends_those_of_users_in_no_directory() {
    let Some(fixture) = Fixture::open() else { return };
    let node = fixture.node();
    let (admin, other) = (node.token(), node.token());
    let (ann, bob) = (node.login(ANN, LONG_PASSWORD), node.login(BOB, LONG_PASSWORD));
    fixture.query(&format!("DELETE FROM users WHERE email = '{ANN}'"));
    assert!(is_alive(&node.look_at(&ann)));
    node.public.send(Request::delete("/api/v1/sessions").bearer(&admin)).expect(204);
    for token in [&other, &ann, &bob] {
        assert!(!is_alive(&node.look_at(token)));
    }
    assert!(is_alive(&node.look_at(&admin)));
    assert_eq!(fixture.site.redis.sessions(), 1);
}

//! Sessions belong to one users' database: a service with another one accepts none of them.

use tempfile::TempDir;

use super::nodes::Site;
use crate::harness::{
    ANN, AuthService, DEMO, DelayProxy, LONG_PASSWORD, Launch, Output, Redis, Request, TIMEOUT,
    eventually, is_alive, query,
};

fn home() -> TempDir {
    TempDir::with_prefix("reinflate-e2e-").unwrap()
}

/// A node of the site on a users' database of this name in a directory of its own.
fn elsewhere(site: &Site, home: &TempDir) -> Launch {
    let path = home.path().join("users.db");
    site.node().var("AUTH_DATABASE_URL", format!("sqlite:{}", path.display()))
}

fn id_of(path: &std::path::Path) -> String {
    let hex = query(path, "SELECT id FROM database_identity");
    hex.parse::<uuid_text::Uuid>().unwrap().0
}

/// An id as it is shown.
mod uuid_text {
    pub(super) struct Uuid(pub(super) String);

    impl std::str::FromStr for Uuid {
        type Err = String;

        fn from_str(text: &str) -> Result<Self, String> {
            let hex: String = text.chars().filter(char::is_ascii_hexdigit).collect();
            if hex.len() != 32 {
                return Err(text.to_owned());
            }
            let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
            Ok(Self(parts.join("-")))
        }
    }
}

#[track_caller]
fn adopt(launch: &Launch, arguments: &[&str], input: &str) -> Output {
    let launch = launch.clone().arg("sessions").arg("adopt");
    arguments.iter().fold(launch, |launch, argument| launch.arg(*argument)).run_with_input(input)
}

#[track_caller]
fn expect_refusal(output: &Output, code: i32, parts: &[&str]) {
    assert_eq!(output.code, Some(code), "{output:?}");
    assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
    for part in parts {
        assert!(output.stderr.contains(part), "{part} in {output:?}");
    }
}

#[test]
fn a_start_beside_the_sessions_of_another_database_is_refused_until_they_are_adopted() {
    let Some(site) = Site::open() else { return };
    let node = AuthService::launch(&site.node());
    let token = node.token();
    drop(node);
    let home = home();
    let other = elsewhere(&site, &home);
    for _ in 0..2 {
        let refused = other.run();
        let ours = id_of(&home.path().join("users.db"));
        expect_refusal(&refused, 1, &[&ours, &id_of(&site.users()), "auth-service sessions adopt"]);
    }
    for input in ["", "n\n", "nonsense\n", "\n"] {
        let refused = adopt(&other, &[], input);
        assert_eq!(refused.code, Some(1), "{refused:?}");
    }
    // Nothing was changed so far.
    let node = AuthService::launch(&site.node());
    assert!(is_alive(&node.validate(&token)));
    drop(node);
    let adopted = adopt(&other, &[], "yes\n");
    assert_eq!(adopted.code, Some(0), "{adopted:?}");
    assert_eq!(site.redis.sessions(), 0);
    let node = AuthService::launch(&other);
    assert!(!is_alive(&node.validate(&token)));
    assert!(is_alive(&node.validate(&node.token())));
    drop(node);
    expect_refusal(&site.node().run(), 1, &["auth-service sessions adopt"]);
    let adopted = adopt(&site.node(), &["--yes"], "");
    assert_eq!(adopted.code, Some(0), "{adopted:?}");
    let node = AuthService::launch(&site.node());
    assert!(!is_alive(&node.validate(&token)));
}

#[test]
fn to_adopt_ends_what_cannot_be_read_and_what_is_our_own_too() {
    let Some(site) = Site::open() else { return };
    let node = AuthService::launch(&site.node());
    let token = node.token();
    drop(node);
    let later = "session:AAECAwQFBgcICQoLDA0ODw";
    site.redis.cli(&["SET", later, "of a later version"]);
    let adopted = adopt(&site.node(), &["--yes"], "");
    assert_eq!(adopted.code, Some(0), "{adopted:?}");
    assert_eq!(site.redis.cli(&["EXISTS", later]), "0");
    assert!(!is_alive(&AuthService::launch(&site.node()).validate(&token)));
}

#[test]
fn a_store_without_an_id_takes_that_of_the_database() {
    let Some(site) = Site::open() else { return };
    let node = AuthService::launch(&site.node());
    let token = node.token();
    // Beneath a node that runs, and at a start.
    site.redis.cli(&["DEL", "known:database"]);
    eventually("it is there again", TIMEOUT, || {
        (site.redis.cli(&["EXISTS", "known:database"]) == "1").then_some(())
    });
    drop(node);
    site.redis.cli(&["DEL", "known:database"]);
    let node = AuthService::launch(&site.node());
    assert!(is_alive(&node.validate(&token)));
    let home = home();
    expect_refusal(&elsewhere(&site, &home).run(), 1, &["auth-service sessions adopt"]);
}

#[test]
fn a_node_whose_store_was_given_to_another_database_lets_nobody_in() {
    let Some(site) = Site::open() else { return };
    let node = AuthService::launch(&site.node());
    let home = home();
    let other = elsewhere(&site, &home);
    other.run();
    assert_eq!(adopt(&other, &["--yes"], "").code, Some(0));
    eventually("not ready", TIMEOUT, || {
        let ready = node.public.get("/readyz");
        (ready.status == 503).then(|| assert!(ready.text().contains("session endings")))
    });
    let foreign = AuthService::launch(&other).token();
    node.try_validate(&serde_json::json!({"token": foreign})).expect_problem(503, "unavailable");
}

/// Logs in at a node until it says that it is not ready, which may never succeed; after that it says
/// nothing of a token of the other database either.
fn expect_refused(node: &AuthService, foreign: &str) {
    let login = serde_json::json!({"username": DEMO.0, "password": DEMO.1});
    eventually("not ready", TIMEOUT, || {
        let answer = node.public.send(Request::post("/login").json(&login));
        assert_eq!(answer.status, 503, "a session beside another database's: {answer:?}");
        let ready = node.public.get("/readyz");
        (ready.status == 503 && ready.text().contains("session endings")).then_some(())
    });
    node.try_validate(&serde_json::json!({"token": foreign})).expect_problem(503, "unavailable");
}

#[test]
fn a_node_that_was_cut_off_while_its_store_was_given_away_opens_no_session() {
    let Some(site) = Site::open() else { return };
    let proxy = DelayProxy::to(site.redis.port, std::time::Duration::ZERO);
    let through = format!("redis://127.0.0.1:{}", proxy.port);
    let node = AuthService::launch(&site.node().var("AUTH_SESSION_STORE", through));
    node.token();
    let home = home();
    let other = elsewhere(&site, &home);
    other.run();
    proxy.cut();
    assert_eq!(adopt(&other, &["--yes"], "").code, Some(0));
    let new = AuthService::launch(&other);
    let foreign = new.token();
    proxy.mend();
    expect_refused(&node, &foreign);
    assert_eq!(site.redis.sessions(), 1);
    assert!(is_alive(&new.validate(&foreign)));
}

#[test]
fn a_node_whose_store_was_emptied_and_taken_by_another_database_opens_no_session() {
    let Some(site) = Site::open() else { return };
    let node = AuthService::launch(&site.node());
    node.token();
    let home = home();
    let other = elsewhere(&site, &home);
    other.run();
    let new = id_of(&home.path().join("users.db"));
    site.redis.cli(&["FLUSHALL"]);
    site.redis.cli(&["SET", "known:database", &new]);
    let login = serde_json::json!({"username": DEMO.0, "password": DEMO.1});
    node.public.send(Request::post("/login").json(&login)).expect_problem(503, "unavailable");
    assert_eq!(site.redis.sessions(), 0);
}

#[test]
fn who_takes_a_store_without_an_id_first_compares_its_sessions_with_its_users() {
    let Some(site) = Site::open() else { return };
    let node = AuthService::launch(&site.node());
    let token = node.token();
    drop(node);
    site.redis.cli(&["DEL", "known:database", "known:endings"]);
    let home = home();
    let new = AuthService::launch(&elsewhere(&site, &home));
    assert!(!is_alive(&new.validate(&token)));
    assert_eq!(site.redis.sessions(), 0);
}

#[test]
fn users_in_memory_beside_such_a_store_are_refused() {
    let Some(redis) = Redis::start_durable(&[]) else { return };
    for launch in [Launch::auth(), Launch::pair(), Launch::pair().var("AUTH_DATABASE_URL", "")] {
        let refused = launch.var("AUTH_SESSION_STORE", redis.url()).run();
        expect_refusal(&refused, 2, &["AUTH_DATABASE_URL", "sqlite::memory:"]);
    }
    for store in ["redis://127.0.0.1:1", "rediss://127.0.0.1:1", "redis-cluster://127.0.0.1:1"] {
        let refused = Launch::auth().var("AUTH_SESSION_STORE", store).run();
        expect_refusal(&refused, 2, &["AUTH_DATABASE_URL"]);
    }
}

#[test]
fn there_is_nothing_to_adopt_in_memory() {
    let home = home();
    let path = home.path().join("users.db");
    let launch = Launch::auth().var("AUTH_DATABASE_URL", format!("sqlite:{}", path.display()));
    expect_refusal(&adopt(&launch, &["--yes"], ""), 2, &["AUTH_SESSION_STORE"]);
    assert!(!path.exists());
}

#[test]
fn commands_about_users_need_no_store() {
    let Some(mut site) = Site::open() else { return };
    let run = |launch: &Launch, arguments: &[&str], input: &str| {
        let launch = launch.clone().arg("users");
        arguments.iter().fold(launch, |launch, part| launch.arg(*part)).run_with_input(input)
    };
    let password = format!("{LONG_PASSWORD}\n");
    let node = AuthService::launch(&site.node());
    let foreign = node.token();
    let home = home();
    let other = elsewhere(&site, &home);
    let all: [(&[&str], &str); 6] = [
        (&["add", ANN], &password),
        (&["roles", ANN, "user,team"], ""),
        (&["passwd", ANN], &password),
        (&["disable", ANN], ""),
        (&["enable", ANN], ""),
        (&["delete", ANN], ""),
    ];
    for (arguments, input) in all {
        let done = run(&other, arguments, input);
        assert_eq!(done.code, Some(0), "beside another's sessions: {done:?}");
    }
    assert!(is_alive(&node.validate(&foreign)));
    site.redis.kill();
    for (arguments, input) in all {
        let done = run(&site.node(), arguments, input);
        assert_eq!(done.code, Some(0), "without Redis: {done:?}");
    }
    assert!(run(&site.node(), &["list"], "").stdout.contains(DEMO.0));
}

//! Sessions in a file: a restart logs nobody out, one service at a time holds the file, and what
//! cannot be written is 503.

use std::fs;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{
    ANN, AuthService, LONG_PASSWORD, Launch, Request, TIMEOUT, eventually, is_alive, query,
};

/// Where a service finds its users and sessions again.
struct Site {
    directory: TempDir,
}

impl Site {
    fn new() -> Self {
        Self { directory: TempDir::with_prefix("reinflate-e2e-").unwrap() }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn launch(&self) -> Launch {
        Launch::auth()
            .var("AUTH_DATABASE_URL", format!("sqlite:{}", self.path("users.db")))
            .var("AUTH_SESSION_STORE", format!("sqlite:{}", self.path("sessions.db")))
            .var("AUTH_TOKEN_TTL", "10m")
            .var("AUTH_MINTS_PER_USER", "0")
            .var("AUTH_MAX_SESSIONS_PER_USER", "0")
            .var("AUTH_INTERNAL_KEY", "an-internal-key-of-a-test")
    }

    fn without_key(&self) -> Launch {
        self.launch().without("AUTH_INTERNAL_KEY")
    }
}

#[track_caller]
fn assert_refused(launch: &Launch, code: i32, words: &[&str]) {
    let output = launch.run();
    assert_eq!(output.code, Some(code), "{output:?}");
    assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
    for word in words {
        assert!(output.stderr.contains(word), "{word}: {output:?}");
    }
}

#[test]
fn a_restart_logs_nobody_out_and_brings_nobody_back() {
    let site = Site::new();
    let mut auth = AuthService::launch(&site.without_key());
    let [stays, leaves] = [auth.token(), auth.token()];
    let once = auth.mint(&stays, &json!({"kind": "single_use"}));
    assert!(is_alive(&auth.validate(&once)));
    auth.logout(&leaves);
    let used = auth.validate(&stays)["session"]["refresh_count"].as_u64().unwrap();
    auth.kill();
    let mut auth = AuthService::launch(&site.without_key());
    auth.public.get("/readyz").expect(200);
    assert!(is_alive(&auth.look_at(&stays)));
    for token in [&leaves, &once] {
        assert!(!is_alive(&auth.look_at(token)));
    }
    let again = auth.validate(&stays)["session"]["refresh_count"].as_u64().unwrap();
    assert!(again <= used + 1, "uses are never rounded up");
    auth.signal("TERM");
    assert!(auth.wait_for_end(TIMEOUT).success());
    let auth = AuthService::launch(&site.without_key());
    let after = auth.look_at(&stays)["session"]["refresh_count"].as_u64().unwrap();
    assert_eq!(after, again, "a clean stop writes all uses");
}

#[test]
fn a_user_who_was_disabled_while_the_service_was_down_is_out() {
    let site = Site::new();
    let add = site.without_key().arg("users").arg("add").arg(ANN);
    assert_eq!(add.run_with_input(&format!("{LONG_PASSWORD}\n")).code, Some(0));
    let mut auth = AuthService::launch(&site.without_key());
    let token = auth.login(ANN, LONG_PASSWORD);
    auth.kill();
    let disabled = site.without_key().arg("users").arg("disable").arg(ANN).run();
    assert_eq!(disabled.code, Some(0), "{disabled:?}");
    let auth = AuthService::launch(&site.without_key());
    assert!(!is_alive(&auth.look_at(&token)));
}

#[test]
fn a_file_has_one_service_and_is_nobody_elses() {
    let site = Site::new();
    let auth = AuthService::launch(&site.without_key());
    assert_refused(&site.without_key(), 1, &["sessions.db", "in use by another process"]);
    let adopt = site.without_key().arg("sessions").arg("adopt").arg("--yes");
    assert_refused(&adopt, 1, &["in use by another process"]);
    drop(auth);
    let memory = site.without_key().var("AUTH_DATABASE_URL", "sqlite::memory:");
    assert_refused(&memory, 2, &["AUTH_DATABASE_URL"]);
    let users = format!("sqlite:{}", site.path("users.db"));
    let same = site.without_key().var("AUTH_SESSION_STORE", users);
    assert_refused(&same, 2, &["AUTH_SESSION_STORE", "a file of its own"]);
    let nonsense = site.without_key().var("AUTH_SESSION_SYNC", "sometimes");
    assert_refused(&nonsense, 2, &["AUTH_SESSION_SYNC", "full or normal"]);
    let nowhere = format!("sqlite:{}", site.path("no/such/directory.db"));
    let nowhere = site.without_key().var("AUTH_SESSION_STORE", nowhere);
    assert_refused(&nowhere, 1, &["directory.db"]);
}

#[test]
fn what_cannot_be_served_ends_the_start_with_one_line_that_says_why() {
    let site = Site::new();
    let mut auth = AuthService::launch(&site.without_key());
    let token = auth.token();
    auth.signal("TERM");
    assert!(auth.wait_for_end(TIMEOUT).success());
    let file = site.directory.path().join("sessions.db");
    let whole = fs::read(&file).unwrap();
    let text = b"this is no database, whatever its name says about that\n".repeat(200);
    for (bytes, words) in [(&whole[..whole.len() / 2], "damaged"), (&text, "no SQLite file")] {
        fs::write(&file, bytes).unwrap();
        assert_refused(&site.without_key(), 1, &["sessions.db", words]);
        assert_eq!(fs::read(&file).unwrap(), bytes, "{words}: it is left as it was");
    }
    fs::write(&file, &whole).unwrap();
    let version = query(&file, "PRAGMA user_version");
    query(&file, "PRAGMA user_version = 99");
    assert_refused(&site.without_key(), 1, &["sessions.db", "newer version"]);
    query(&file, &format!("PRAGMA user_version = {version}"));
    assert!(is_alive(&AuthService::launch(&site.without_key()).look_at(&token)));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert_refused(&site.without_key(), 1, &["sessions.db", "cannot be used"]);
    fs::remove_dir(&file).unwrap();
    query(&file, "CREATE TABLE others (id INTEGER)");
    assert_refused(&site.without_key(), 1, &["sessions.db", "tables that are not"]);
}

#[test]
fn a_file_that_is_deleted_under_the_service_is_503_and_a_restart_begins_anew() {
    let site = Site::new();
    let mut auth = AuthService::launch(&site.without_key());
    let token = auth.token();
    fs::remove_file(site.directory.path().join("sessions.db")).unwrap();
    auth.try_mint(&token, &json!({"kind": "sliding"})).expect_problem(503, "unavailable");
    assert!(is_alive(&auth.validate(&token)), "validations go on");
    let ready = auth.internal.get("/readyz");
    assert_eq!(ready.status, 503, "{ready:?}");
    assert!(ready.text().contains("session store"), "{ready:?}");
    auth.kill();
    let auth = AuthService::launch(&site.without_key());
    assert!(!is_alive(&auth.look_at(&token)));
    auth.validate(&auth.token());
}

#[test]
fn sessions_of_another_users_database_are_refused_until_they_are_adopted() {
    let site = Site::new();
    let mut auth = AuthService::launch(&site.without_key());
    let token = auth.token();
    auth.kill();
    let users = format!("sqlite:{}", site.path("other.db"));
    let other = site.without_key().var("AUTH_DATABASE_URL", users);
    assert_refused(&other, 1, &["auth-service sessions adopt"]);
    let adopted = other.clone().arg("sessions").arg("adopt").arg("--yes").run();
    assert_eq!(adopted.code, Some(0), "{adopted:?}");
    assert!(adopted.stdout.contains("1 session ended"), "{adopted:?}");
    let auth = AuthService::launch(&other);
    assert!(!is_alive(&auth.look_at(&token)));
}

#[test]
fn the_running_service_writes_a_copy_and_never_over_another() {
    let site = Site::new();
    let mut auth = AuthService::launch(&site.launch());
    let token = auth.token();
    let copy = site.path("copy.db");
    let internal = format!("127.0.0.1:{}", auth.internal.port);
    let backup = site.launch().var("AUTH_INTERNAL_ADDR", internal);
    let backup = backup.arg("sessions").arg("backup").arg(copy.as_str());
    let done = backup.run();
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(done.stdout.trim(), copy);
    assert_refused(&backup, 1, &["422", "not written"]);
    assert_refused(&backup.clone().var("AUTH_INTERNAL_KEY", "another-key-and-wrong"), 1, &["401"]);
    let request = Request::post("/sessions/backup").json(&json!({"path": "/tmp/x"}));
    auth.internal.send(request).expect(401);
    auth.kill();
    let restored = site.without_key().var("AUTH_SESSION_STORE", format!("sqlite:{copy}"));
    let auth = AuthService::launch(&restored);
    assert!(is_alive(&auth.look_at(&token)));
    let request = Request::post("/sessions/backup").json(&json!({"path": "/tmp/x"}));
    auth.internal.send(request).expect(403);
}

/// How many KiB the largest file may have: the session file outgrows it.
const SMALL_KIB: u32 = 400;

#[test]
fn on_a_full_disk_logins_are_503_who_is_in_stays_in_and_it_goes_on_by_itself() {
    let site = Site::new();
    let auth = AuthService::launch(&site.without_key().largest_file_kib(SMALL_KIB));
    let token = auth.token();
    let mint = || auth.try_mint(&token, &json!({"kind": "sliding", "name": "x".repeat(60)}));
    let last = eventually("the disk is full", TIMEOUT * 3, || {
        (0..50).map(|_| mint()).find(|answer| answer.status != 201)
    });
    last.expect_problem(503, "unavailable");
    eventually("it stays full", TIMEOUT, || (mint().status == 503).then_some(()));
    assert!(is_alive(&auth.validate(&token)), "validations go on");
    let ready = auth.internal.get("/readyz");
    assert_eq!(ready.status, 503, "{ready:?}");
    assert!(ready.text().contains("session store"), "{ready:?}");
    assert!(auth.metric("auth_session_commits_total{result=\"failure\"}").unwrap() >= 1.0);
    let more = format!("--pid={}", auth.id());
    let given = Command::new("prlimit").args([&more, "--fsize=unlimited:unlimited"]).status();
    assert!(given.unwrap().success());
    eventually("it goes on", TIMEOUT, || (mint().status == 201).then_some(()));
    auth.internal.get("/readyz").expect(200);
}

//! What versions past have stored, as they left it: a session file and a dump of Redis, each with its
//! users. `tests/stored/README.md` says how a version's are written.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Home, add_user, put_value, value};
use crate::harness::{ANN, AuthService, LONG_PASSWORD, Launch, Redis, Request, TIMEOUT, is_alive};

/// How long the tokens live that are to be alive whenever the tests run.
const LONG: &str = "36500d";

fn stored() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stored")
}

/// What a version has stored, in a place where it may be changed.
fn copy_of(version: &Path, kind: &str, home: &Home) -> Value {
    for entry in fs::read_dir(version.join(kind)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, home.path(path.file_name().unwrap().to_str().unwrap())).unwrap();
    }
    serde_json::from_str(&fs::read_to_string(home.path("tokens.json")).unwrap()).unwrap()
}

fn versions() -> Vec<PathBuf> {
    let entries = fs::read_dir(stored()).unwrap().map(|entry| entry.unwrap().path());
    let versions: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    assert!(!versions.is_empty());
    versions
}

/// Everything that a version can have left behind; the tokens by what is to become of them.
fn leave_behind(auth: &AuthService) -> Value {
    let login = auth.login(ANN, LONG_PASSWORD);
    let fixed =
        |name: &str| auth.mint(&login, &json!({"kind": "fixed", "ttl": LONG, "name": name}));
    let (alive, ended) = (fixed("alive"), fixed("ended"));
    put_value(auth, &alive, &json!({"items": 3}));
    assert!(is_alive(&auth.validate(&alive)));
    auth.logout(&ended);
    let once = auth.mint(&login, &json!({"kind": "single_use"}));
    assert!(is_alive(&auth.validate(&once)));
    auth.logout(&login);
    json!({"alive": alive, "ended": ended, "used_up": once, "logged_out": login})
}

#[track_caller]
fn expect_all_of_it(auth: &AuthService, tokens: &Value) {
    let token = |name: &str| tokens[name].as_str().unwrap();
    let verdict = auth.validate(token("alive"));
    assert!(is_alive(&verdict), "{verdict}");
    assert_eq!(verdict["session"]["user"]["username"], ANN);
    assert_eq!(verdict["session"]["name"], "alive");
    assert_eq!(value(auth, token("alive")), json!({"items": 3}));
    for name in ["ended", "used_up", "logged_out"] {
        assert!(!is_alive(&auth.validate(token(name))), "{name}");
    }
    // And all that is new goes on from there.
    let login = auth.login(ANN, LONG_PASSWORD);
    assert!(is_alive(&auth.validate(&login)));
    let listed = auth.public.send(Request::get("/sessions").bearer(&login)).expect(200).json();
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 2, "{listed}");
    auth.logout(token("alive"));
    assert!(!is_alive(&auth.validate(token("alive"))));
}

#[test]
fn a_session_file_of_each_version_is_opened() {
    for version in versions() {
        let home = Home::new();
        let tokens = copy_of(&version, "file", &home);
        let mut auth = AuthService::launch(&home.in_a_file());
        expect_all_of_it(&auth, &tokens);
        auth.signal("TERM");
        assert_eq!(auth.wait_for_end(TIMEOUT).code(), Some(0));
        let again = AuthService::launch(&home.in_a_file());
        assert!(!is_alive(&again.validate(tokens["alive"].as_str().unwrap())));
    }
}

#[test]
fn a_redis_of_each_version_is_opened() {
    for version in versions() {
        let home = Home::new();
        let tokens = copy_of(&version, "redis", &home);
        let Some(redis) = Redis::start_from(&home.path("dump.rdb")) else { return };
        expect_all_of_it(&AuthService::launch(&home.launch(redis.url())), &tokens);
    }
}

/// Writes what this version stores into a directory of `tests/stored`, which `STORE_AS` names.
#[test]
fn what_this_version_stores_is_written_on_request() {
    let Ok(name) = std::env::var("STORE_AS") else { return };
    let write = |kind: &str, launch: &dyn Fn(&Home) -> Launch, redis: Option<&Redis>| {
        let home = Home::new();
        let launch = launch(&home);
        add_user(&launch, ANN);
        let mut auth = AuthService::launch(&launch);
        let tokens = leave_behind(&auth);
        auth.signal("TERM");
        assert_eq!(auth.wait_for_end(TIMEOUT).code(), Some(0));
        let directory = stored().join(&name).join(kind);
        fs::create_dir_all(&directory).unwrap();
        if let Some(redis) = redis {
            fs::write(directory.join("dump.rdb"), redis.contents()).unwrap();
        } else {
            fs::copy(home.path("sessions.db"), directory.join("sessions.db")).unwrap();
        }
        fs::copy(home.path("users.db"), directory.join("users.db")).unwrap();
        let tokens = serde_json::to_string_pretty(&tokens).unwrap();
        fs::write(directory.join("tokens.json"), tokens + "\n").unwrap();
    };
    write("file", &Home::in_a_file, None);
    let redis = Redis::start(&[]).expect("redis-server is installed");
    write("redis", &|home| home.launch(redis.url()), Some(&redis));
}

//! The disk under the session file fails, fills up or hangs: what must be written is 503 and did not
//! happen, but for ends; all else goes on, and the service recovers by itself.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{
    Answer, AuthService, Disk, DiskState, Launch, Request, TIMEOUT, eventually, is_alive, now,
};

/// How long what must be written may wait for a disk: for the commit before it, and for its own.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(6);

/// A service whose session file is on a disk of its own.
struct Fixture {
    directory: TempDir,
    disk: Disk,
}

/// What somebody has who was logged in while the disk worked.
struct Tokens {
    maker: String,
    leaves: String,
    once: String,
    rotates: String,
    stores: String,
}

impl Fixture {
    fn new() -> Option<Self> {
        let disk = Disk::of("sessions.db")?;
        Some(Self { directory: TempDir::with_prefix("reinflate-e2e-").unwrap(), disk })
    }

    fn launch(&self) -> Launch {
        let file = |name: &str| format!("sqlite:{}", self.directory.path().join(name).display());
        let launch = Launch::auth()
            .var("AUTH_DATABASE_URL", file("users.db"))
            .var("AUTH_SESSION_STORE", file("sessions.db"))
            .var("AUTH_TOKEN_TTL", "10m")
            .var("AUTH_MINTS_PER_USER", "0")
            .var("AUTH_MAX_SESSIONS_PER_USER", "0");
        self.disk.under(launch)
    }

    fn start(&self) -> AuthService {
        AuthService::launch(&self.launch())
    }

    /// The start ends with exit code 1 and one line that holds this.
    #[track_caller]
    fn assert_refused(&self, words: &[&str]) {
        let output = self.launch().run();
        assert_eq!(output.code, Some(1), "{output:?}");
        assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
        for word in words.iter().chain(&["sessions.db", "cannot be used"]) {
            assert!(output.stderr.contains(word), "{word}: {output:?}");
        }
    }
}

fn tokens(auth: &AuthService) -> Tokens {
    let maker = auth.token();
    let once = auth.mint(&maker, &json!({"kind": "single_use"}));
    let [leaves, rotates, stores] = [auth.token(), auth.token(), auth.token()];
    put(auth, &stores, 1).expect(204);
    Tokens { maker, leaves, once, rotates, stores }
}

fn put(auth: &AuthService, token: &str, value: u64) -> Answer {
    auth.internal.send(Request::put("/session/data/k").bearer(token).json(&json!(value)))
}

fn stored(auth: &AuthService, token: &str) -> Value {
    auth.internal.send(Request::get("/session/data/k").bearer(token)).expect(200).json()
}

fn rotate(auth: &AuthService, token: &str) -> Answer {
    auth.public.send(Request::post("/session/rotate").bearer(token))
}

fn sessions(auth: &AuthService, token: &str) -> usize {
    let list = auth.public.send(Request::get("/sessions").bearer(token)).expect(200).json();
    list["sessions"].as_array().expect("sessions").len()
}

/// Whatever must be written is 503 in time, all else goes on, and the service says that it is not
/// ready.
fn assert_serves_without_writing(auth: &AuthService, tokens: &Tokens) {
    let begun = now();
    auth.try_mint(&tokens.maker, &json!({"kind": "sliding"})).expect_problem(503, "unavailable");
    assert!(begun.elapsed() < LIMIT, "a token that is minted: {:?}", begun.elapsed());
    let logout = auth.public.send(Request::post("/logout").bearer(&tokens.leaves));
    logout.expect_problem(503, "unavailable");
    assert!(!is_alive(&auth.look_at(&tokens.leaves)), "it has ended all the same");
    auth.try_validate(&json!({"token": tokens.once})).expect_problem(503, "unavailable");
    assert!(is_alive(&auth.look_at(&tokens.once)), "it was not used");
    rotate(auth, &tokens.rotates).expect_problem(503, "unavailable");
    assert!(is_alive(&auth.validate(&tokens.rotates)), "it is as it was");
    put(auth, &tokens.stores, 2).expect_problem(503, "unavailable");
    assert_eq!(stored(auth, &tokens.stores), json!(1));
    assert!(begun.elapsed() < LIMIT * 2, "all of it: {:?}", begun.elapsed());
    let ready = auth.internal.get("/readyz");
    assert_eq!(ready.status, 503, "{ready:?}");
    assert!(ready.text().contains("session store"), "{ready:?}");
}

/// The service goes on by itself, and after a kill what was refused did not happen.
fn assert_recovers(fixture: &Fixture, mut auth: AuthService, tokens: &Tokens, count: usize) {
    let ready = || (auth.internal.get("/readyz").status == 200).then_some(());
    eventually("it can be written again", TIMEOUT, ready);
    let new = auth.mint(&tokens.maker, &json!({"kind": "sliding"}));
    auth.kill();
    let auth = fixture.start();
    assert!(is_alive(&auth.validate(&new)));
    assert!(!is_alive(&auth.look_at(&tokens.leaves)));
    assert!(is_alive(&auth.validate(&tokens.rotates)));
    assert_eq!(stored(&auth, &tokens.stores), json!(1));
    assert!(is_alive(&auth.validate(&tokens.once)), "its one use");
    assert!(!is_alive(&auth.validate(&tokens.once)));
    // One has left, one is used up, one is new; what was refused is nowhere.
    assert_eq!(sessions(&auth, &tokens.maker), count - 1);
}

#[test]
fn a_commit_that_does_not_reach_the_disk_is_503_and_no_later_one_makes_it_good() {
    let Some(fixture) = Fixture::new() else { return };
    let auth = fixture.start();
    let tokens = tokens(&auth);
    let count = sessions(&auth, &tokens.maker);
    fixture.disk.set(DiskState::FailsToSync);
    assert_serves_without_writing(&auth, &tokens);
    fixture.disk.set(DiskState::Works);
    assert_recovers(&fixture, auth, &tokens, count);
}

#[test]
fn a_disk_that_does_not_answer_holds_up_nobody_for_long_and_what_it_did_later_is_undone() {
    let Some(fixture) = Fixture::new() else { return };
    let auth = fixture.start();
    let tokens = tokens(&auth);
    let count = sessions(&auth, &tokens.maker);
    fixture.disk.set(DiskState::Hangs);
    assert_serves_without_writing(&auth, &tokens);
    let begun = now();
    auth.try_mint(&tokens.maker, &json!({"kind": "sliding"})).expect_problem(503, "unavailable");
    assert!(begun.elapsed().as_secs() < 1, "once it is known: {:?}", begun.elapsed());
    fixture.disk.set(DiskState::Works);
    assert_recovers(&fixture, auth, &tokens, count);
}

#[test]
fn a_service_whose_disk_does_not_answer_can_be_stopped() {
    let Some(fixture) = Fixture::new() else { return };
    let mut auth = fixture.start();
    let token = auth.token();
    fixture.disk.set(DiskState::Hangs);
    auth.try_mint(&token, &json!({"kind": "sliding"})).expect_problem(503, "unavailable");
    auth.signal("TERM");
    auth.wait_for_end(TIMEOUT);
    fixture.disk.set(DiskState::Works);
    assert!(is_alive(&fixture.start().validate(&token)));
}

#[test]
fn a_disk_that_fills_up_refuses_what_must_be_written_until_there_is_room() {
    let Some(fixture) = Fixture::new() else { return };
    let auth = fixture.start();
    let tokens = tokens(&auth);
    let count = sessions(&auth, &tokens.maker);
    fixture.disk.set(DiskState::NoRoom);
    assert_serves_without_writing(&auth, &tokens);
    fixture.disk.set(DiskState::Works);
    assert_recovers(&fixture, auth, &tokens, count);
}

#[test]
fn a_start_without_room_or_leave_to_write_is_refused_in_one_line() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.disk.set(DiskState::NoRoom);
    fixture.assert_refused(&["full"]);
    fixture.disk.set(DiskState::Works);
    let mut auth = fixture.start();
    let token = auth.token();
    auth.signal("TERM");
    assert!(auth.wait_for_end(TIMEOUT).success());
    for state in [DiskState::NoRoom, DiskState::ReadOnly, DiskState::FailsToSync] {
        fixture.disk.set(state);
        fixture.assert_refused(&[]);
    }
    fixture.disk.set(DiskState::Works);
    assert!(is_alive(&fixture.start().validate(&token)), "nothing was thrown away");
}

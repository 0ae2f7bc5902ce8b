//! What is there after a restart, and what is not.

use super::*;
use crate::store::conformance::logout;
use crate::store::conformance::{Client, Held, end_of, fresh_digest, held, look, someone, use_of};
use crate::{
    AttemptKey, AttemptStore as _, ExternalId, Kind, NewSession, Origin, Scopes, Subject,
    Transport, Verdict,
};

fn external(id: &str) -> Arc<Subject> {
    let external = ExternalId::parse(id).unwrap();
    let id = external.subject_id();
    Arc::new(Subject { id, external: Some(external), ..(*someone()).clone() })
}

#[tokio::test]
async fn a_session_stands_after_a_kill_as_it_stood_before() {
    let machine = Machine::new();
    let running = machine.start().await;
    let fixture = &running.fixture;
    let new = NewSession {
        transport: Transport::Cookie,
        role: 2,
        generation: 7,
        name: Some("a tool".into()),
        scopes: Scopes::parse(&["reports:read", "a"]),
        subject: external("50%/17"),
        login_age: Duration::from_secs(77),
        origin: Origin {
            ip: Some("2001:db9::7".parse().unwrap()),
            user_agent: Some("Lynx/2.9 é".into()),
        },
        ..fixture.new_session()
    };
    let one = fixture.insert(&new).await;
    let put = ValueChange::Put("[1]".into());
    let written = running.store.write_value(one.id, "k", put, Condition::None).await.unwrap();
    assert_eq!(written, ValueWrite::Put(1));
    let before = fixture.look_live(one).await;
    running.kill().await;

    let running = machine.start().await;
    assert_eq!(running.fixture.look_live(one).await, before);
    let values = running.store.values(one.id).await.unwrap().unwrap();
    assert_eq!(values["k"], (1, "[1]".into()));
    let delete = running.store.write_value(one.id, "k", ValueChange::Delete, Condition::None);
    assert_eq!(delete.await.unwrap(), ValueWrite::Deleted);
    running.kill().await;
    let running = machine.start().await;
    let put = ValueChange::Put("2".into());
    let written = running.store.write_value(one.id, "k", put, Condition::None).await.unwrap();
    assert_eq!(written, ValueWrite::Put(2), "no version comes twice, across restarts too");
}

#[tokio::test]
async fn what_had_ended_stays_ended_however_it_ended() {
    let machine = Machine::new();
    let running = machine.start().await;
    let fixture = &running.fixture;
    let ann = someone();
    let [ended, removed, expired] =
        [fixture.open().await, fixture.open().await, fixture.open_for(&ann, 1).await];
    let once = fixture.insert(&fixture.ending(Kind::SingleUse, 9)).await;
    let of_user = fixture.open_for(&ann, 9).await;
    let spared = fixture.open_for(&ann, 9).await;
    fixture.touch(end_of(ended)).await;
    fixture.use_live(once).await;
    assert!(running.store.remove(removed.id, &logout()).await.unwrap());
    let ending = Ending { below_generation: Some(5), keep: Some(spared.id) };
    running.store.remove_subject(ann.id, ending, &logout()).await.unwrap();
    running.kill().await;
    machine.clock.advance(unit());

    let running = machine.start().await;
    for held in [ended, removed, expired, once, of_user] {
        assert!(!running.fixture.lives(held).await);
    }
    assert_eq!(running.fixture.look_live(spared).await.generation, 5);
    assert_eq!(running.store.count().await.unwrap(), 1);
}

fn unit() -> Duration {
    Fixture::memory().unit
}

#[tokio::test]
async fn a_rotation_outlives_a_kill_with_the_secret_that_it_replaced() {
    let machine = Machine::new();
    let running = machine.start().await;
    let old = running.fixture.open().await;
    let new = Held { id: old.id, digest: fresh_digest() };
    let client = Client::BOB.digest();
    let rotated =
        running.store.rotate(&use_of(old), new.digest, Some(1), client, &logout()).await.unwrap();
    assert!(matches!(rotated, Verdict::Alive(_)));
    running.kill().await;
    let running = machine.start().await;
    assert_eq!(running.fixture.look_live(new).await.role, 1);
    assert!(!running.fixture.lives(old).await);
    let end = running.fixture.touch(end_of(old)).await;
    assert!(matches!(end, Verdict::Alive(_)), "the secret from before ends it: {end:?}");
}

#[tokio::test]
async fn a_clean_stop_writes_all_uses_and_a_kill_rounds_them_down() {
    let machine = Machine::new();
    let running = machine.start().await;
    let one = running.fixture.open().await;
    machine.clock.advance(Duration::from_secs(10));
    let used = running.fixture.use_live(one).await;
    running.stop().await;
    let running = machine.start().await;
    assert_eq!(running.fixture.look_live(one).await, used);
    machine.clock.advance(Duration::from_secs(2));
    running.fixture.use_live(one).await;
    running.kill().await;
    let running = machine.start().await;
    let after = running.fixture.look_live(one).await;
    assert_eq!(after.refresh_count, 1);
    assert_eq!(after.expires_in + Duration::from_secs(2), used.expires_in);
}

#[tokio::test]
async fn what_a_clean_stop_wrote_of_uses_is_lost_neither_by_a_kill_nor_by_the_next_stop() {
    let machine = Machine::new();
    let running = machine.start().await;
    let [one, ended] = [running.fixture.open().await, running.fixture.open().await];
    machine.clock.advance(Duration::from_secs(10));
    let used = running.fixture.use_live(one).await;
    running.fixture.use_live(ended).await;
    running.stop().await;
    assert_eq!(uses_in(&machine.path()).await, 0, "it is beside the sessions");

    machine.start().await.kill().await;
    let running = machine.start().await;
    assert_eq!(running.fixture.look_live(one).await, used);
    running.fixture.touch(end_of(ended)).await;
    running.stop().await;
    let running = machine.start().await;
    assert_eq!(running.fixture.look_live(one).await, used);
    assert!(!running.fixture.lives(ended).await, "a use beside it brings no session back");
    // It goes into the session's row within a tenth of 40 s, as a use does.
    machine.clock.advance(Duration::from_secs(4));
    is_in_its_row(&machine).await;
    running.kill().await;
}

#[tokio::test]
async fn a_use_is_written_within_a_tenth_of_the_idle_time() {
    let machine = Machine::new();
    let running = machine.start().await;
    let one = running.fixture.open().await;
    running.fixture.use_live(one).await;
    // A tenth of 40 s, and the clock stands still meanwhile.
    machine.clock.advance(Duration::from_secs(4));
    is_in_its_row(&machine).await;
    running.kill().await;
}

async fn is_in_its_row(machine: &Machine) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while uses_in(&machine.path()).await != 1 {
        assert!(tokio::time::Instant::now() < deadline, "it is not written");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn uses_in(path: &Path) -> i64 {
    use sqlx::ConnectOptions as _;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).read_only(true);
    let mut connection = options.connect().await.unwrap();
    sqlx::query_scalar("SELECT max(uses) FROM sessions").fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn the_time_away_counts_as_idle_time() {
    let machine = Machine::new();
    let running = machine.start().await;
    let (short, long) = (
        running.fixture.open().await,
        running.fixture.insert(&running.fixture.ending(Kind::Fixed, 50)).await,
    );
    let unit = running.fixture.unit;
    running.stop().await;
    machine.clock.suspend(unit * 4);
    let running = machine.start().await;
    assert!(!running.fixture.lives(short).await);
    assert_eq!(running.fixture.look_live(long).await.expires_in, unit * 46);
    running.stop().await;
    machine.clock.reboot();
    machine.clock.jump_date(-9_999_999);
    let running = machine.start().await;
    assert_eq!(running.fixture.look_live(long).await.expires_in, unit * 46);
    running.stop().await;
    machine.clock.reboot();
    machine.clock.jump_date(i64::try_from((unit * 46).as_millis()).unwrap());
    let running = machine.start().await;
    assert!(!running.fixture.lives(long).await);
    assert_eq!(running.store.count().await.unwrap(), 0);
}

#[tokio::test]
async fn addresses_are_remembered_and_counts_begin_anew() {
    let machine = Machine::new();
    let running = machine.start().await;
    let (recent, forgotten) = (AttemptKey::of(&[b"a"]), AttemptKey::of(&[b"b"]));
    running.attempts.remember(recent, Duration::from_hours(2)).await.unwrap();
    running.attempts.remember(forgotten, Duration::from_hours(1)).await.unwrap();
    running.kill().await;
    machine.clock.advance(Duration::from_mins(90));
    let running = machine.start().await;
    assert!(running.attempts.is_remembered(recent).await.unwrap());
    assert!(!running.attempts.is_remembered(forgotten).await.unwrap());
    machine.clock.advance(Duration::from_mins(30));
    assert!(!running.attempts.is_remembered(recent).await.unwrap());
}

#[tokio::test]
async fn the_database_that_it_belongs_to_and_its_history_outlive_a_kill() {
    let machine = Machine::new();
    let running = machine.start().await;
    let id = Uuid::from_u128(7);
    running.store.adopt(id).await.unwrap();
    running.store.set_bookmark("7").await.unwrap();
    assert!(running.store.swap_checkpoint("one", None, "1").await.unwrap());
    let history = running.store.history().await;
    running.kill().await;
    let running = machine.start().await;
    assert_eq!(running.store.identity().await.unwrap(), Some(id));
    assert_eq!(running.store.bookmark().await.unwrap().as_deref(), Some("7"));
    assert_eq!(running.store.history().await, history);
    assert_eq!(running.store.checkpoint("one").await.unwrap().as_deref(), Some("1"));
    assert!(running.store.swap_checkpoint("one", Some("1"), "2").await.unwrap());
}

#[tokio::test]
async fn a_copy_is_a_file_to_start_from_and_never_written_over_another() {
    let machine = Machine::new();
    let running = machine.start().await;
    let (one, new) = (running.fixture.open().await, running.fixture.new_session());
    let target = machine.directory.path().join("copy.db");
    running.store.copy_to(&target).await.unwrap();
    let two = running.fixture.insert(&new).await;
    assert_eq!(two.id, held(&new).id);
    running.store.copy_to(&target).await.unwrap_err();
    let mode = std::os::unix::fs::PermissionsExt::mode(&target.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let copy = start(&target, &machine.clock).await.unwrap();
    assert!(copy.fixture.lives(one).await);
    assert!(!copy.fixture.lives(two).await);
    assert!(matches!(running.fixture.touch(look(two)).await, Verdict::Alive(_)));
}

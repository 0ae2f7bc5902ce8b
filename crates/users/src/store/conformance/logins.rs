//! Who is let in, and who is not.

use super::{Fixture, PASSWORD, add, disabled, new_user, roles, row, stored_hash};
use crate::{DEMO_EMAIL, DEMO_PASSWORD, Directory, UsersError};

async fn opens(directory: &Directory, name: &str, password: &str) -> bool {
    directory.authenticate(name, &password.into()).await.unwrap().is_some()
}

pub(super) async fn only_the_right_password_of_an_enabled_user_opens(fixture: Fixture) {
    let directory = fixture.open().await;
    let ann = add(&directory, "ann@example.com", &["user"]).await;
    let let_in = directory.authenticate(" ANN@example.com", &PASSWORD.into()).await.unwrap();
    assert_eq!(let_in, Some(ann.clone()));
    assert!(directory.verify(ann.id, &PASSWORD.into()).await.unwrap().is_some());
    for wrong in ["", " ten thousand balloons", "Ten thousand balloons", "ten thousand balloons\0"]
    {
        assert!(!opens(&directory, "ann@example.com", wrong).await, "{wrong:?}");
        assert!(directory.verify(ann.id, &wrong.into()).await.unwrap().is_none());
    }
    assert!(!opens(&directory, "bob@example.com", PASSWORD).await);
    directory.update(ann.id, disabled(true)).await.unwrap();
    assert!(!opens(&directory, "ann@example.com", PASSWORD).await);
    assert!(directory.verify(ann.id, &PASSWORD.into()).await.unwrap().is_none());
    directory.update(ann.id, disabled(false)).await.unwrap();
    assert!(opens(&directory, "ann@example.com", PASSWORD).await);
    directory.delete(ann.id).await.unwrap();
    assert!(!opens(&directory, "ann@example.com", PASSWORD).await);
    assert!(directory.verify(ann.id, &PASSWORD.into()).await.unwrap().is_none());
}

pub(super) async fn a_changed_password_replaces_the_old_one(fixture: Fixture) {
    let directory = fixture.open().await;
    let ann = add(&directory, "ann@example.com", &["user"]).await;
    let longest = "zq1 ".repeat(31) + "ünd!";
    directory.change_password(ann.id, &longest.as_str().into()).await.unwrap();
    assert!(!opens(&directory, "ann@example.com", PASSWORD).await);
    assert!(opens(&directory, "ann@example.com", &longest).await);
    assert!(!opens(&directory, "ann@example.com", &longest[..100]).await, "nothing is cut");
    directory.delete(ann.id).await.unwrap();
    let deleted = directory.change_password(ann.id, &longest.as_str().into()).await;
    assert_eq!(deleted, Err(UsersError::NotFound));
}

pub(super) async fn a_hostile_name_is_no_account(fixture: Fixture) {
    let directory = fixture.open().await;
    add(&directory, "ann@example.com", &["user"]).await;
    let long = "x".repeat(1_000_000);
    for name in [
        "",
        " ",
        "\0",
        "ann@example.com\0",
        "ann@example.com\r\nx",
        "' OR 1=1 --",
        "%",
        "\u{202e}",
        &long,
    ] {
        assert!(!opens(&directory, name, PASSWORD).await);
        assert_eq!(directory.find(name).await.unwrap(), None);
    }
}

pub(super) async fn the_demo_user_is_let_in_only_where_the_demo_is_on(fixture: Fixture) {
    let with_demo = fixture.open_with(true).await;
    with_demo.ensure_demo_user().await.unwrap();
    with_demo.ensure_demo_user().await.unwrap();
    let user = with_demo.authenticate(DEMO_EMAIL, &DEMO_PASSWORD.into()).await.unwrap().unwrap();
    assert_eq!(user.roles, ["admin", "user"]);
    assert!(user.demo && user.generation == 1);
    assert_eq!(with_demo.endings(0, i64::MAX).await.unwrap(), []);

    let without = with_demo.with_demo(false);
    assert!(!opens(&without, DEMO_EMAIL, DEMO_PASSWORD).await);
    assert!(without.verify(user.id, &DEMO_PASSWORD.into()).await.unwrap().is_none());
    assert!(without.find(DEMO_EMAIL).await.unwrap().is_some());
}

pub(super) async fn the_demo_user_is_made_again_what_it_should_be(fixture: Fixture) {
    let directory = fixture.open_with(true).await;
    directory.ensure_demo_user().await.unwrap();
    add(&directory, "root@example.com", &["admin"]).await;
    let id = directory.find(DEMO_EMAIL).await.unwrap().unwrap().id;
    directory.update(id, roles(&["user"])).await.unwrap();
    directory.update(id, disabled(true)).await.unwrap();
    directory.change_password(id, &"x".into()).await.unwrap();
    directory.ensure_demo_user().await.unwrap();
    let user = directory.authenticate(DEMO_EMAIL, &DEMO_PASSWORD.into()).await.unwrap().unwrap();
    assert_eq!((user.id, user.generation), (id, 5));
    assert_eq!(user.roles, ["admin", "user"]);
    directory.delete(id).await.unwrap();
    directory.ensure_demo_user().await.unwrap();
    assert!(opens(&directory, DEMO_EMAIL, DEMO_PASSWORD).await);
}

pub(super) async fn an_account_of_the_demo_address_is_left_alone(fixture: Fixture) {
    let directory = fixture.open_with(true).await;
    let somebody = add(&directory, "JSF.Fusco@gmail.com", &["user"]).await;
    directory.ensure_demo_user().await.unwrap();
    assert_eq!(directory.find(DEMO_EMAIL).await.unwrap(), Some(somebody));
    assert!(!opens(&directory, DEMO_EMAIL, DEMO_PASSWORD).await);
    assert!(opens(&directory.with_demo(false), DEMO_EMAIL, PASSWORD).await);
}

pub(super) async fn a_demo_user_who_cannot_log_in_is_no_admin(fixture: Fixture) {
    let with_demo = fixture.open_with(true).await;
    with_demo.ensure_demo_user().await.unwrap();
    let without = with_demo.with_demo(false);
    let root = add(&without, "root@example.com", &["admin"]).await;
    assert_eq!(without.delete(root.id).await, Err(UsersError::LastAdmin));
    let demo = without.find(DEMO_EMAIL).await.unwrap().unwrap();
    without.update(demo.id, disabled(true)).await.unwrap();
    assert_eq!(with_demo.delete(root.id).await, Err(UsersError::LastAdmin), "it is disabled");
    without.update(demo.id, disabled(false)).await.unwrap();
    with_demo.delete(root.id).await.unwrap();
    assert_eq!(with_demo.delete(demo.id).await, Err(UsersError::LastAdmin));
    without.delete(demo.id).await.unwrap();
}

pub(super) async fn a_retired_demo_user_has_no_sessions_and_comes_back_as_it_was(fixture: Fixture) {
    let directory = fixture.open_with(true).await;
    let without = directory.with_demo(false);
    assert!(!without.retire_demo_user().await.unwrap(), "there is none");
    directory.ensure_demo_user().await.unwrap();
    let before = directory.find(DEMO_EMAIL).await.unwrap().unwrap();
    assert!(without.retire_demo_user().await.unwrap());
    for _ in 0..2 {
        assert!(!without.retire_demo_user().await.unwrap(), "that was done");
    }
    let endings = directory.endings(0, i64::MAX).await.unwrap();
    let ended: Vec<_> = endings.iter().map(|e| (e.user_id, e.generation)).collect();
    assert_eq!(ended, [(before.id, before.generation + 1)]);
    assert!(!opens(&directory, DEMO_EMAIL, DEMO_PASSWORD).await, "not even where the demo is on");
    directory.ensure_demo_user().await.unwrap();
    let after = directory.find(DEMO_EMAIL).await.unwrap().unwrap();
    assert!(after.generation > endings[0].generation && after.roles == before.roles);
    assert!(opens(&directory, DEMO_EMAIL, DEMO_PASSWORD).await);
    directory.delete(before.id).await.unwrap_err();
    add(&directory, "root@example.com", &["admin"]).await;
    directory.delete(before.id).await.unwrap();
    let somebody = add(&directory, DEMO_EMAIL, &["user"]).await;
    assert!(!without.retire_demo_user().await.unwrap(), "the address is somebody's");
    assert_eq!(directory.find(DEMO_EMAIL).await.unwrap(), Some(somebody));
}

/// Longer than any noise, and impossible to pass where the unknown are not hashed for.
#[tokio::test]
async fn an_unknown_name_takes_as_long_as_a_wrong_password() {
    use clock::{Clock, SystemClock};

    let directory = Directory::open(
        crate::DirectoryOptions::default(),
        std::sync::Arc::new(SystemClock::new()),
    )
    .await
    .unwrap();
    let ann = directory.create(new_user("ann@example.com", &["user"])).await.unwrap();
    let off = directory.create(new_user("off@example.com", &["user"])).await.unwrap();
    directory.update(off.id, disabled(true)).await.unwrap();
    assert!(stored_hash(&directory, ann.id).await.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    let old = row("old@example.com", &"0".repeat(64));
    directory.import(vec![old]).await.unwrap();
    let clock = SystemClock::new();
    let names =
        ["ann@example.com", "nobody@example.com", "off@example.com", "old@example.com", "a\0b"];
    let mut times = [const { Vec::new() }; 5];
    for _ in 0..25 {
        for (name, times) in names.iter().zip(&mut times) {
            let begun = clock.now();
            assert!(!opens(&directory, name, "a wrong password it is").await);
            times.push(clock.now().saturating_sub(begun));
        }
    }
    let medians = times.map(|mut times| {
        times.sort();
        times[times.len() / 2].as_secs_f64()
    });
    eprintln!("medians in seconds: {medians:?}");
    for median in medians {
        assert!(median > medians[0] / 2.0 && median < medians[0] * 2.0, "{medians:?}");
    }
}

#[tokio::test]
async fn each_password_that_is_looked_at_is_reported_to_the_observer() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    let hashed = Arc::new(AtomicU32::new(0));
    let observer = {
        let hashed = Arc::clone(&hashed);
        Arc::new(move |_| {
            hashed.fetch_add(1, Ordering::SeqCst);
        })
    };
    let hashing =
        crate::HashingOptions { memory_kib: 16, observer: Some(observer), ..Default::default() };
    let options = crate::DirectoryOptions { hashing, ..Default::default() };
    let directory = Directory::open(options, Arc::new(clock::ManualClock::new())).await.unwrap();
    add(&directory, "ann@example.com", &["user"]).await;
    assert!(opens(&directory, "ann@example.com", PASSWORD).await);
    assert!(!opens(&directory, "nobody@example.com", PASSWORD).await);
    assert_eq!(hashed.load(Ordering::SeqCst), 3);
}

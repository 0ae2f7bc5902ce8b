//! Tokens that end soon, over months that the clocks skip: an event and a mail for each mark, once.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{
    ANN, AuthService, Clocks, LONG_PASSWORD, Launch, Request, TIMEOUT, eventually,
};
use crate::mail::mailbox::Mailbox;

const KEY: &str = "an-internal-key-of-a-test";
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn told(auth: &AuthService) -> Vec<Value> {
    let page = Request::get("/events?after=0&types=token.expiring&limit=1000").bearer(KEY);
    let page = auth.internal.send(page).expect(200).json();
    page["events"].as_array().unwrap().clone()
}

/// The names and marks of so many events, once there are so many.
#[track_caller]
fn marks(auth: &AuthService, count: usize) -> Vec<(String, String)> {
    let told = eventually(&format!("{count} notices"), TIMEOUT, || {
        let told = told(auth);
        (told.len() >= count).then_some(told)
    });
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut marks: Vec<_> =
        told.iter().map(|event| (text(&event["session"]["name"]), text(&event["cause"]))).collect();
    marks.sort();
    marks
}

fn pairs(marks: &[(&str, &str)]) -> Vec<(String, String)> {
    marks.iter().map(|(name, mark)| ((*name).to_owned(), (*mark).to_owned())).collect()
}

fn launch(clocks: &Clocks, mailbox: &Mailbox, directory: &TempDir) -> Launch {
    let path = |name: &str| format!("sqlite:{}", directory.path().join(name).display());
    clocks
        .of(mailbox.launch())
        .var("AUTH_DATABASE_URL", path("users.db"))
        .var("AUTH_SESSION_STORE", path("sessions.db"))
        .var("AUTH_EVENTS_KEEP", "365d")
        .var("AUTH_INTERNAL_KEY", KEY)
}

#[test]
fn two_weeks_and_a_day_before_its_end_a_tokens_owner_is_told_once_whatever_restarts() {
    let Some(clocks) = Clocks::new() else { return };
    let (mailbox, directory) = (Mailbox::new(), TempDir::with_prefix("reinflate-e2e-").unwrap());
    let launch = launch(&clocks, &mailbox, &directory);
    let mut auth = AuthService::launch(&launch);
    auth.create(&auth.token(), ANN);
    let token = auth.login(ANN, LONG_PASSWORD);
    for (name, ttl) in [("first", "80d"), ("second", "90d"), ("short", "30d")] {
        auth.mint(&token, &json!({"name": name, "ttl": ttl}));
    }
    let later = |seconds: i64| {
        clocks.shift_date(seconds);
        clocks.suspend(seconds);
    };
    later(76 * DAY + HOUR);
    assert_eq!(marks(&auth, 2), pairs(&[("first", "14d"), ("second", "14d")]));
    // A mail that waits for longer than a day is given up.
    mailbox.letters_to(ANN, 2);
    auth.kill();
    let auth = AuthService::launch(&launch);
    later(79 * DAY + 2 * HOUR);
    let third = [("first", "14d"), ("first", "1d"), ("second", "14d")];
    assert_eq!(marks(&auth, 3), pairs(&third), "the second was told of before the kill");
    mailbox.letters_to(ANN, 3);
    later(89 * DAY + 4 * HOUR);
    let all = [("first", "14d"), ("first", "1d"), ("second", "14d"), ("second", "1d")];
    assert_eq!(marks(&auth, 4), pairs(&all));
    let letters = mailbox.letters_to(ANN, 4);
    assert_eq!(letters.len(), 4);
    let of_second = letters.iter().filter(|letter| letter.text.contains("“second”"));
    assert_eq!(of_second.count(), 2, "{letters:?}");
    assert!(letters[0].subject.contains("ends soon"), "{letters:?}");
    let event = &told(&auth)[0];
    assert_eq!((&event["by"], &event["client"]), (&Value::Null, &Value::Null));
    assert_eq!(event["user"]["username"], ANN);
    assert_eq!(event["session"]["kind"], "fixed");
}

//! Each sentence about the limits, as a test.

#![expect(clippy::disallowed_methods, reason = "a test awaits its tasks, or ends with them")]

mod logins;
mod recent_logins;
mod unanswered;

use clock::ManualClock;
use session::MemoryAttempts;

use super::*;

pub(super) const DEFAULTS: AttemptRates = AttemptRates {
    mints: Rate { count: 100, per: Duration::from_hours(1) },
    pair: Rate { count: 10, per: Duration::from_mins(5) },
    account: Rate { count: 100, per: Duration::from_hours(1) },
    address: Rate { count: 100, per: Duration::from_mins(5) },
    logins: Rate { count: 1000, per: Duration::from_mins(5) },
};
const ANN: &str = "ann@example.com";

pub(super) fn throttle(rates: AttemptRates) -> (Arc<Throttle>, ManualClock) {
    let clock = ManualClock::new();
    let store = MemoryAttempts::new(Arc::new(clock.clone()), 100_000);
    (Arc::new(Throttle::new(Arc::new(store), rates)), clock)
}

pub(super) fn client(ip: &str) -> Client {
    Client { ip: Some(ip.parse().unwrap()), user_agent: "".into(), request_id: None }
}

/// An address of its own for each number.
fn elsewhere(number: usize) -> Client {
    client(&format!("10.0.{}.{}", number / 256, number % 256))
}

/// How many of `tries` wrong passwords were looked at.
async fn failures(throttle: &Throttle, account: &str, client: &Client, tries: usize) -> usize {
    let mut admitted = 0;
    for _ in 0..tries {
        admitted += usize::from(throttle.admit(account, client).await.is_ok());
    }
    admitted
}

async fn log_in(throttle: &Throttle, account: &str, client: &Client) -> Result<(), Error> {
    let attempt = throttle.admit(account, client).await?;
    throttle.succeeded(attempt).await;
    Ok(())
}

async fn wait_for(throttle: &Throttle, account: &str, client: &Client) -> Duration {
    match throttle.admit(account, client).await {
        Err(Error::TooMany { retry_after }) => retry_after,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn ten_wrong_passwords_for_one_account_from_one_address_are_looked_at() {
    let (throttle, _) = throttle(DEFAULTS);
    let here = client("203.0.113.9");
    assert_eq!(failures(&throttle, ANN, &here, 30).await, 10);
    assert_eq!(failures(&throttle, ANN, &client("203.0.113.10"), 1).await, 1, "elsewhere");
    assert_eq!(failures(&throttle, "bob@example.com", &here, 1).await, 1, "another account");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_at_once_exactly_ten_are_looked_at() {
    let (throttle, _) = throttle(DEFAULTS);
    let start = Arc::new(tokio::sync::Barrier::new(64));
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (throttle, start) = (Arc::clone(&throttle), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                throttle.admit(ANN, &client("203.0.113.9")).await.is_ok()
            })
        })
        .collect();
    let mut admitted = 0;
    for task in tasks {
        admitted += usize::from(task.await.unwrap());
    }
    assert_eq!(admitted, 10);
}

#[tokio::test]
async fn past_the_limit_a_right_password_is_refused_too_until_the_time_that_was_told() {
    let (throttle, clock) = throttle(DEFAULTS);
    let here = client("203.0.113.9");
    failures(&throttle, ANN, &here, 10).await;
    clock.advance(Duration::from_millis(7001));
    let wait = wait_for(&throttle, ANN, &here).await;
    assert_eq!(wait, Duration::from_millis(30_000 - 7001));
    clock.advance(wait.checked_sub(Duration::from_millis(1)).unwrap());
    assert!(log_in(&throttle, ANN, &here).await.is_err());
    clock.advance(Duration::from_millis(1));
    log_in(&throttle, ANN, &here).await.unwrap();
}

#[tokio::test]
async fn refused_attempts_do_not_prolong_the_wait() {
    let (throttle, clock) = throttle(DEFAULTS);
    let here = client("203.0.113.9");
    failures(&throttle, ANN, &here, 500).await;
    clock.advance(Duration::from_secs(30));
    assert_eq!(failures(&throttle, ANN, &here, 5).await, 1);
    assert_eq!(failures(&throttle, "bob@example.com", &here, 1).await, 1);
}

#[tokio::test]
async fn the_wait_that_is_told_is_the_longest_of_all_limits() {
    let hour = Rate { count: 10, per: Duration::from_hours(10) };
    let (throttle, clock) = throttle(AttemptRates { account: hour, ..DEFAULTS });
    let here = client("203.0.113.9");
    failures(&throttle, ANN, &here, 10).await;
    let wait = wait_for(&throttle, ANN, &here).await;
    assert_eq!(wait, Duration::from_hours(1));
    clock.advance(wait);
    log_in(&throttle, ANN, &here).await.unwrap();
}

#[tokio::test]
async fn all_spellings_of_an_account_are_one() {
    let (throttle, _) = throttle(DEFAULTS);
    let here = client("203.0.113.9");
    let spellings = [
        "Änn@Example.com",
        "\u{a0}änn@example.com. ",
        "ÄＮＮ@EXAMPLE.COM",
        "\tA\u{308}nn@example.COM\n",
    ];
    let mut admitted = 0;
    for _ in 0..10 {
        for spelling in spellings {
            admitted += failures(&throttle, spelling, &here, 1).await;
        }
    }
    assert_eq!(admitted, 10);
}

#[tokio::test]
async fn addresses_of_one_ipv6_network_are_one() {
    let (throttle, _) = throttle(DEFAULTS);
    let mut admitted = 0;
    for host in 1..=30 {
        let client = client(&format!("2001:db8:1:2:{host:x}::{host:x}"));
        admitted += failures(&throttle, ANN, &client, 1).await;
    }
    assert_eq!(admitted, 10);
    assert_eq!(failures(&throttle, ANN, &client("2001:db8:1:3::1"), 1).await, 1);
}

#[tokio::test]
async fn a_success_clears_the_count_of_its_account_at_its_address_and_no_other() {
    let (throttle, _) = throttle(DEFAULTS);
    let here = client("203.0.113.9");
    failures(&throttle, ANN, &here, 9).await;
    failures(&throttle, "bob@example.com", &here, 9).await;
    log_in(&throttle, ANN, &here).await.unwrap();
    assert_eq!(failures(&throttle, ANN, &here, 30).await, 10);
    assert_eq!(failures(&throttle, "bob@example.com", &here, 30).await, 1);
}

#[tokio::test]
async fn a_hundred_failures_from_one_address_are_all_that_it_has_for_all_accounts() {
    let (throttle, clock) = throttle(DEFAULTS);
    let here = client("203.0.113.9");
    let mut admitted = 0;
    for number in 0..300 {
        admitted += failures(&throttle, &format!("{number}@example.com"), &here, 1).await;
    }
    assert_eq!(admitted, 100);
    assert_eq!(failures(&throttle, ANN, &client("203.0.113.10"), 1).await, 1);
    clock.advance(wait_for(&throttle, ANN, &here).await);
    assert_eq!(failures(&throttle, ANN, &here, 2).await, 1);
}

#[tokio::test]
async fn successes_use_up_no_limit_of_failures() {
    let (throttle, _) = throttle(AttemptRates { logins: Rate::OFF, ..DEFAULTS });
    let here = client("203.0.113.9");
    for _ in 0..1000 {
        log_in(&throttle, ANN, &here).await.unwrap();
    }
    for number in 0..300 {
        log_in(&throttle, "shared@example.com", &elsewhere(number)).await.unwrap();
        log_in(&throttle, &format!("{number}@example.com"), &here).await.unwrap();
    }
    assert_eq!(failures(&throttle, ANN, &client("192.0.2.1"), 1).await, 1);
}

#[tokio::test]
async fn a_success_at_one_account_gives_back_no_failures_at_others() {
    let (throttle, _) = throttle(DEFAULTS);
    let here = client("203.0.113.9");
    for number in 0..99 {
        failures(&throttle, &format!("{number}@example.com"), &here, 1).await;
        log_in(&throttle, ANN, &here).await.unwrap();
    }
    assert_eq!(failures(&throttle, ANN, &here, 5).await, 1);
}

#[tokio::test]
async fn attempts_that_were_not_decided_use_up_no_limit() {
    let (throttle, _) = throttle(DEFAULTS);
    let here = client("203.0.113.9");
    for _ in 0..1000 {
        let attempt = throttle.admit(ANN, &here).await.unwrap();
        throttle.undecided(attempt).await;
    }
    assert_eq!(failures(&throttle, ANN, &here, 30).await, 10);
}

#[tokio::test]
async fn sign_ups_count_with_the_failures_of_their_address() {
    let (throttle, _) = throttle(DEFAULTS);
    let here = client("203.0.113.9");
    failures(&throttle, ANN, &here, 10).await;
    let mut admitted = 0;
    for _ in 0..200 {
        admitted += usize::from(throttle.admit_signup(&here).await.is_ok());
    }
    assert_eq!(admitted, 90);
    assert_eq!(failures(&throttle, "bob@example.com", &here, 1).await, 0);
    assert!(throttle.admit_signup(&client("203.0.113.10")).await.is_ok());
}

#[tokio::test]
async fn a_limit_that_is_switched_off_refuses_nobody_and_leaves_the_others() {
    let off = Rate::OFF;
    let off = AttemptRates { pair: off, account: off, address: off, logins: off, ..DEFAULTS };
    let here = client("203.0.113.9");
    let (none, _) = throttle(off);
    assert_eq!(failures(&none, ANN, &here, 1000).await, 1000);
    assert!(none.admit_signup(&here).await.is_ok());
    log_in(&none, ANN, &here).await.unwrap();
    let (only_address, _) = throttle(AttemptRates { address: DEFAULTS.address, ..off });
    assert_eq!(failures(&only_address, ANN, &here, 1000).await, 100);
    let (only_account, _) = throttle(AttemptRates { account: DEFAULTS.account, ..off });
    assert_eq!(failures(&only_account, ANN, &here, 1000).await, 100);
    let (only_pair, _) = throttle(AttemptRates { pair: DEFAULTS.pair, ..off });
    assert_eq!(failures(&only_pair, ANN, &here, 1000).await, 10);
}

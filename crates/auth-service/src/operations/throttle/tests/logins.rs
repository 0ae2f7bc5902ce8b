//! Limits that right passwords count under too, and those of whoever has more than one network.

use super::*;

const FIVE: Rate = Rate { count: 5, per: Duration::from_hours(1) };
const OFF: AttemptRates = AttemptRates {
    pair: Rate::OFF,
    account: Rate::OFF,
    address: Rate::OFF,
    logins: Rate::OFF,
    mints: Rate::OFF,
};

/// A client in a network of its own within one site.
fn in_the_site(number: usize) -> Client {
    client(&format!("2001:db8:7:{number:x}::1"))
}

#[tokio::test]
async fn right_and_wrong_logins_from_one_address_count_and_no_others() {
    let (throttle, clock) = throttle(AttemptRates { logins: FIVE, ..OFF });
    let here = client("203.0.113.9");
    for account in ["a@example.com", "b@example.com", "c@example.com"] {
        log_in(&throttle, account, &here).await.unwrap();
    }
    assert_eq!(failures(&throttle, ANN, &here, 9).await, 2);
    assert_eq!(wait_for(&throttle, "d@example.com", &here).await, Duration::from_mins(12));
    log_in(&throttle, ANN, &client("203.0.113.10")).await.unwrap();
    clock.advance(Duration::from_mins(12));
    log_in(&throttle, ANN, &here).await.unwrap();
    assert!(log_in(&throttle, ANN, &here).await.is_err());
}

#[tokio::test]
async fn a_login_that_was_not_decided_is_none() {
    let (throttle, _) = throttle(AttemptRates { logins: FIVE, ..OFF });
    let here = client("203.0.113.9");
    for _ in 0..20 {
        let attempt = throttle.admit(ANN, &here).await.unwrap();
        throttle.undecided(attempt).await;
    }
    log_in(&throttle, ANN, &here).await.unwrap();
}

#[tokio::test]
async fn without_a_limit_logins_are_not_counted() {
    let (throttle, _) = throttle(OFF);
    for _ in 0..2000 {
        log_in(&throttle, ANN, &client("203.0.113.9")).await.unwrap();
    }
}

#[tokio::test]
async fn the_networks_of_a_site_have_ten_times_as_much_of_each_limit_at_most() {
    for (rates, same_account) in [
        (AttemptRates { pair: FIVE, ..OFF }, true),
        (AttemptRates { address: FIVE, ..OFF }, false),
        (AttemptRates { logins: FIVE, ..OFF }, false),
    ] {
        let (throttle, _) = throttle(rates);
        let mut admitted = 0;
        for number in 0..100 {
            let account = if same_account { ANN } else { &format!("u{number}@example.com") };
            admitted += failures(&throttle, account, &in_the_site(number), 1).await;
        }
        assert_eq!(admitted, 50, "{rates:?}");
        let elsewhere = client("2001:db8:8::1");
        assert_eq!(failures(&throttle, ANN, &elsewhere, 9).await, 5, "a site of its own");
        assert_eq!(
            failures(&throttle, ANN, &client("203.0.113.9"), 9).await,
            5,
            "IPv4 has no site"
        );
    }
}

#[tokio::test]
async fn right_passwords_do_not_count_among_the_failures_of_a_site() {
    let (throttle, _) = throttle(AttemptRates { pair: FIVE, address: FIVE, ..OFF });
    for number in 0..200 {
        log_in(&throttle, ANN, &in_the_site(number)).await.unwrap();
    }
    assert_eq!(failures(&throttle, ANN, &in_the_site(300), 9).await, 5);
}

#[tokio::test]
async fn sign_ups_count_with_their_site_too() {
    let (throttle, _) = throttle(AttemptRates { address: FIVE, ..OFF });
    let mut admitted = 0;
    for number in 0..100 {
        admitted += usize::from(throttle.admit_signup(&in_the_site(number)).await.is_ok());
    }
    assert_eq!(admitted, 50);
}

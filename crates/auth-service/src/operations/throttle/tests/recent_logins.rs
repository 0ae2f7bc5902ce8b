//! Who has logged in before is not locked out by what others do.

use super::*;

/// A hundred failures from a hundred addresses: the account's limit is exhausted.
async fn besiege(throttle: &Throttle, account: &str) {
    for number in 0..100 {
        assert_eq!(failures(throttle, account, &elsewhere(number), 1).await, 1);
    }
    assert_eq!(failures(throttle, account, &elsewhere(999), 1).await, 0);
}

#[tokio::test]
async fn failures_from_everywhere_do_not_lock_out_who_has_logged_in_before() {
    let (throttle, _) = throttle(DEFAULTS);
    let home = client("203.0.113.9");
    log_in(&throttle, ANN, &home).await.unwrap();
    besiege(&throttle, ANN).await;
    assert!(
        log_in(&throttle, ANN, &client("192.0.2.1")).await.is_err(),
        "a new address is refused"
    );
    log_in(&throttle, ANN, &home).await.unwrap();
    log_in(&throttle, " ANN@example.com", &home).await.unwrap();
}

#[tokio::test]
async fn failures_at_a_known_address_do_not_count_among_everybody_s() {
    let rates = AttemptRates { account: Rate { count: 12, ..DEFAULTS.account }, ..DEFAULTS };
    let (throttle, _) = throttle(rates);
    let home = client("203.0.113.9");
    log_in(&throttle, ANN, &home).await.unwrap();
    assert_eq!(failures(&throttle, ANN, &home, 30).await, 10, "the pair's limit holds");
    let mut admitted = 0;
    for number in 0..30 {
        admitted += failures(&throttle, ANN, &elsewhere(number), 1).await;
    }
    assert_eq!(admitted, 12);
}

#[tokio::test]
async fn an_address_is_known_for_thirty_days_after_its_last_login_and_at_that_account_only() {
    let (throttle, clock) = throttle(DEFAULTS);
    let home = client("203.0.113.9");
    log_in(&throttle, ANN, &home).await.unwrap();
    clock.advance(Duration::from_hours(20 * 24));
    log_in(&throttle, ANN, &home).await.unwrap();
    clock.advance(Duration::from_hours(30 * 24 - 1));
    besiege(&throttle, ANN).await;
    besiege(&throttle, "bob@example.com").await;
    log_in(&throttle, ANN, &client("203.0.113.10")).await.unwrap_err();
    log_in(&throttle, "bob@example.com", &home).await.unwrap_err();
    assert_eq!(failures(&throttle, ANN, &home, 1).await, 1);
    clock.advance(Duration::from_hours(1));
    besiege_again(&throttle).await;
    log_in(&throttle, ANN, &home).await.unwrap_err();
}

/// Uses up what an hour has given back.
async fn besiege_again(throttle: &Throttle) {
    for number in 1000..1200 {
        failures(throttle, ANN, &elsewhere(number), 1).await;
    }
}

#[tokio::test]
async fn clients_without_an_address_are_not_known_from_one_another() {
    let (throttle, _) = throttle(DEFAULTS);
    let nowhere = Client { ip: None, user_agent: "".into(), request_id: None };
    log_in(&throttle, ANN, &nowhere).await.unwrap();
    besiege(&throttle, ANN).await;
    log_in(&throttle, ANN, &nowhere).await.unwrap_err();
}

//! Whose attempt it was: the client's address, and who is believed to name it.

use super::{ANN, BOB, WRONG, expect_throttled, limits, login_from};
use crate::harness::{AuthService, LONG_PASSWORD, Launch};

#[test]
fn one_address_may_fail_only_so_often_at_all_accounts_together() {
    let auth = AuthService::launch(&limits("0", "0", "4/1h"));
    auth.create(&auth.token(), ANN);
    for n in 0..3 {
        login_from(&auth, "192.0.2.7", &format!("nobody{n}@example.com"), WRONG).expect(401);
    }
    login_from(&auth, "192.0.2.7", ANN, WRONG).expect(401);
    expect_throttled(login_from(&auth, "192.0.2.7", ANN, LONG_PASSWORD));
    expect_throttled(login_from(&auth, "192.0.2.7", "somebody@example.com", WRONG));
    login_from(&auth, "192.0.2.8", ANN, LONG_PASSWORD).expect(200);
}

#[test]
fn one_account_may_be_tried_only_so_often_from_everywhere() {
    let auth = AuthService::launch(&limits("0", "4/1h", "0"));
    let admin = auth.token();
    auth.create(&admin, ANN);
    auth.create(&admin, BOB);
    for n in 0..4 {
        login_from(&auth, &format!("192.0.2.{n}"), ANN, WRONG).expect(401);
    }
    expect_throttled(login_from(&auth, "192.0.2.99", ANN, WRONG));
    expect_throttled(login_from(&auth, "192.0.2.100", ANN, LONG_PASSWORD));
    login_from(&auth, "192.0.2.1", BOB, LONG_PASSWORD).expect(200);
}

#[test]
fn nobody_locks_out_an_address_that_has_logged_in_before() {
    let auth = AuthService::launch(&limits("3/1h", "4/1h", "0"));
    auth.create(&auth.token(), ANN);
    login_from(&auth, "198.51.100.1", ANN, LONG_PASSWORD).expect(200);
    for n in 0..4 {
        login_from(&auth, &format!("192.0.2.{n}"), ANN, WRONG).expect(401);
    }
    expect_throttled(login_from(&auth, "203.0.113.5", ANN, LONG_PASSWORD));
    login_from(&auth, "198.51.100.1", ANN, LONG_PASSWORD).expect(200);
    // Exempt from the account's limit, not from its own.
    for _ in 0..3 {
        login_from(&auth, "198.51.100.1", ANN, WRONG).expect(401);
    }
    expect_throttled(login_from(&auth, "198.51.100.1", ANN, LONG_PASSWORD));
}

#[test]
fn a_header_from_somebody_who_is_not_trusted_changes_nothing() {
    for trusted in [None, Some("10.0.0.0/8,192.0.2.0/24")] {
        let launch = limits("3/1h", "0", "0").without("AUTH_TRUSTED_PROXIES");
        let launch = match trusted {
            Some(trusted) => launch.var("AUTH_TRUSTED_PROXIES", trusted),
            None => launch,
        };
        let auth = AuthService::launch(&launch);
        auth.create(&auth.token(), ANN);
        for n in 0..3 {
            login_from(&auth, &format!("192.0.2.{n}"), ANN, WRONG).expect(401);
        }
        expect_throttled(login_from(&auth, "192.0.2.200", ANN, LONG_PASSWORD));
        expect_throttled(auth.try_login(ANN, LONG_PASSWORD));
    }
}

#[test]
fn what_a_client_wrote_before_the_proxy_did_is_not_believed() {
    let auth = AuthService::launch(&limits("3/1h", "0", "0"));
    auth.create(&auth.token(), ANN);
    for n in 0..3 {
        login_from(&auth, &format!("10.9.8.{n}, 198.51.100.1"), ANN, WRONG).expect(401);
    }
    expect_throttled(login_from(&auth, "198.51.100.1", ANN, LONG_PASSWORD));
    expect_throttled(login_from(&auth, "1.2.3.4, 198.51.100.1, 127.0.0.9", ANN, LONG_PASSWORD));
    let session = login_from(&auth, "198.51.100.1, 198.51.100.2", ANN, LONG_PASSWORD).expect(200);
    assert_eq!(session.json()["session"]["ip"], "198.51.100.2");
}

#[test]
fn an_ipv6_host_is_counted_with_its_whole_network() {
    let auth = AuthService::launch(&limits("4/1h", "0", "0"));
    auth.create(&auth.token(), ANN);
    for from in [
        "2001:db8:1:2::1",
        "2001:db8:1:2:ffff::9",
        "[2001:db8:1:2::3]:4711",
        "2001:DB8:1:2:0:0:0:4",
    ] {
        login_from(&auth, from, ANN, WRONG).expect(401);
    }
    expect_throttled(login_from(&auth, "2001:db8:1:2:aaaa:bbbb:cccc:dddd", ANN, LONG_PASSWORD));
    login_from(&auth, "2001:db8:1:3::1", ANN, LONG_PASSWORD).expect(200);
    // An IPv4 address is one, however it is written.
    for from in ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1:55555", "::FFFF:c000:0201"] {
        login_from(&auth, from, ANN, WRONG).expect(401);
    }
    expect_throttled(login_from(&auth, "192.0.2.1", ANN, LONG_PASSWORD));
    login_from(&auth, "::ffff:192.0.2.2", ANN, LONG_PASSWORD).expect(200);
}

#[test]
fn only_the_header_that_was_set_is_read() {
    let launch = limits("3/1h", "0", "0").var("AUTH_CLIENT_IP_HEADER", "X-Real-IP");
    let auth = AuthService::launch(&launch);
    auth.create(&auth.token(), ANN);
    for n in 0..3 {
        login_from(&auth, &format!("192.0.2.{n}"), ANN, WRONG).expect(401);
    }
    expect_throttled(login_from(&auth, "192.0.2.9", ANN, LONG_PASSWORD));
}

#[test]
fn the_default_limits_are_the_documented_ones() {
    let auth = AuthService::launch(&Launch::auth());
    for _ in 0..10 {
        auth.try_login(ANN, WRONG).expect(401);
    }
    let wait = expect_throttled(auth.try_login(ANN, WRONG));
    assert!((25..=30).contains(&wait), "one more every 30 s: {wait}");
    auth.try_login(BOB, WRONG).expect(401);
}

//! Addresses that many share, or that somebody has many of: what counts there, and what is logged.

use super::{ANN, WRONG, expect_throttled, limits, login_from};
use crate::harness::{AuthService, BusinessService, LONG_PASSWORD, Launch, Request};

fn warnings(process: &crate::harness::Process, of: &str) -> Vec<String> {
    let lines = process.output().into_iter();
    lines.filter(|line| line.contains("\"WARN\"") && line.contains(of)).collect()
}

#[test]
fn right_and_wrong_logins_from_one_address_count_together() {
    let launch = limits("0", "0", "0").var("AUTH_LOGINS_PER_ADDRESS", "4/1h");
    let auth = AuthService::launch(&launch);
    auth.create(&auth.token(), ANN);
    for _ in 0..3 {
        login_from(&auth, "192.0.2.7", ANN, LONG_PASSWORD).expect(200);
    }
    login_from(&auth, "192.0.2.7", ANN, WRONG).expect(401);
    let seconds = expect_throttled(login_from(&auth, "192.0.2.7", ANN, LONG_PASSWORD));
    assert!((1..=900).contains(&seconds), "{seconds}");
    expect_throttled(login_from(&auth, "192.0.2.7", "nobody@example.com", WRONG));
    login_from(&auth, "192.0.2.8", ANN, LONG_PASSWORD).expect(200);
    let off = AuthService::launch(&limits("0", "0", "0").var("AUTH_LOGINS_PER_ADDRESS", "0"));
    for _ in 0..12 {
        off.token();
    }
}

#[test]
fn whoever_has_a_48_has_ten_times_as_much_and_no_more() {
    let auth = AuthService::launch(&limits("0", "0", "2/1h"));
    auth.create(&auth.token(), ANN);
    for network in 0..20 {
        let from = format!("2001:db8:5:{network:x}::1");
        login_from(&auth, &from, "nobody@example.com", WRONG).expect(401);
    }
    expect_throttled(login_from(&auth, "2001:db8:5:ffff::1", ANN, LONG_PASSWORD));
    login_from(&auth, "2001:db8:6::1", ANN, LONG_PASSWORD).expect(200);
}

#[test]
fn an_address_from_a_peer_that_is_not_trusted_is_logged_once() {
    let auth = AuthService::launch(&Launch::auth());
    let login_of = |value: &str| {
        auth.public.send(Request::get("/session").bearer("x").header("X-Forwarded-For", value))
    };
    login_of("192.0.2.7").expect(401);
    login_of("192.0.2.8").expect(401);
    auth.log_lines_with("AUTH_TRUSTED_PROXIES", 1);
    let logged = warnings(&auth, "AUTH_TRUSTED_PROXIES");
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert!(logged[0].contains("127.0.0.1") && !logged[0].contains("192.0.2."), "{logged:?}");
    let trusting = AuthService::launch(&Launch::auth().var("AUTH_TRUSTED_PROXIES", "127.0.0.1"));
    let proxied = Request::get("/session").bearer("x").header("X-Forwarded-For", "192.0.2.7");
    trusting.public.send(proxied).expect(401);
    assert!(warnings(&trusting, "AUTH_TRUSTED_PROXIES").is_empty());
}

#[test]
fn business_service_logs_it_once_as_well_where_it_tells_addresses() {
    let auth = AuthService::start();
    let token = auth.token();
    for (tell, expected) in [("ip", 1), ("user-agent", 0)] {
        let launch = Launch::business(auth.internal.port).var("BUSINESS_AUTH_CLIENT", tell);
        let business = BusinessService::launch(&launch);
        for _ in 0..2 {
            let data = Request::get("/data").bearer(&token);
            business.public.send(data.header("X-Forwarded-For", "192.0.2.7")).expect(200);
        }
        business.log_lines_with("no trusted proxy", expected);
        assert_eq!(warnings(&business, "no trusted proxy").len(), expected, "{tell}");
    }
}

#[test]
fn that_nearly_all_failures_share_one_peer_is_logged_once_where_no_proxy_is_trusted() {
    let fail = |auth: &AuthService| {
        for n in 0..120 {
            login_from(auth, "192.0.2.7", &format!("nobody{n}@example"), WRONG);
        }
    };
    let launch = limits("0", "0", "20/1h");
    let auth = AuthService::launch(&launch.clone().without("AUTH_TRUSTED_PROXIES"));
    fail(&auth);
    assert_eq!(warnings(&auth, "nearly all failed logins").len(), 1);
    let trusting = AuthService::launch(&launch);
    fail(&trusting);
    assert!(warnings(&trusting, "nearly all failed logins").is_empty());
}

#[test]
fn the_header_of_rfc_7239_names_the_client() {
    let launch = limits("0", "0", "2/1h").var("AUTH_CLIENT_IP_HEADER", "Forwarded");
    let auth = AuthService::launch(&launch);
    auth.create(&auth.token(), ANN);
    let from = |forwarded: &str, password: &str| {
        let body = serde_json::json!({"username": ANN, "password": password});
        let request = Request::post("/login").json(&body);
        auth.public
            .send(request.header("Forwarded", forwarded).header("X-Forwarded-For", "6.6.6.6"))
    };
    from("for=6.6.6.6, for=192.0.2.7;proto=https", WRONG).expect(401);
    from("for=\"6.6.6.6, for=\"192.0.2.7:4711\", for=127.0.0.9", WRONG).expect(401);
    expect_throttled(from("For=\"192.0.2.7\"", LONG_PASSWORD));
    from("for=\"[2001:db8::7]:1\"", LONG_PASSWORD).expect(200);
}

#[test]
fn a_header_without_anybody_who_may_use_it_is_told_at_the_start() {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_CLIENT_IP_HEADER", "Forwarded"));
    assert_eq!(warnings(&auth, "AUTH_CLIENT_IP_HEADER has no effect").len(), 1);
    let plain = AuthService::start();
    assert!(warnings(&plain, "AUTH_CLIENT_IP_HEADER").is_empty());
}

//! A browser whose service is restarted, with its sessions in a file.

use tempfile::TempDir;

use crate::browser::chromium::{Chromium, skip_without_chromium};
use crate::harness::{AuthService, DEMO, Launch, TIMEOUT, unused_port};

#[test]
fn whoever_is_logged_in_stays_so_over_a_restart_and_over_a_crash() {
    if skip_without_chromium() {
        return;
    }
    let directory = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let file = |name: &str| format!("sqlite:{}", directory.path().join(name).display());
    let launch = Launch::auth()
        .var("AUTH_PUBLIC_ADDR", format!("127.0.0.1:{}", unused_port()))
        .var("AUTH_DATABASE_URL", file("users.db"))
        .var("AUTH_SESSION_STORE", file("sessions.db"));
    let mut auth = AuthService::launch(&launch);
    let browser = Chromium::start();
    let url = |path: &str| format!("http://localhost:{}{path}", auth.public.port);
    let (login, account) = (url("/login"), url("/account"));
    browser.open(&login);
    browser.log_in(DEMO);
    let cookie = browser.cookie();
    assert!(cookie.is_some());
    for signal in ["TERM", "KILL"] {
        auth.signal(signal);
        auth.wait_for_end(TIMEOUT);
        auth = AuthService::launch(&launch);
        browser.open(&account);
        assert_eq!(browser.url(), account, "after SIG{signal}");
        assert!(browser.text().contains(DEMO.0), "after SIG{signal}: {}", browser.text());
        assert_eq!(browser.cookie(), cookie, "after SIG{signal}");
    }
    browser.keep_screenshot("account-after-restart.png");
}

//! PostgreSQL is stopped, hangs, and is back.

use super::{Site, expect_unavailable};
use crate::harness::{ANN, AuthService, LONG_PASSWORD, Launch, Postgres, now};
use std::time::Duration;

fn site(server: &Postgres) -> Site {
    let launch = Launch::auth()
        .var("AUTH_DATABASE_URL", server.url())
        .var("AUTH_LOGIN_ATTEMPTS", "0")
        .var("AUTH_LOGIN_ATTEMPTS_PER_ACCOUNT", "0")
        .var("AUTH_LOGIN_ATTEMPTS_PER_ADDRESS", "0");
    Site::on(AuthService::launch(&launch))
}

/// Each answer in bounded time.
fn everything_about_users_is_503(site: &Site) {
    std::thread::scope(|scope| {
        let sent_at = now();
        scope.spawn(|| expect_unavailable(site.auth.try_login(ANN, LONG_PASSWORD)));
        scope
            .spawn(|| expect_unavailable(site.auth.try_login("nobody@example.com", LONG_PASSWORD)));
        scope.spawn(|| expect_unavailable(site.creation("late@example.com")));
        scope.spawn(|| expect_unavailable(site.auth.api_get("/users", &site.admin)));
        scope.spawn(|| expect_unavailable(site.auth.api_get("/users/me", &site.ann)));
        scope.spawn(|| expect_unavailable(site.auth.api_delete("/users/me", &site.ann)));
        scope.spawn(move || {
            site.sessions_go_on();
            assert!(sent_at.elapsed() < Duration::from_secs(5), "they waited for the database");
        });
    });
    assert_eq!(site.auth.public.get("/readyz").status, 503);
}

#[test]
fn without_postgresql_logins_are_503_sessions_go_on_and_it_is_back_by_itself() {
    let Some(mut server) = Postgres::start() else { return };
    let site = site(&server);
    site.creation("before@example.com").expect(201);
    server.crash();
    everything_about_users_is_503(&site);
    server.resume();
    site.recovers();
    site.auth.login("before@example.com", LONG_PASSWORD);
    server.freeze();
    everything_about_users_is_503(&site);
    server.thaw();
    site.auth.try_login(ANN, "three blue teapots sing");
    let back = now();
    site.auth.login("new@example.com", LONG_PASSWORD);
    assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
}

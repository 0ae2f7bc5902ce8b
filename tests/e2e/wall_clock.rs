//! A wall clock that is wrong, as far as one can be: it is for display, and decides nothing.

use crate::harness::{AuthService, BusinessService, Clocks, Launch, is_alive, now};

/// Seconds from the present to some date in 1960, 1969 and 2069, to the year 10,000 and beyond.
const WRONG: [i64; 5] = [-2_100_000_000, -1_800_000_000, 1_350_000_000, 253_402_300_800, 1 << 40];

#[test]
fn services_that_start_by_a_wrong_date_serve() {
    let Some(clocks) = Clocks::new() else { return };
    for shift in WRONG {
        clocks.shift_date(shift);
        let auth = AuthService::launch(&clocks.of(Launch::auth()));
        let business = BusinessService::launch(&clocks.of(Launch::business(auth.internal.port)));
        let token = auth.token();
        assert!(is_alive(&auth.validate(&token)), "{shift}");
        business.data(&token).expect(200);
        auth.session(&token).expect(200);
        auth.public.get("/login").expect(200);
        assert!(!auth.output().iter().any(|line| line.contains("panicked")), "{shift}");
    }
}

#[test]
fn a_date_that_jumps_ends_no_session_and_no_connection() {
    let Some(clocks) = Clocks::new() else { return };
    let auth = AuthService::launch(&clocks.of(Launch::auth()));
    let token = auth.token();
    let mut connection = auth.public.connect();
    let begun = now();
    for shift in WRONG.into_iter().chain([0]) {
        clocks.shift_date(shift);
        let request = crate::harness::Request::get("/session").bearer(&token);
        connection.send(&request).expect(200);
        auth.session(&token).expect(200);
    }
    assert!(begun.elapsed().as_secs() < 30, "the token's own time was not over");
}

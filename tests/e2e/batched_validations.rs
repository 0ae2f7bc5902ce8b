//! `/data` where questions share calls: in whatever shape business-service asks, a logout is
//! final, a single-use token passes once and a use is a use; and an auth service that is killed or
//! hangs in the middle of its batches makes no token that lives dead and no dead one alive.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::harness::{
    AuthService, BusinessService, Launch, Request, TIMEOUT, eventually, now, unused_port,
};

/// Calls that may be under way to the auth service, and threads that serve, in both services.
pub(crate) const SHAPES: [(usize, usize); 3] = [(1, 3), (2, 1), (4, 3)];

/// A second, and what a busy machine may take.
pub(crate) const BACK: Duration = Duration::from_millis(1500);

/// business-service of this shape in front of this port.
pub(crate) fn business(port: u16, (calls, workers): (usize, usize)) -> Launch {
    Launch::business(port)
        .var("BUSINESS_AUTH_CALLS", calls.to_string())
        .var("WORKERS", workers.to_string())
}

fn start(shape: (usize, usize)) -> (AuthService, BusinessService) {
    let auth = AuthService::launch(&Launch::auth().var("WORKERS", shape.1.to_string()));
    let business = BusinessService::launch(&business(auth.internal.port, shape));
    (auth, business)
}

/// Asks on one connection until told to stop, and a little longer; fails if a request that began
/// after the logout had answered is let in.
fn keep_asking(business: &BusinessService, token: &str, logged_out: &AtomicBool) {
    let mut connection = business.public.connect();
    let request = Request::get("/data").bearer(token);
    let mut late = 0;
    while late < 3 {
        let was_logged_out = logged_out.load(Ordering::SeqCst);
        let status = connection.send(&request).status;
        late += usize::from(was_logged_out);
        assert!(status == 401 || status == 200 && !was_logged_out, "{status} after the logout");
    }
}

#[test]
fn a_logout_that_has_answered_is_seen_by_every_request_that_starts_later() {
    for shape in SHAPES {
        let (auth, business) = start(shape);
        for token in auth.tokens(6) {
            let logged_out = AtomicBool::new(false);
            thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| keep_asking(&business, &token, &logged_out));
                }
                business.data(&token).expect(200);
                auth.logout(&token);
                logged_out.store(true, Ordering::SeqCst);
            });
        }
    }
}

/// What so many callers get who present one token at the same moment.
fn at_once(business: &BusinessService, token: &str, callers: usize, times: usize) -> Vec<u16> {
    let barrier = Barrier::new(callers);
    thread::scope(|scope| {
        let ask = || {
            let mut connection = business.public.connect();
            let request = Request::get("/data").bearer(token);
            barrier.wait();
            (0..times).map(|_| connection.send(&request).status).collect::<Vec<_>>()
        };
        let callers: Vec<_> = (0..callers).map(|_| scope.spawn(ask)).collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    })
}

#[test]
fn a_single_use_token_that_64_present_at_once_passes_once() {
    for shape in SHAPES {
        let (auth, business) = start(shape);
        let parent = auth.token();
        for _ in 0..3 {
            let token = auth.mint(&parent, &json!({"kind": "single_use"}));
            let statuses = at_once(&business, &token, 64, 1);
            let passed = statuses.iter().filter(|status| **status == 200).count();
            let refused = statuses.iter().filter(|status| **status == 401).count();
            assert_eq!((passed, refused), (1, 63), "{shape:?}");
        }
    }
}

#[test]
fn every_use_of_one_token_counts_however_many_come_at_once() {
    for shape in SHAPES {
        let (auth, business) = start(shape);
        let token = auth.token();
        let statuses = at_once(&business, &token, 16, 15);
        assert!(statuses.iter().all(|status| *status == 200), "{shape:?}: {statuses:?}");
        assert_eq!(auth.look_at(&token)["session"]["refresh_count"], 240, "{shape:?}");
    }
}

/// Callers who go on asking whatever happens to the auth service. What they get is checked as it
/// comes: a live token is never refused, a dead one is never let in, and while the service is down
/// the answer is neither.
pub(crate) struct Crowd<'a> {
    business: &'a BusinessService,
    live: &'a str,
    dead: &'a str,
    down: AtomicBool,
    over: AtomicBool,
    clear: AtomicUsize,
    unavailable: AtomicUsize,
}

impl<'a> Crowd<'a> {
    /// Has eight of them ask while something is done.
    pub(crate) fn asks_while(
        business: &'a BusinessService,
        [live, dead]: [&'a str; 2],
        meanwhile: impl FnOnce(&Self),
    ) {
        let crowd = Self {
            business,
            live,
            dead,
            down: AtomicBool::new(false),
            over: AtomicBool::new(false),
            clear: AtomicUsize::new(0),
            unavailable: AtomicUsize::new(0),
        };
        thread::scope(|scope| {
            for nth in 0..8 {
                let crowd = &crowd;
                scope.spawn(move || crowd.asks(nth % 4 == 3));
            }
            let _end = Over(&crowd.over);
            crowd.is_served();
            meanwhile(&crowd);
        });
    }

    fn asks(&self, dead: bool) {
        let (token, clear) = if dead { (self.dead, 401) } else { (self.live, 200) };
        let request = Request::get("/data").bearer(token);
        let mut connection = self.business.public.connect();
        while !self.over.load(Ordering::SeqCst) {
            let was_down = self.down.load(Ordering::SeqCst);
            let status = connection.send(&request).status;
            let is_down = was_down && self.down.load(Ordering::SeqCst);
            assert!(
                status == 503 || status == clear && !is_down,
                "{status} instead of {clear} or 503, down: {is_down}"
            );
            let count = if status == 503 { &self.unavailable } else { &self.clear };
            count.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// From now on the service cannot answer anything.
    pub(crate) fn it_is_down(&self) {
        self.down.store(true, Ordering::SeqCst);
        grows(&self.unavailable, "503");
    }

    /// From now on it can.
    pub(crate) fn it_is_up(&self) {
        self.down.store(false, Ordering::SeqCst);
    }

    pub(crate) fn is_served(&self) {
        grows(&self.clear, "clear answers");
    }
}

/// Ends the asking, also where a test has failed.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn grows(count: &AtomicUsize, of: &str) {
    let before = count.load(Ordering::SeqCst);
    eventually(&format!("more {of}"), TIMEOUT, || {
        (count.load(Ordering::SeqCst) >= before + 50).then_some(())
    });
}

/// Waits for the first yes, and fails where it takes too long.
pub(crate) fn is_back(business: &BusinessService, token: &str) {
    let back = now();
    eventually("data again", TIMEOUT, || match business.data(token).status {
        200 => Some(()),
        503 => None,
        other => panic!("{other} for a live token"),
    });
    assert!(back.elapsed() < BACK, "back after {:?}", back.elapsed());
}

#[test]
fn killed_in_the_middle_of_batches_it_is_503_until_it_is_back() {
    for shape in SHAPES {
        let port = unused_port();
        let launch = Launch::auth()
            .var("AUTH_INTERNAL_ADDR", format!("127.0.0.1:{port}"))
            .var("WORKERS", shape.1.to_string());
        let mut auth = AuthService::launch(&launch);
        let business = BusinessService::launch(&business(port, shape));
        let (live, dead) = (auth.token(), auth.token());
        auth.logout(&dead);
        Crowd::asks_while(&business, [&live, &dead], |crowd| {
            auth.kill();
            crowd.it_is_down();
        });
        drop(auth);
        let auth = AuthService::launch(&launch);
        is_back(&business, &auth.token());
        business.data(&live).expect_problem(401, "invalid_token");
    }
}

#[test]
fn hung_in_the_middle_of_batches_it_is_503_until_it_goes_on() {
    for shape in SHAPES {
        let auth = AuthService::launch(&Launch::auth().var("WORKERS", shape.1.to_string()));
        let launch = business(auth.internal.port, shape).var("BUSINESS_AUTH_TIMEOUT", "300ms");
        let business = BusinessService::launch(&launch);
        let (live, dead) = (auth.token(), auth.token());
        auth.logout(&dead);
        Crowd::asks_while(&business, [&live, &dead], |crowd| {
            for _ in 0..2 {
                auth.hang();
                crowd.it_is_down();
                crowd.it_is_up();
                auth.signal("CONT");
                is_back(&business, &live);
                crowd.is_served();
            }
        });
    }
}

//! A thousand readers of `GET /events`.

use std::time::Duration;

use serde_json::json;

use super::stream::{Read, Readers};
use super::watch::watch;
use super::{KEY, Service, session, wanted};
use crate::harness::{Connection, Launch, Request, let_time_pass, now};

/// Events are made in batches.
const TICK: Duration = Duration::from_millis(10);
/// How long readers may take behind the last event.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many sessions are validated.
const VALIDATED: usize = 400;

/// Makes events: uses up single-use tokens, and opens a session now and then.
struct Maker {
    connection: Connection,
    tokens: Vec<String>,
}

impl Maker {
    /// One that can make so many.
    fn with(service: &Service, events: usize) -> Self {
        let tokens = service.open(0..events, |number| session(number, "single_use", "1h"));
        Self { connection: service.internal.connect(), tokens }
    }

    /// Makes so many events a second, `rare` of them of another type, for so long; how many there
    /// were of each.
    fn make(&mut self, a_second: usize, rare: usize, lasts: Duration) -> (u64, u64) {
        let ticks_a_second = 1_000 / usize::try_from(TICK.as_millis()).unwrap();
        let (began, mut ticks, mut ended, mut opened) = (now(), 0, 0, 0);
        while began.elapsed() < lasts {
            ticks += 1;
            let share =
                |rate: usize, made: usize| (rate * ticks / ticks_a_second).saturating_sub(made);
            let (count, more) = (share(a_second, ended), share(rare, opened));
            ended += self.use_up(count);
            for _ in 0..more {
                let request = Request::post("/sessions").bearer(KEY);
                let request = request.json(&session(opened, "sliding", "1h"));
                self.connection.send(&request).expect(201);
                opened += 1;
            }
            let due = began + TICK * u32::try_from(ticks).unwrap();
            let_time_pass(due.saturating_duration_since(now()));
        }
        (ended as u64, opened as u64)
    }

    fn use_up(&mut self, count: usize) -> usize {
        assert!(self.tokens.len() >= count, "there are too few tokens");
        let tokens = self.tokens.split_off(self.tokens.len() - count);
        if !tokens.is_empty() {
            let request =
                Request::post("/validateToken").bearer(KEY).json(&json!({"tokens": tokens}));
            let answer = self.connection.send(&request).expect(200).text();
            assert_eq!(answer.matches("\"authenticated\":true").count(), count);
        }
        count
    }
}

/// Prints what readers read, of which each should have had so many; the share that came in time.
#[track_caller]
fn report(service: &Service, readers: Readers, count: usize, each: u64) -> bool {
    let made = now();
    while readers.events() < each * count as u64 && made.elapsed() < PATIENCE {
        let_time_pass(Duration::from_millis(5));
    }
    let (behind, resident) = (made.elapsed(), service.resident_kib() / 1024);
    let read: Vec<Read> = readers.close();
    let whole = read.iter().filter(|read| read.events == each && read.gaps == 0).count();
    let mut late: Vec<i64> = read.into_iter().flat_map(|read| read.late_ms).collect();
    late.sort_unstable();
    let at =
        |percent: usize| late.get((late.len().max(1) - 1) * percent / 100).copied().unwrap_or(-1);
    eprintln!(
        "  {whole} of {count} readers have each of {each} events; they came {} ms after they were made \
         (p50), {} (p99), {} at most; the last {behind:.0?} after the last was made; {resident} MiB resident",
        at(50),
        at(99),
        at(100),
    );
    whole == count && behind < Duration::from_secs(1)
}

#[test]
#[ignore = "a measurement, on a machine that does nothing else"]
fn a_thousand_readers_of_one_type_among_five_thousand_events_a_second() {
    let (count, rate, few) =
        (wanted("READERS", 1_000), wanted("EVENTS", 5_000), wanted("RARE", 10));
    let lasts = Duration::from_secs(wanted("SECONDS", 30) as u64);
    let service = Service::start(Launch::auth());
    let watched = service.open(0..VALIDATED, |number| session(number, "sliding", "1h"));
    let seconds = usize::try_from(lasts.as_secs()).unwrap();
    let mut maker = Maker::with(&service, (2 * seconds + 2) * rate);

    let ticks = service.process.processor_ticks();
    let (alone, _) = watch(&service, &watched, || maker.make(rate, few, lasts));
    eprintln!(
        "{rate} events a second and no reader, {} % of a core",
        share(&service, ticks, lasts)
    );
    eprintln!("  {alone}");
    let before = service.resident_kib();
    let readers = Readers::open(&service, count, "&types=session.issued");
    let grown = service.resident_kib().saturating_sub(before);
    eprintln!("{count} readers of one type, {} bytes each", grown * 1024 / count as u64);
    let ticks = service.process.processor_ticks();
    let (beside, (_, opened)) = watch(&service, &watched, || maker.make(rate, few, lasts));
    eprintln!(
        "{rate} events a second, of which each reads {few}, {} % of a core",
        share(&service, ticks, lasts)
    );
    eprintln!("  {beside}");
    assert!(report(&service, readers, count, opened), "events are missing or late");
}

#[test]
#[ignore = "a measurement, on a machine that does nothing else"]
fn a_thousand_readers_of_all_events_at_rising_rates() {
    let count = wanted("READERS", 1_000);
    let lasts = Duration::from_secs(wanted("SECONDS", 10) as u64);
    let service = Service::start(Launch::auth());
    let watched = service.open(0..VALIDATED, |number| session(number, "sliding", "1h"));
    for rate in [10, 20, 50, 100, 200, 400, 800, 1_600, 3_200] {
        let mut maker =
            Maker::with(&service, rate * (usize::try_from(lasts.as_secs()).unwrap() + 1));
        let readers = Readers::open(&service, count, "");
        let ticks = service.process.processor_ticks();
        let (beside, (ended, _)) = watch(&service, &watched, || maker.make(rate, 0, lasts));
        eprintln!("{rate} events a second, {} % of a core", share(&service, ticks, lasts));
        eprintln!("  {beside}");
        if !report(&service, readers, count, ended) {
            break;
        }
    }
}

/// The processor time since then, in percent of a core; a tick is 10 ms.
fn share(service: &Service, since: u64, lasts: Duration) -> u64 {
    (service.process.processor_ticks() - since) / lasts.as_secs()
}

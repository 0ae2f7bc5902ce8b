//! What makes which event, through every endpoint and on every store; that the log's audit lines are
//! these events and nothing else; and that docs/events.md says so.
//!
//! `UPDATE=1 cargo test --test e2e -- event_matrix` writes the document's table anew.

mod accounts;
mod document;
mod sessions;
mod site;

use std::collections::BTreeSet;

use serde_json::Value;

use self::site::{Site, Store, short};
use crate::harness::{Redis, TIMEOUT, eventually};

/// Something that is done, and what the stream says of it.
pub(crate) struct Step {
    /// As the document calls it.
    pub(crate) what: &'static str,
    /// The types with their causes.
    pub(crate) events: &'static [&'static str],
    /// Where nothing is said of it.
    pub(crate) silent_on: Option<Store>,
    /// Gets everything ready, calls [`Site::begin`], and does it.
    pub(crate) run: fn(&Site),
}

/// Does each step, and gives the events that came of it.
#[track_caller]
fn observe(site: &Site, steps: &[Step]) -> Vec<BTreeSet<String>> {
    steps.iter().map(|step| observe_one(site, step)).collect()
}

fn observe_one(site: &Site, step: &Step) -> BTreeSet<String> {
    (step.run)(site);
    let silent = step.silent_on == Some(site.store);
    let expected: &[&str] = if silent { &[] } else { step.events };
    let expected: BTreeSet<String> = expected.iter().map(ToString::to_string).collect();
    let what = format!("{expected:?} of {:?} on {:?}", step.what, site.store);
    let seen = eventually(&what, TIMEOUT, || {
        let seen: BTreeSet<String> = site.events_since().iter().map(short).collect();
        seen.is_superset(&expected).then_some(seen)
    });
    assert_eq!(seen, expected, "{:?} on {:?}", step.what, site.store);
    seen
}

/// Each audit line is an event and each event is a line, in whatever order. Redis dates its events by
/// its own clock.
fn compare_with_log(site: &Site) {
    let comparable = |mut one: Value| {
        if site.store == Store::Redis {
            one["at"] = Value::Null;
        }
        one
    };
    let events = site.all_events().into_iter().map(comparable);
    let mut events: Vec<String> = events.map(|event| site::line_of_event(&event)).collect();
    events.sort();
    let mut lines = Vec::new();
    eventually("as many audit lines as events", TIMEOUT, || {
        lines = site.auth.log();
        lines.retain(|line| line["target"] == "audit");
        (lines.len() >= events.len()).then_some(())
    });
    let lines = lines.into_iter().map(comparable);
    let mut lines: Vec<String> = lines.map(|line| site::line_of_log(&line)).collect();
    lines.sort();
    let kinds: BTreeSet<String> =
        site.all_events().iter().map(|event| event["type"].to_string()).collect();
    assert_eq!(kinds.len(), 10, "a type is missing: {kinds:?}");
    assert_eq!(lines, events);
}

/// What each step of both lists made, on one store.
fn observe_store(store: Store, redis: Option<&Redis>) -> Vec<BTreeSet<String>> {
    let mut site = Site::start(store, redis);
    let mut seen = observe(&site, sessions::STEPS);
    seen.extend(observe(&site, accounts::STEPS));
    compare_with_log(&site);
    // What a command ends where sessions are in Redis is written by the command, which has no log.
    seen.extend(observe(&site, accounts::COMMANDS));
    seen.push(if store == Store::Memory { BTreeSet::new() } else { site.retire_demo() });
    seen
}

#[test]
fn every_cause_comes_through_every_endpoint_on_every_store_as_the_document_says() {
    let Some(redis) = Redis::start(&[]) else { return };
    let seen: Vec<Vec<BTreeSet<String>>> = Store::ALL
        .iter()
        .map(|store| observe_store(*store, Some(&redis).filter(|_| *store == Store::Redis)))
        .collect();
    let retired = Step {
        what: "a start with `AUTH_DEMO=false`",
        events: &["session.ended demo_off"],
        silent_on: Some(Store::Memory),
        run: |_| (),
    };
    let steps = sessions::STEPS.iter().chain(accounts::STEPS).chain(accounts::COMMANDS);
    let steps: Vec<&Step> = steps.chain([&retired]).collect();
    document::check(&steps, &seen);
}

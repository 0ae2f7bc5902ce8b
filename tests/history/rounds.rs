//! One part of a run: clients at work, disturbances, and a last look at all that has ended.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::json;
use testkit::{LONG_PASSWORD, Request, TIMEOUT, eventually, let_time_pass};

use crate::answers;
use crate::events::{Event, History, Operation, Outcome};
use crate::faults::Fault;
use crate::random::Random;
use crate::site::{OWNERS, Site, owner_name};
use crate::workload::{Board, Client};

const CLIENTS: usize = 6;
/// How long it takes; then all sessions are new.
pub(crate) const ROUND: Duration = Duration::from_secs(10);
/// How many of the sessions that ended last are looked at once more, on every node.
const LOOKED_AT: usize = 200;
/// How many tokens one request asks for.
const AT_ONCE: usize = 100;

/// The history of one part, and answers that there should not be.
pub(crate) fn round(site: &Site, seed: u64, faults: &[Fault]) -> (History, Vec<String>) {
    if site.rules.cap > 0 {
        end_all(site);
    }
    let (board, mut random) = (Board::new(site.rules.cap), Random::new(seed, u64::MAX));
    let mut events: Vec<Event> = thread::scope(|scope| {
        let (busy, courses) = mpsc::channel();
        let clients = (0..CLIENTS).map(|number| {
            let client = Client::new(site, &board, Random::new(seed, number as u64));
            let busy = busy.clone();
            scope.spawn(move || client.work(number % OWNERS, busy))
        });
        let clients: Vec<_> = clients.collect();
        drop(busy);
        // Nothing is disturbed until all have gone through their courses.
        let _ = courses.recv();
        let mut looks = Vec::new();
        for _ in 0..2 {
            let_time_pass(ROUND * 4 / 10);
            random.pick(faults).happen(site, &board, &mut random);
            looks.extend(look_again(site, &board));
        }
        let_time_pass(ROUND / 10);
        board.done.store(true, SeqCst);
        looks.extend(clients.into_iter().flat_map(|client| client.join().unwrap()));
        looks
    });
    events.extend(look_again(site, &board));
    let all = board.all.into_inner().unwrap();
    let epsilon = if site.redis.is_empty() { 100 } else { 250 };
    let history = History {
        sessions: all.into_iter().map(|(session, _)| session).collect(),
        events,
        owner_ends: board.owner_ends.into_inner().unwrap(),
        cap: site.rules.cap,
        openings: board.openings.into_inner().unwrap(),
        disturbances: board.disturbances.into_inner().unwrap(),
        epsilon: Duration::from_millis(epsilon),
    };
    (history, board.unexpected.into_inner().unwrap())
}

/// Ends what was opened before: a cap counts it, and its history is over.
fn end_all(site: &Site) {
    let public = site.addresses[0].public;
    for owner in 0..OWNERS {
        let body = json!({"username": owner_name(owner), "password": LONG_PASSWORD});
        eventually("the sessions of before are ended", TIMEOUT, || {
            let login = public.try_send(Request::post("/login").json(&body)).ok()?;
            let token = login.json()["token"].as_str()?.to_owned();
            let ended = public.try_send(Request::delete("/sessions").bearer(&token)).ok()?;
            (ended.status < 300).then_some(())
        });
    }
}

/// Looks at the sessions that ended last, with all their tokens and on every node, until there is a
/// clear answer.
fn look_again(site: &Site, board: &Board) -> Vec<Event> {
    let ended: Vec<usize> = board.ended.lock().unwrap().iter().rev().copied().collect();
    let mut presented: Vec<(usize, usize, String)> = Vec::new();
    for session in ended.into_iter().take(LOOKED_AT) {
        let live = board.all.lock().unwrap()[session].1.clone();
        let tokens = live.tokens.lock().unwrap().clone();
        let tokens = tokens.into_iter().enumerate();
        presented.extend(tokens.map(|(token, text)| (session, token, text)));
    }
    let chunks = presented.chunks(AT_ONCE).flat_map(|few| {
        let nodes = 0..site.addresses.len();
        nodes.flat_map(move |node| look_at(site, board, node, few))
    });
    chunks.collect()
}

/// Looks at a few tokens on one node.
fn look_at(site: &Site, board: &Board, node: usize, few: &[(usize, usize, String)]) -> Vec<Event> {
    let tokens: Vec<&str> = few.iter().map(|(.., text)| text.as_str()).collect();
    let request = Request::post("/validateToken").json(&json!({"tokens": tokens, "touch": false}));
    let listener = site.addresses[node].internal;
    eventually("clear answers", TIMEOUT, || {
        let start = board.moment();
        let answer = listener.try_send(request.clone()).ok()?;
        let end = board.moment();
        let verdicts = (answer.status == 200).then(|| answer.json()["results"].take())?;
        let verdicts = few.iter().zip(verdicts.as_array()?);
        let events = verdicts.map(|((session, token, _), verdict)| {
            let outcome =
                answers::verdict(verdict).filter(|outcome| *outcome != Outcome::Unknown)?;
            let (session, token, operation) = (*session, *token, Operation::Look);
            Some(Event { session, token, operation, node, start, end, outcome })
        });
        events.collect()
    })
}

//! Steady load on business-service while something else is done.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use crate::harness::{BusinessService, Request, now};

/// What became of the requests of a load.
#[derive(Debug)]
pub(crate) struct Load {
    /// How many replies there were.
    pub(crate) requests: usize,
    /// Those that were not 200.
    pub(crate) failed: Vec<String>,
    /// The longest time that one of them took.
    pub(crate) longest: Duration,
}

/// Requests data with live tokens on several connections while `work` is done.
pub(crate) fn under_load(data: &BusinessService, tokens: &[String], work: impl FnOnce()) -> Load {
    let (stop, requests) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = |at: usize| {
        let mut connection = data.public.connect();
        let (mut failed, mut longest) = (Vec::new(), Duration::ZERO);
        while !stop.load(SeqCst) {
            let turn = requests.fetch_add(1, SeqCst);
            // Every other request reads a value of the session, which takes another way.
            let path = if turn.is_multiple_of(2) { "/data" } else { "/notes" };
            let request = Request::get(path).bearer(&tokens[(turn + at) % tokens.len()]);
            let begun = now();
            let answer = connection.send(&request);
            longest = longest.max(begun.elapsed());
            if answer.status != 200 {
                failed.push(format!("{path}: {} {}", answer.status, answer.text()));
            }
        }
        (failed, longest)
    };
    let ended: Vec<_> = thread::scope(|scope| {
        let loads: Vec<_> = (0..8).map(|at| scope.spawn(move || load(at))).collect();
        work();
        stop.store(true, SeqCst);
        loads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let longest = ended.iter().map(|(_, longest)| *longest).max().unwrap_or_default();
    let failed = ended.into_iter().flat_map(|(failed, _)| failed).collect();
    Load { requests: requests.load(SeqCst), failed, longest }
}

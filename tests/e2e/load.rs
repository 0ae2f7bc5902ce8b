//! Steady load on business-service while something else is done.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use crate::harness::{BusinessService, Request};

/// What became of the requests of a load.
#[derive(Debug)]
pub(crate) struct Load {
    /// How many replies there were.
    pub(crate) requests: usize,
    /// Those that were not 200.
    pub(crate) failed: Vec<String>,
}

/// Requests data with live tokens on several connections while `work` is done.
pub(crate) fn under_load(data: &BusinessService, tokens: &[String], work: impl FnOnce()) -> Load {
    let (stop, requests) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = |at: usize| {
        let mut connection = data.public.connect();
        let mut failed = Vec::new();
        while !stop.load(SeqCst) {
            let turn = requests.fetch_add(1, SeqCst);
            // Every other request reads a value of the session, which takes another way.
            let path = if turn.is_multiple_of(2) { "/data" } else { "/notes" };
            let request = Request::get(path).bearer(&tokens[(turn + at) % tokens.len()]);
            let answer = connection.send(&request);
            if answer.status != 200 {
                failed.push(format!("{path}: {} {}", answer.status, answer.text()));
            }
        }
        failed
    };
    let failed = thread::scope(|scope| {
        let loads: Vec<_> = (0..8).map(|at| scope.spawn(move || load(at))).collect();
        work();
        stop.store(true, SeqCst);
        loads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    Load { requests: requests.load(SeqCst), failed }
}

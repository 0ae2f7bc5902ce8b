//! Callers of scripts that work on many keys, gathered: what comes while calls are under way leaves
//! together in the next one. One that comes alone leaves alone, and at once.
//!
//! INVARIANT: what came after a call has left is not answered by it, and who gives up takes no other
//! along: the call goes on, and the others have their answers.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use super::each::{Parcel, Telling, Told, calls_for};
use super::node::{Kept, Node, Reply};
use super::patience::{ANSWER, IN_FLIGHT};
use super::script::Call;
use crate::StoreError;

/// How many keys one script works on, so that nobody else waits for it much longer than 0.2 ms.
const TOGETHER: usize = 64;
/// How many keys leave at a time.
const ABOARD: usize = 1024;
/// How many calls are under way at a time.
const UNDER_WAY: usize = 2;

/// A server, and who waits for it.
pub(super) struct Gatherer {
    node: Node,
    queue: Mutex<Queue>,
    permits: Semaphore,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Passenger>,
    under_way: usize,
}

/// What a caller brought, and where it waits.
struct Passenger {
    parcel: Parcel,
    reply: oneshot::Sender<Vec<Telling>>,
}

/// Takes itself off those that are under way, also where it is dropped.
struct Trip {
    gatherer: Arc<Gatherer>,
    is_over: bool,
}

impl Gatherer {
    /// Nothing is sent yet.
    pub(super) fn new(node: Node) -> Self {
        Self { node, queue: Mutex::default(), permits: Semaphore::new(IN_FLIGHT) }
    }

    /// The server, for what goes alone.
    pub(super) const fn node(&self) -> &Node {
        &self.node
    }

    /// What is told of each key of a parcel.
    pub(super) async fn each(self: &Arc<Self>, parcel: Parcel) -> Vec<Telling> {
        let count = parcel.count();
        let failed = |error: StoreError| vec![Err(error); count];
        let Ok(_permit) = self.permits.try_acquire() else {
            return failed(self.node.too_much());
        };
        let (reply, told) = oneshot::channel();
        if let Some(trip) = self.queue_up(Passenger { parcel, reply }) {
            // Apart from this caller, who may give up; it ends when nobody waits any more.
            tokio::spawn(trip.run());
        }
        match tokio::time::timeout(ANSWER, told).await {
            Ok(Ok(told)) => told,
            Ok(Err(_)) => failed(StoreError("a call was given up".to_owned())),
            Err(_) => failed(self.node.too_late()),
        }
    }

    /// Lets somebody wait; the trip that has to be made for it, if none is to come back.
    fn queue_up(self: &Arc<Self>, passenger: Passenger) -> Option<Trip> {
        let mut queue = self.queue.lock();
        queue.waiting.push(passenger);
        if queue.under_way >= UNDER_WAY {
            return None;
        }
        queue.under_way += 1;
        Some(Trip { gatherer: Arc::clone(self), is_over: false })
    }
}

impl Trip {
    async fn run(mut self) {
        loop {
            let aboard = self.board();
            if aboard.is_empty() {
                return;
            }
            let parcels = aboard.iter().map(|passenger| &passenger.parcel);
            let (calls, counts): (Vec<Call>, Vec<usize>) =
                calls_for(parcels, TOGETHER).into_iter().unzip();
            let calls: Vec<&Call> = calls.iter().collect();
            let replies = self.gatherer.node.run(&calls, Kept::Here, false).await;
            let answers = replies.into_iter().map(Reply::settled).zip(counts);
            let mut told = answers.flat_map(|(answer, count)| Told::split(answer, count));
            for Passenger { parcel, reply } in aboard {
                // Who has given up is not told.
                let _ = reply.send(told.by_ref().take(parcel.count()).collect());
            }
        }
    }

    /// Takes those aboard that came first, but for who has given up; nobody ends the trip.
    fn board(&mut self) -> Vec<Passenger> {
        let mut queue = self.gatherer.queue.lock();
        queue.waiting.retain(|passenger| !passenger.reply.is_closed());
        let mut keys = 0;
        let fits = |passenger: &&Passenger| {
            keys += passenger.parcel.count();
            keys <= ABOARD
        };
        let fitting = queue.waiting.iter().take_while(fits).count();
        let count = fitting.max(1).min(queue.waiting.len());
        if count == 0 {
            queue.under_way -= 1;
            self.is_over = true;
        }
        queue.waiting.drain(..count).collect()
    }
}

impl Drop for Trip {
    fn drop(&mut self) {
        if !self.is_over {
            self.gatherer.queue.lock().under_way -= 1;
        }
    }
}

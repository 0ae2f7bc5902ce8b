//! A server with natural batching: scripts that work on many keys are sent in one round trip for all
//! callers that arrive while others are in flight. One that arrives alone is sent at once.
//!
//! INVARIANT: a request that arrives after a batch was sent is not answered by it, and a cancelled
//! caller cancels no other: the batch goes on, and the others have their replies.

use std::sync::Arc;
use std::time::Duration;

use batching::{Abandoned, Batcher, Limits};

use super::node::{Durability, Node, NodeReply};
use super::script_reply::ScriptReply;
use super::script_request::{ScriptBatch, ScriptRequest};
use crate::StoreError;

/// How many keys one request has at most, so that it blocks the server for hardly more than 0.2 ms.
pub(super) const KEYS_PER_REQUEST: usize = 64;
/// How many keys are sent in one round trip.
const MAX_KEYS: usize = 1024;
/// How many batches are in flight.
const BATCHES_IN_FLIGHT: usize = 2;

/// The replies to one caller's batch.
type Replies = Vec<Result<ScriptReply, StoreError>>;

/// A server, and the batcher for what many ask of it at a time.
pub(super) struct BatchedNode {
    node: Arc<Node>,
    batcher: Batcher<ScriptBatch, Replies>,
}

impl BatchedNode {
    /// Nothing is sent yet.
    pub(super) fn new(node: Node) -> Self {
        let limits = Limits {
            in_flight: BATCHES_IN_FLIGHT,
            // One may be on its way while Redis works on another.
            slow: Duration::ZERO,
            slow_each: Duration::ZERO,
            count: usize::MAX,
            weight: MAX_KEYS,
            // By then all callers of a batch have given up, and it has ended with the last one.
            overdue: node.response_timeout(),
        };
        let node = Arc::new(node);
        let sender = Arc::clone(&node);
        let batcher = Batcher::new(limits, move |batches| {
            let node = Arc::clone(&sender);
            async move { send(&node, batches).await }
        });
        Self { node, batcher }
    }

    /// The server, for what goes alone.
    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    /// Makes a script work on each key of a batch; the reply about each, in their order.
    ///
    /// INVARIANT: the time limit and the bound are on the caller, who waits for a batch to leave
    /// as well as for its replies; what is sent for callers has neither of its own.
    pub(super) async fn run(&self, batch: ScriptBatch) -> Replies {
        let count = batch.key_count();
        let request = async {
            let replied = self.batcher.request(batch, count).await;
            replied.map_err(|Abandoned| StoreError("the batch was abandoned".to_owned()))
        };
        self.node.bounded(request).await.unwrap_or_else(|error| vec![Err(error); count])
    }
}

/// Sends the batches of some callers in one round trip; the replies to each.
async fn send(node: &Node, batches: Vec<ScriptBatch>) -> Vec<Replies> {
    let counts: Vec<usize> = batches.iter().map(ScriptBatch::key_count).collect();
    let requests = ScriptBatch::merge(batches);
    let key_counts = requests.iter().map(ScriptRequest::key_count);
    let replies = node.exchange(&requests, Durability::Primary).await;
    let replies = replies.into_iter().map(NodeReply::settled).zip(key_counts);
    let mut replies = replies.flat_map(|(reply, count)| ScriptReply::split(reply, count));
    counts.into_iter().map(|count| replies.by_ref().take(count).collect()).collect()
}

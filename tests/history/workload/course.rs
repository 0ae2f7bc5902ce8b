//! What each client does before anything is disturbed: whatever chance alone would do too seldom where a
//! busy machine leaves time for few requests.

use std::sync::Arc;

use serde_json::json;
use testkit::Request;

use super::{Client, Live};
use crate::answers::Reading;
use crate::events::{Event, Kind, Operation};

/// How often each client does each of them. Six of them look at each property often enough.
const TIMES: usize = 4;
/// How many sessions more than the cap each client opens for its user.
const PAST_THE_CAP: usize = 4;
/// The choices of `use_at`, one for each endpoint that takes one token.
const DOORS: [usize; 4] = [0, 240, 300, 350];
/// The token from before the first rotation, as `token` chooses it.
const FORMER: usize = 86;

impl Client<'_> {
    /// All of them, with sessions of the user.
    pub(super) fn course(&mut self, owner: usize) {
        let nodes = self.site.addresses.len();
        for (time, door) in (0..TIMES).zip(DOORS) {
            let (node, other) = (time % nodes, (time + 1) % nodes);
            if let Some(live) = self.begin(node, owner, Kind::SingleUse, 10) {
                self.use_at(&live, node, time, door);
                self.use_at(&live, other, time, door);
            }
            if let Some(live) = self.begin(node, owner, Kind::Sliding, 10) {
                self.use_at(&live, node, time, DOORS[0]);
                self.use_at(&live, other, time, DOORS[3]);
                self.rotate(&live, node, time);
                self.use_at(&live, other, FORMER, door);
                self.use_at(&live, node, time, door);
                self.end_by_token(&live, other, time);
                self.use_at(&live, node, time, door);
            }
            if self.site.rules.bound
                && let Some(live) = self.begin(node, owner, Kind::Sliding, 10)
            {
                self.use_at(&live, node, time, door);
                self.use_elsewhere(&live, other, time);
                self.use_at(&live, node, time, door);
            }
        }
        if self.site.rules.cap > 0 {
            self.exceed_the_cap(owner);
        }
    }

    /// Opens more than may live, and looks at all after each.
    fn exceed_the_cap(&mut self, owner: usize) {
        let nodes = self.site.addresses.len();
        let mut opened = Vec::new();
        for time in 0..self.site.rules.cap + PAST_THE_CAP {
            opened.extend(self.begin(time % nodes, owner, Kind::Sliding, [6, 10][time % 2]));
            self.look_at_all(&opened, (time + 1) % nodes);
        }
    }

    /// Looks at the latest tokens of these by one request.
    fn look_at_all(&mut self, all: &[Arc<Live>], node: usize) {
        let named = all.iter().map(|live| {
            let (number, token) = super::token(live, 0);
            (live.index, number, token)
        });
        let named: Vec<_> = named.collect();
        let tokens: Vec<&str> = named.iter().map(|(.., token)| token.as_str()).collect();
        let body = json!({"tokens": tokens, "touch": false});
        let request = Request::post("/validateToken").json(&body);
        self.present_few(&named, Operation::Look, node, &request);
    }

    /// Presents a few tokens by one request, in which each has an answer of its own.
    pub(super) fn present_few(
        &mut self,
        few: &[(usize, usize, String)],
        operation: Operation,
        node: usize,
        request: &Request,
    ) {
        let start = self.board.moment();
        let answer = self.send(self.site.addresses[node].internal, request);
        let end = self.board.moment();
        for (at, &(session, token, _)) in few.iter().enumerate() {
            let outcome = self.read(Reading::Batch(at), &answer);
            self.record(Event { session, token, operation, node, start, end, outcome });
        }
    }
}

//! What users do: they log in, open sessions, and end them by name or all at once.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Answer, LONG_PASSWORD, Request};

use super::{ANSWER, BY_NAME, Client, Live};
use crate::answers::Reading;
use crate::events::{Event, Kind, Moment, Opening, Operation, Outcome, OwnerEnd, Session};
use crate::site::{MAX_LIFETIME_S, OWNERS, owner_name};

impl Client<'_> {
    /// Opens a session in the slot, whatever was there.
    pub(super) fn open(&mut self, node: usize, slot: usize, which: usize) {
        let owner = which % OWNERS;
        let (kind, ttl_s) = match which {
            ..60 => (Kind::Sliding, [1, 2, 6, 10][which % 4]),
            60..75 => (Kind::Fixed, [2, 5][which % 2]),
            _ => (Kind::SingleUse, 10),
        };
        if let Some(live) = self.begin(node, owner, kind, ttl_s) {
            *self.board.slots[slot].lock().unwrap() = Some(live);
        }
    }

    /// Opens a session of the user, if that is answered.
    pub(super) fn begin(
        &mut self,
        node: usize,
        owner: usize,
        kind: Kind,
        ttl_s: u64,
    ) -> Option<Arc<Live>> {
        let maker = self.maker(node, owner)?;
        let body = json!({"kind": kind.name(), "ttl": format!("{ttl_s}s")});
        let request = Request::post("/tokens").bearer(&maker).json(&body);
        let start = self.board.moment();
        let answer = self.send(self.site.addresses[node].public, &request);
        let end = self.board.moment();
        self.note_opening(owner, (start, end), &answer);
        match answer.as_ref().map(|answer| answer.status) {
            Ok(201) => {}
            Ok(401) => {
                *self.board.makers[owner].lock().unwrap() = None;
                return None;
            }
            Err(_) | Ok(500..) => return None,
            Ok(_) => {
                self.unexpected("POST /tokens", &answer);
                return None;
            }
        }
        let opened = answer.expect("it was answered").json();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let tokens = Mutex::new(vec![text(&opened["token"])]);
        let ttl = Duration::from_secs(ttl_s);
        let max = if kind == Kind::Sliding { MAX_LIFETIME_S } else { ttl_s };
        let max_lifetime = Duration::from_secs(max);
        let session = Session { owner, kind, ttl, max_lifetime, opened: (start, end) };
        let mut all = self.board.all.lock().unwrap();
        let id = text(&opened["session"]["id"]);
        let live = Arc::new(Live { index: all.len(), id, kind, tokens });
        all.push((session, Arc::clone(&live)));
        Some(live)
    }

    /// Stores that the owner has one session more, unless the answer says that there is none.
    fn note_opening(
        &self,
        owner: usize,
        (start, end): (Moment, Moment),
        answer: &io::Result<Answer>,
    ) {
        let is_sure = match answer.as_ref().map(|answer| answer.status) {
            Ok(200..300) => true,
            Ok(..500) => return,
            Err(_) | Ok(_) => false,
        };
        // Where that is not known, it may still come while others are opened.
        let end = if is_sure { end } else { end + ANSWER };
        self.board.opened(Opening { owner, start, end, is_sure });
    }

    pub(super) fn end_by_name(&mut self, live: &Live, node: usize) {
        let owner = self.board.all.lock().unwrap()[live.index].0.owner;
        let Some(maker) = self.maker(node, owner) else { return };
        let request = Request::delete(&format!("/sessions/{}", live.id)).bearer(&maker);
        let listener = self.site.addresses[node].public;
        let start = self.board.moment();
        let answer = self.send(listener, &request);
        let end = self.board.moment();
        let outcome = match answer.as_ref().map(|answer| answer.status) {
            // There is none any more: that ends nothing.
            Ok(404) => return,
            Ok(401) => return *self.board.makers[owner].lock().unwrap() = None,
            _ => self.read(Reading::Ending, &answer),
        };
        let (session, token, operation) = (live.index, BY_NAME, Operation::End);
        self.record(Event { session, token, operation, node, start, end, outcome });
    }

    /// Ends all sessions of somebody but for the one that mints.
    pub(super) fn end_others(&mut self, node: usize, owner: usize) {
        let Some(maker) = self.maker(node, owner) else { return };
        let request = Request::delete("/sessions?keep=current").bearer(&maker);
        let start = self.board.moment();
        let answer = self.send(self.site.addresses[node].public, &request);
        let end = self.board.moment();
        if answer.as_ref().is_ok_and(|answer| answer.status == 401) {
            return *self.board.makers[owner].lock().unwrap() = None;
        }
        let is_sure = matches!(self.read(Reading::Ending, &answer), Outcome::True(_));
        // Where that is not known, it may still come while others are opened.
        let end = if is_sure { end } else { end + ANSWER };
        self.board.owner_ends.lock().unwrap().push(OwnerEnd { owner, start, end, is_sure });
    }

    /// The token with which somebody opens sessions.
    fn maker(&mut self, node: usize, owner: usize) -> Option<String> {
        // Held while one logs in, so that nobody else does as well.
        let mut maker = self.board.makers[owner].lock().unwrap();
        if maker.is_none() {
            let body = json!({"username": owner_name(owner), "password": LONG_PASSWORD});
            let request = Request::post("/login").json(&body);
            let start = self.board.moment();
            let answer = self.send(self.site.addresses[node].public, &request);
            self.note_opening(owner, (start, self.board.moment()), &answer);
            match answer.as_ref().map(|answer| answer.status) {
                Ok(200) => {
                    let login = answer.expect("it was answered").json();
                    *maker = login["token"].as_str().map(str::to_owned);
                }
                Err(_) | Ok(500..) => {}
                Ok(_) => self.unexpected("POST /login", &answer),
            }
        }
        maker.clone()
    }
}

//! What everybody does at once: sessions are opened, presented at every endpoint, rotated and ended,
//! by several clients that know nothing of each other, on sessions that they share.

mod course;
mod owners;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::{Answer, Connection, Listener, Request, now};

use crate::answers::Reading;
use crate::events::{
    Disturbance, Endpoint, Event, Kind, Moment, Opening, Operation, Outcome, OwnerEnd, Session,
};
use crate::random::Random;
use crate::site::{OWNERS, Site};

/// Sessions that everybody is at, and such as have time to expire.
const HOT: usize = 12;
const SLOTS: usize = 300;
/// As many as there may be at once for each user, and as many that have ended for them.
const SLOTS_OF_A_CAP: usize = 2 * OWNERS;
/// How many tokens a batch has at most.
const FEW: usize = 4;
/// How long an answer is waited for.
pub(crate) const ANSWER: Duration = Duration::from_secs(3);
/// The user agent of a client that no session is bound to; all others send none.
const ELSEWHERE: &str = "elsewhere/1.0";
/// No token of the session itself: it is ended by name.
pub(crate) const BY_NAME: usize = usize::MAX;

/// A session that is worked with.
pub(crate) struct Live {
    index: usize,
    id: String,
    kind: Kind,
    /// The tokens that it has had, the latest last.
    pub(crate) tokens: Mutex<Vec<String>>,
}

/// What all clients have in common.
pub(crate) struct Board {
    began: Instant,
    slots: Vec<Mutex<Option<Arc<Live>>>>,
    makers: Vec<Mutex<Option<String>>>,
    pub(crate) all: Mutex<Vec<(Session, Arc<Live>)>>,
    pub(crate) owner_ends: Mutex<Vec<OwnerEnd>>,
    pub(crate) openings: Mutex<Vec<Opening>>,
    /// Sessions that were ended, by their indices.
    pub(crate) ended: Mutex<Vec<usize>>,
    pub(crate) disturbances: Mutex<Vec<Disturbance>>,
    /// Answers that no service should give.
    pub(crate) unexpected: Mutex<Vec<String>>,
    pub(crate) done: AtomicBool,
}

impl Board {
    /// For services with this cap.
    pub(crate) fn new(cap: usize) -> Self {
        let slots = if cap == 0 { SLOTS } else { HOT.max(cap * SLOTS_OF_A_CAP) };
        Self {
            began: now(),
            slots: (0..slots).map(|_| Mutex::default()).collect(),
            makers: (0..OWNERS).map(|_| Mutex::default()).collect(),
            all: Mutex::default(),
            owner_ends: Mutex::default(),
            openings: Mutex::default(),
            ended: Mutex::default(),
            disturbances: Mutex::default(),
            unexpected: Mutex::default(),
            done: AtomicBool::new(false),
        }
    }

    pub(crate) fn moment(&self) -> Moment {
        self.began.elapsed()
    }

    pub(crate) fn opened(&self, opening: Opening) {
        self.openings.lock().unwrap().push(opening);
    }

    pub(crate) fn disturbed(&self, disturbance: Disturbance) {
        self.disturbances.lock().unwrap().push(disturbance);
    }
}

/// One client, with connections of its own.
pub(crate) struct Client<'a> {
    site: &'a Site,
    board: &'a Board,
    random: Random,
    connections: HashMap<u16, Connection>,
    pub(crate) events: Vec<Event>,
}

impl<'a> Client<'a> {
    pub(crate) fn new(site: &'a Site, board: &'a Board, random: Random) -> Self {
        Self { site, board, random, connections: HashMap::new(), events: Vec::new() }
    }

    /// Goes through its course, drops `busy`, and goes on until told that it is done; what was done.
    pub(crate) fn work(mut self, owner: usize, busy: Sender<()>) -> Vec<Event> {
        self.course(owner);
        drop(busy);
        while !self.board.done.load(SeqCst) {
            self.step();
        }
        self.events
    }

    /// One request, chosen by the seed alone: what is in the slot is the others' doing as well.
    fn step(&mut self) {
        let (choice, slot) = (self.random.below(1_000), self.slot());
        let node = self.random.below(self.site.addresses.len());
        let which = self.random.below(100);
        if choice < 4 {
            return self.end_others(node, which % OWNERS);
        }
        let live = self.board.slots[slot].lock().unwrap().clone();
        let live = if (4..54).contains(&choice) { self.any(which) } else { live };
        let Some(live) = live.filter(|_| choice < 830) else {
            return self.open(node, slot, which);
        };
        match choice {
            ..450 => self.use_at(&live, node, which, choice),
            450..560 => self.look(&live, node, which),
            560..610 if live.kind == Kind::Sliding => self.rotate(&live, node, which),
            610..680 => self.end_by_token(&live, node, which),
            680..710 => self.end_by_name(&live, node),
            710..730 if self.site.rules.bound => self.use_elsewhere(&live, node, which),
            _ => self.use_at(&live, node, which, which * 4),
        }
    }

    fn slot(&mut self) -> usize {
        let limit = if self.random.below(2) == 0 { HOT } else { self.board.slots.len() };
        self.random.below(limit)
    }

    /// A session of any age, most often one that has ended.
    fn any(&self, which: usize) -> Option<Arc<Live>> {
        let all = self.board.all.lock().unwrap();
        let recent = all.len().saturating_sub(2_000);
        let at = recent + (all.len() - recent) * which / 100;
        all.get(at).map(|(_, live)| Arc::clone(live))
    }

    fn use_at(&mut self, live: &Live, node: usize, which: usize, choice: usize) {
        if (200..240).contains(&choice) {
            return self.use_few(live, node, which);
        }
        let (number, token) = token(live, which);
        let addresses = self.site.addresses[node];
        let (endpoint, listener, request) = match choice {
            ..200 => {
                let body = json!({"token": token});
                let request = Request::post("/validateToken").json(&body);
                (Endpoint::Validation, addresses.internal, request)
            }
            240..300 => {
                let request = carry(Request::get("/authz/auth-request"), &token, which);
                (Endpoint::ForwardAuth, addresses.internal, request)
            }
            300..350 => {
                let request = carry(Request::get("/session"), &token, which);
                (Endpoint::Session, addresses.public, request)
            }
            _ => {
                let request = carry(Request::get("/data"), &token, which);
                (Endpoint::Data, self.site.business.public, request)
            }
        };
        let (operation, reading) = (Operation::Use(endpoint), Reading::of(endpoint));
        self.present(live.index, number, operation, node, listener, &request, reading);
    }

    /// Uses the latest token as a client does that the session is not bound to.
    fn use_elsewhere(&mut self, live: &Live, node: usize, which: usize) {
        let (number, token) = token(live, 0);
        let addresses = self.site.addresses[node];
        let from_elsewhere =
            |request: Request| carry(request, &token, which).header("User-Agent", ELSEWHERE);
        let (endpoint, listener, request) = match which % 4 {
            0 => {
                let body = json!({"token": token, "client": {"user_agent": ELSEWHERE}});
                let request = Request::post("/validateToken").json(&body);
                (Endpoint::Validation, addresses.internal, request)
            }
            1 => {
                let request = from_elsewhere(Request::get("/authz/auth-request"));
                (Endpoint::ForwardAuth, addresses.internal, request)
            }
            2 => (Endpoint::Session, addresses.public, from_elsewhere(Request::get("/session"))),
            _ => {
                let request = from_elsewhere(Request::get("/data"));
                (Endpoint::Data, self.site.business.public, request)
            }
        };
        let (operation, reading) = (Operation::UseElsewhere(endpoint), Reading::of(endpoint));
        self.present(live.index, number, operation, node, listener, &request, reading);
    }

    /// Uses a few tokens by one request, in which each has an answer of its own.
    fn use_few(&mut self, first: &Live, node: usize, which: usize) {
        let named = |live: &Live| {
            let (number, token) = token(live, which);
            (live.index, number, token)
        };
        let mut few = vec![named(first)];
        for slot in (0..which % FEW).map(|next| (which + next) % HOT) {
            few.extend(self.board.slots[slot].lock().unwrap().as_deref().map(named));
        }
        let tokens: Vec<&str> = few.iter().map(|(.., token)| token.as_str()).collect();
        let request = Request::post("/validateToken").json(&json!({"tokens": tokens}));
        self.present_few(&few, Operation::Use(Endpoint::Batch), node, &request);
    }

    fn look(&mut self, live: &Live, node: usize, which: usize) {
        let (number, token) = token(live, which);
        // One that may be used once is never active.
        let introspects = which.is_multiple_of(3) && live.kind != Kind::SingleUse;
        let (request, reading) = if introspects {
            (Request::post("/introspect").form(&format!("token={token}")), Reading::Introspection)
        } else {
            let body = json!({"token": token, "touch": false});
            (Request::post("/validateToken").json(&body), Reading::Validation)
        };
        let listener = self.site.addresses[node].internal;
        self.present(live.index, number, Operation::Look, node, listener, &request, reading);
    }

    fn rotate(&mut self, live: &Live, node: usize, which: usize) {
        let (number, token) = token(live, which);
        let request = Request::post("/session/rotate").bearer(&token);
        let start = self.board.moment();
        let answer = self.send(self.site.addresses[node].public, &request);
        let end = self.board.moment();
        let outcome = self.read(Reading::Login, &answer);
        let new = answer.ok().filter(|answer| answer.status == 200).map(|answer| {
            let new = answer.json()["token"].as_str().expect("a token").to_owned();
            let mut tokens = live.tokens.lock().unwrap();
            tokens.push(new);
            tokens.len() - 1
        });
        let operation = Operation::Rotate(new);
        let (session, token) = (live.index, number);
        self.record(Event { session, token, operation, node, start, end, outcome });
    }

    fn end_by_token(&mut self, live: &Live, node: usize, which: usize) {
        let (number, token) = token(live, which);
        let request = if which.is_multiple_of(2) {
            carry(Request::post("/logout"), &token, which)
        } else {
            Request::post("/revoke").form(&format!("token={token}"))
        };
        let listener = self.site.addresses[node].public;
        let reading = Reading::Ending;
        self.present(live.index, number, Operation::End, node, listener, &request, reading);
    }

    #[expect(clippy::too_many_arguments, reason = "it is what an event consists of")]
    fn present(
        &mut self,
        session: usize,
        token: usize,
        operation: Operation,
        node: usize,
        listener: Listener,
        request: &Request,
        reading: Reading,
    ) {
        let start = self.board.moment();
        let answer = self.send(listener, request);
        let end = self.board.moment();
        let outcome = self.read(reading, &answer);
        self.record(Event { session, token, operation, node, start, end, outcome });
    }

    fn record(&mut self, event: Event) {
        let is_over = match event.operation {
            Operation::End => event.is_true(),
            Operation::UseElsewhere(_) => event.outcome == Outcome::False,
            _ => false,
        };
        if is_over {
            self.board.ended.lock().unwrap().push(event.session);
        }
        self.events.push(event);
    }

    fn read(&self, reading: Reading, answer: &io::Result<Answer>) -> Outcome {
        match answer {
            Err(_) => Outcome::Unknown,
            Ok(found) => reading.outcome(found).unwrap_or_else(|| {
                self.unexpected(&format!("{reading:?}"), answer);
                Outcome::Unknown
            }),
        }
    }

    fn unexpected(&self, what: &str, answer: &io::Result<Answer>) {
        self.board.unexpected.lock().unwrap().push(format!("{what}: {answer:?}"));
    }

    /// Sends it on the connection that there is, or on a new one.
    fn send(&mut self, listener: Listener, request: &Request) -> io::Result<Answer> {
        let connection = match self.connections.entry(listener.port) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(none) => {
                let mut connection = listener.try_connect()?;
                connection.set_read_timeout(ANSWER);
                none.insert(connection)
            }
        };
        let answer = connection.try_send(request);
        let closes = answer.as_ref().map_or(true, |answer| {
            answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
        });
        if closes {
            self.connections.remove(&listener.port);
        }
        answer
    }
}

/// The request with the token in one of the places where one is looked for.
fn carry(request: Request, token: &str, which: usize) -> Request {
    match which % 3 {
        0 => request.bearer(token),
        1 => request.token(token),
        _ => request.cookie(token),
    }
}

/// A token of the session and its number: most often the latest.
fn token(live: &Live, which: usize) -> (usize, String) {
    let tokens = live.tokens.lock().unwrap();
    let number = if which < 85 { tokens.len() - 1 } else { which % tokens.len() };
    (number, tokens[number].clone())
}

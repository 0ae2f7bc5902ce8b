//! What was answered of each session, and whether a service that comes back agrees.
//!
//! A session is one worker's alone, so that its answers have an order. What was not answered may
//! have happened or not: of that nothing is claimed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{AuthService, Connection, Request, now};

/// The idle time of the sessions: a tenth of it is what a kill may take back of a use.
pub(super) const TTL: Duration = Duration::from_secs(10);
/// By how much answers may be off: clocks of two processes, and commits that take a while.
const EPSILON: Duration = Duration::from_millis(250);
/// A use that is older is not sure to have kept its session alive through a kill.
const SURE_FOR: Duration = Duration::from_secs(7);
/// How many of the ends of earlier rounds are looked at again.
const ENDS_LOOKED_AT: usize = 400;

/// A session that was answered to be there, and not to have ended.
#[derive(Clone, Debug)]
pub(super) struct Tracked {
    pub(super) token: String,
    pub(super) single_use: bool,
    /// The latest moment at which it may have been given its idle time.
    pub(super) used_by: Instant,
    /// The latest moment by which it certainly was.
    pub(super) used_from: Instant,
    /// How often it may have been used at most.
    pub(super) uses: u64,
    /// The value under the one key: none if it never had one or that is not known.
    pub(super) value: Option<u64>,
}

/// All that one worker was answered, over all rounds.
#[derive(Default)]
pub(super) struct History {
    pub(super) live: Vec<Tracked>,
    /// Tokens that were answered to open nothing any more.
    pub(super) dead: Vec<String>,
    pub(super) answered: u64,
}

impl History {
    /// What a service that has just come back says otherwise.
    pub(super) fn compare(&mut self, auth: &AuthService) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut connection = auth.internal.connect();
        let from = self.dead.len().saturating_sub(ENDS_LOOKED_AT);
        for token in &self.dead[from..] {
            if look(&mut connection, token)["authenticated"] != false {
                wrong.push(format!("{} had ended, and lives", &token[..26]));
            }
        }
        for tracked in std::mem::take(&mut self.live) {
            let sent_at = now();
            let verdict = look(&mut connection, &tracked.token);
            wrong.extend(tracked.wrong(&verdict, sent_at));
            let value = tracked.value.filter(|_| verdict["authenticated"] == true);
            if let Some(value) = value {
                let get = Request::get("/session/data/k").bearer(&tracked.token);
                let found = connection.send(&get);
                if found.status != 200 || found.json() != json!(value) {
                    let id = &tracked.token[..26];
                    wrong.push(format!("{id}: {value} was stored, and {found:?} stands there"));
                }
            }
        }
        wrong
    }
}

impl Tracked {
    /// What is wrong with this verdict of a look.
    fn wrong(&self, verdict: &Value, sent_at: Instant) -> Option<String> {
        let id = &self.token[..26];
        let alive = verdict["authenticated"] == true;
        let sure = sent_at.duration_since(self.used_from) < SURE_FOR;
        if !alive {
            return sure.then(|| format!("{id} was answered to live, and is dead: {verdict}"));
        }
        let session = &verdict["session"];
        let remaining = Duration::from_secs(session["expires_in"].as_u64().unwrap_or_default());
        let most = TTL.saturating_sub(sent_at.saturating_duration_since(self.used_by)) + EPSILON;
        // Whole seconds are told.
        if !self.single_use && remaining > most + Duration::from_secs(1) {
            return Some(format!("{id} has too long to live: {remaining:?}, of {most:?} at most"));
        }
        let uses = session["refresh_count"].as_u64().unwrap_or_default();
        (uses > self.uses).then(|| format!("{id} was used {uses} times, of {} at most", self.uses))
    }
}

fn look(connection: &mut Connection, token: &str) -> Value {
    let request = Request::post("/validateToken").json(&json!({"token": token, "touch": false}));
    connection.send(&request).expect(200).json()
}

//! Whether a history is one that the services may have. It knows no service: only what was recorded.
//!
//! Sessions are judged one by one, so that the time it takes grows with the number of requests.
//! A request took effect between its start and its end, if it did; what has no definite answer may
//! have, or not, or does so a little later.

mod cap;
mod death;
mod life;
mod pair;
mod view;

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use crate::events::{
    Disturbance, Event, History, Kind, Loss, Moment, Operation, Outcome, Session, View,
};

/// After how long a replaced token that is used once more ends its session, but for a second.
const REUSE: Duration = Duration::from_secs(9);
/// A use is written within a tenth of the idle time, but no sooner and no later than this, and what
/// a busy machine takes for it.
const WRITTEN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
const BUSY: Duration = Duration::from_secs(2);
/// By how much a replica may be behind that nothing was done to, on a busy machine.
const LAG: Duration = Duration::from_secs(2);

/// What is shown by number in the reliability document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Property {
    Soundness = 1,
    NoEarlyDeath = 2,
    LogoutIsFinal = 3,
    DeathIsOneWay = 4,
    ExpiryIsMonotone = 5,
    CountsIncrease = 6,
    SingleUse = 7,
    Identity = 9,
    PairAddsNothing = 10,
    CapHolds = 11,
    BoundToItsClient = 12,
}

/// All properties that a history can break.
pub(crate) const PROPERTIES: [Property; 11] = [
    Property::Soundness,
    Property::NoEarlyDeath,
    Property::LogoutIsFinal,
    Property::DeathIsOneWay,
    Property::ExpiryIsMonotone,
    Property::CountsIncrease,
    Property::SingleUse,
    Property::Identity,
    Property::PairAddsNothing,
    Property::CapHolds,
    Property::BoundToItsClient,
];

/// A property that does not hold.
pub(crate) struct Violation {
    pub(crate) property: Property,
    pub(crate) session: usize,
    pub(crate) what: String,
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { property, session, what } = self;
        write!(f, "{} ({property:?}) of session {session}: {what}", *property as usize)
    }
}

/// What a checker has found, and how often each property could have been broken.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) violations: Vec<Violation>,
    looked: [u64; 13],
}

impl Verdict {
    /// Judges one place in which the property could have been broken.
    fn judge(&mut self, property: Property, session: usize, broken: Option<String>) {
        self.looked[property as usize] += 1;
        self.violations.extend(broken.map(|what| Violation { property, session, what }));
    }

    /// In how many places the property was looked at.
    pub(crate) const fn looked(&self, property: Property) -> u64 {
        self.looked[property as usize]
    }

    /// Takes in what another part of a run has shown.
    pub(crate) fn add(&mut self, other: Self) {
        self.violations.extend(other.violations);
        self.looked.iter_mut().zip(other.looked).for_each(|(sum, more)| *sum += more);
    }
}

/// Judges a history.
pub(crate) fn check(history: &History) -> Verdict {
    let mut verdict = Verdict::default();
    let mut by_session: Vec<Vec<Event>> = vec![Vec::new(); history.sessions.len()];
    for event in &history.events {
        by_session[event.session].push(*event);
    }
    for (at, events) in by_session.iter_mut().enumerate() {
        events.extend(history.ends_of(at));
        events.sort_by_key(|event| event.start);
    }
    let mut tracks: Vec<Track<'_>> =
        by_session.iter().enumerate().map(|(at, events)| Track::new(history, at, events)).collect();
    let squeezes = cap::squeezes(history, &tracks);
    for track in &mut tracks {
        track.squeezed = cap::may_end(track, &squeezes);
        life::check(track, &mut verdict);
        death::check(track, &mut verdict);
        view::check(track, &mut verdict);
        pair::check(track, &mut verdict);
    }
    cap::check(history, &tracks, &mut verdict);
    verdict
}

impl History {
    /// The ends of all of the owner's sessions, as far as they are about this one.
    fn ends_of(&self, at: usize) -> Vec<Event> {
        let session = &self.sessions[at];
        let ends = self.owner_ends.iter().filter(|end| end.owner == session.owner);
        let meant = ends.filter(|end| session.opened.0 <= end.end);
        meant
            .map(|end| {
                // One that was opened meanwhile may have been spared.
                let is_sure = end.is_sure && session.opened.1 <= end.start;
                let outcome =
                    if is_sure { Outcome::True(View::default()) } else { Outcome::Unknown };
                let operation = Operation::End;
                let (start, end) = (end.start, end.end);
                Event { session: at, token: usize::MAX, operation, node: 0, start, end, outcome }
            })
            .collect()
    }
}

/// All that is known of one session, its events in the order of their starts.
struct Track<'a> {
    history: &'a History,
    at: usize,
    session: &'a Session,
    events: &'a [Event],
    /// When the last request began that showed it alive.
    seen_alive: Option<Moment>,
    /// From when on it may have ended for another session of its owner.
    squeezed: Moment,
}

impl<'a> Track<'a> {
    fn new(history: &'a History, at: usize, events: &'a [Event]) -> Self {
        let alive = events.iter().filter(|event| event.shows_life() && event.is_true());
        let seen_alive = alive.map(|event| event.start).max();
        let session = &history.sessions[at];
        Self { history, at, session, events, seen_alive, squeezed: Moment::MAX }
    }
}

impl Track<'_> {
    /// When the token may have been replaced first, if ever.
    fn replaced(&self, token: usize) -> Option<Moment> {
        self.rotations_of(token).map(|event| event.start).min()
    }

    /// The rotations that may have replaced the token, or one that came of it.
    fn rotations_of(&self, token: usize) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(move |event| match (event.operation, event.outcome) {
            (_, Outcome::False) => false,
            (Operation::Rotate(Some(new)), _) => new > token,
            (Operation::Rotate(None), _) => event.token >= token,
            _ => false,
        })
    }

    /// From when on the session may be dead before its time, whatever the reason; `token` is what is
    /// presented.
    fn may_end(&self, token: usize) -> Moment {
        let single_use = self.session.kind == Kind::SingleUse;
        let ends = self.events.iter().filter(|event| match event.operation {
            Operation::End => event.outcome != Outcome::False,
            Operation::UseElsewhere(_) => true,
            Operation::Use(_) if single_use => event.outcome != Outcome::False,
            Operation::Use(_) | Operation::Rotate(_) => self
                .replaced(event.token)
                .is_some_and(|replaced| self.history.latest(event) > replaced + REUSE),
            Operation::Look => false,
        });
        let first = ends.map(|event| event.start).min().unwrap_or(Moment::MAX);
        let replaced = self.replaced(token).unwrap_or(Moment::MAX);
        let lost = self.may_be_lost().unwrap_or(Moment::MAX);
        first.min(replaced).min(lost).min(self.squeezed)
    }

    /// When it was lost in a crash with all others.
    fn lost(&self) -> Option<Moment> {
        let crashes = self.losing(Loss::All);
        crashes.filter(|d| self.session.opened.0 <= d.end).map(|d| d.start).min()
    }

    /// When it was lost in a crash, or may have been.
    fn may_be_lost(&self) -> Option<Moment> {
        let (start, end) = self.session.opened;
        let failovers = self.losing(Loss::Tail);
        let behind = failovers.filter(|d| start <= d.end && end + LAG > d.start).map(|d| d.start);
        behind.chain(self.lost()).min()
    }

    /// The disturbances in which this is lost.
    fn losing(&self, loss: Loss) -> impl Iterator<Item = &Disturbance> {
        self.history.disturbances.iter().filter(move |d| d.loss == loss)
    }

    /// Whether a crash before `until` may have taken back a use that was answered at `used`.
    fn may_lose_use(&self, used: Moment, until: Moment) -> bool {
        let written = (self.session.ttl / 10).clamp(WRITTEN.0, WRITTEN.1) + BUSY;
        let lost = |loss, late: Duration| {
            self.losing(loss).any(|d| d.start < until && used + late > d.start && used < d.end)
        };
        lost(Loss::Uses, written) || lost(Loss::Tail, LAG)
    }
}

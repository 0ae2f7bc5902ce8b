//! What is recorded of a run: sessions, what was done to them, what the answer was, and what happened
//! to the services meanwhile.

use std::time::Duration;

/// A moment, counted from the start of the run by one monotonic clock.
pub(crate) type Moment = Duration;

/// How long a request may still be carried out after its client has given up.
const LATE: Duration = Duration::from_secs(2);

/// How a session ends by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sliding,
    Fixed,
    SingleUse,
}

impl Kind {
    /// As a request names it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sliding => "sliding",
            Self::Fixed => "fixed",
            Self::SingleUse => "single_use",
        }
    }
}

/// A session as it was opened.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// Whose it is.
    pub(crate) owner: usize,
    pub(crate) kind: Kind,
    pub(crate) ttl: Duration,
    /// No session lives longer, however it is used.
    pub(crate) max_lifetime: Duration,
    /// When it was asked for, and when the answer came.
    pub(crate) opened: (Moment, Moment),
}

/// What was asked of a service. A token is named by its number within its session: rotations count
/// upwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// It authenticates a request, which renews its time and counts.
    Use(Endpoint),
    /// It is used by another client than the one that its session is bound to.
    UseElsewhere(Endpoint),
    /// It is looked at, and stays as it is.
    Look,
    /// It is replaced, by the token of this number if the answer came.
    Rotate(Option<usize>),
    /// Its session is ended.
    End,
}

/// Where a token is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Validation,
    Batch,
    ForwardAuth,
    Session,
    /// Through the business service.
    Data,
}

/// What the answer shows of a live session; what it does not show is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) owner: Option<usize>,
    pub(crate) uses: Option<u64>,
    /// Whole seconds, rounded up.
    pub(crate) expires_in: Option<u64>,
}

/// What the answer was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Alive; or ended, where that was asked for.
    True(View),
    /// Dead.
    False,
    /// There was no answer, or one that says nothing: it may have happened or not.
    Unknown,
}

/// One request for one session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    /// Which session, by its place in the history.
    pub(crate) session: usize,
    pub(crate) token: usize,
    pub(crate) operation: Operation,
    pub(crate) node: usize,
    pub(crate) start: Moment,
    pub(crate) end: Moment,
    pub(crate) outcome: Outcome,
}

impl Event {
    pub(crate) const fn is_true(&self) -> bool {
        matches!(self.outcome, Outcome::True(_))
    }

    pub(crate) fn is_unknown(&self) -> bool {
        self.outcome == Outcome::Unknown
    }

    /// Whether it renews a session's time, if it is carried out.
    pub(crate) const fn is_use(&self) -> bool {
        matches!(self.operation, Operation::Use(_) | Operation::Rotate(_))
    }

    /// Whether it may have renewed a session's time, and counted.
    pub(crate) fn may_renew(&self) -> bool {
        // One that ends a session for where it comes from may have been a use first.
        let ends = matches!(self.operation, Operation::UseElsewhere(_));
        ends || (self.is_use() && self.outcome != Outcome::False)
    }

    /// Whether a yes says that the session is alive.
    pub(crate) fn shows_life(&self) -> bool {
        self.operation != Operation::End
    }

    /// What is shown of the session.
    pub(crate) const fn view(&self) -> Option<View> {
        match self.outcome {
            Outcome::True(view) => Some(view),
            _ => None,
        }
    }
}

/// All other sessions of somebody were ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnerEnd {
    pub(crate) owner: usize,
    pub(crate) start: Moment,
    pub(crate) end: Moment,
    /// Whether the answer said so.
    pub(crate) is_sure: bool,
}

/// Somebody opened a session, or may have: at the cap of a user, another one ends for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    pub(crate) owner: usize,
    pub(crate) start: Moment,
    pub(crate) end: Moment,
    /// Whether the answer said so.
    pub(crate) is_sure: bool,
}

/// What is lost in a crash of a service or of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Nothing is lost.
    Nothing,
    /// Uses of a tenth of the idle time are lost.
    Uses,
    /// What does not wait for a replica is lost where the one that took over had not received it:
    /// openings and uses of the last moments.
    Tail,
    /// All sessions are lost.
    All,
}

/// A time during which a service was disturbed on purpose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disturbance {
    pub(crate) what: &'static str,
    pub(crate) start: Moment,
    pub(crate) end: Moment,
    /// What is lost in it.
    pub(crate) loss: Loss,
}

/// A run, or a part of one.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) sessions: Vec<Session>,
    pub(crate) events: Vec<Event>,
    pub(crate) owner_ends: Vec<OwnerEnd>,
    /// How many sessions a user may have; 0 is no limit.
    pub(crate) cap: usize,
    pub(crate) openings: Vec<Opening>,
    pub(crate) disturbances: Vec<Disturbance>,
    /// How exactly times are measured.
    pub(crate) epsilon: Duration,
}

impl History {
    /// All that is known of one session, a line for each thing that happened.
    pub(crate) fn story(&self, session: usize) -> String {
        let whole = &self.sessions[session];
        let events = self.events.iter().filter(|event| event.session == session);
        let mut lines: Vec<(Moment, String)> =
            events.map(|event| (event.start, format!("{event:?}"))).collect();
        let ends = self.owner_ends.iter().filter(|end| end.owner == whole.owner);
        lines.extend(ends.map(|end| (end.start, format!("{end:?}"))));
        let openings = self.openings.iter().filter(|one| self.cap > 0 && one.owner == whole.owner);
        lines.extend(openings.map(|one| (one.start, format!("{one:?}"))));
        lines.extend(self.disturbances.iter().map(|d| (d.start, format!("{d:?}"))));
        lines.sort();
        let lines: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
        format!("{whole:?}\n{}", lines.join("\n"))
    }

    /// The latest moment at which something may have been carried out.
    pub(crate) fn latest(&self, event: &Event) -> Moment {
        if !event.is_unknown() {
            return event.end;
        }
        // A service that was stopped reads what was sent to it meanwhile once it goes on.
        let meets = |d: &&Disturbance| d.start <= event.end && event.start <= d.end;
        let disturbed = self.disturbances.iter().filter(meets).map(|d| d.end).max();
        disturbed.unwrap_or_default().max(event.end) + LATE
    }
}

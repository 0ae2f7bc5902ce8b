//! How long a session lives: no longer than its uses say, and no shorter.

use super::{Property, Track, Verdict};
use crate::events::{Event, Kind, Moment, Outcome};

pub(super) fn check(track: &Track<'_>, verdict: &mut Verdict) {
    for event in track.events.iter().filter(|event| event.shows_life()) {
        match event.outcome {
            Outcome::True(_) => {
                let broken = lives_too_long(track, event);
                verdict.judge(Property::Soundness, track.at, broken);
            }
            Outcome::False => {
                if let Some(until) = lives_for_sure(track, event) {
                    let broken = (event.end < until).then(|| {
                        format!("it is dead to {event:?}, and lives for sure until {until:?}")
                    });
                    // It counts as looked at only where it could have been wrong.
                    if broken.is_some() || event.end < until + track.session.ttl {
                        verdict.judge(Property::NoEarlyDeath, track.at, broken);
                    }
                }
            }
            Outcome::Unknown => {}
        }
    }
    // What is alive, and had to be, was a chance to be wrong as well.
    for event in track.events.iter().filter(|event| event.shows_life() && event.is_true()) {
        if lives_for_sure(track, event).is_some_and(|until| event.end < until) {
            verdict.judge(Property::NoEarlyDeath, track.at, None);
        }
    }
}

/// A yes that starts later than all that may have kept the session alive.
pub(super) fn lives_too_long(track: &Track<'_>, event: &Event) -> Option<String> {
    let session = track.session;
    let renewed = track.events.iter().filter(|other| {
        session.kind == Kind::Sliding
            && other.is_use()
            && other.outcome != Outcome::False
            && other.start < event.end
            && !std::ptr::eq(*other, event)
    });
    let latest = renewed.map(|other| track.history.latest(other)).max().unwrap_or_default();
    let latest = latest.max(session.opened.1);
    let until = (latest + session.ttl).min(session.opened.1 + session.max_lifetime);
    let late = event.start > until + track.history.epsilon;
    late.then(|| format!("it lives to {event:?}, and its time was up at {until:?}"))
}

/// Until when the session lives for sure to a request that ends at `event.end`, if that is known.
pub(super) fn lives_for_sure(track: &Track<'_>, event: &Event) -> Option<Moment> {
    let session = track.session;
    if track.may_end(event.token) < event.end {
        return None;
    }
    let opened = session.opened.0;
    let sliding = session.kind == Kind::Sliding;
    let renewed = track.events.iter().filter(|other| {
        sliding
            && other.is_use()
            && other.is_true()
            && other.end <= event.start
            && !track.may_lose_use(other.end, event.end)
    });
    let latest = renewed.map(|other| other.start).max().unwrap_or_default().max(opened);
    let until = (latest + session.ttl).min(opened + session.max_lifetime);
    Some(until.saturating_sub(track.history.epsilon))
}

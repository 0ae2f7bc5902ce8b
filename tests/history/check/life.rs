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
    let until = latest_end(track, |other| other.start < event.end && !std::ptr::eq(other, event));
    let late = event.start > until + track.history.epsilon;
    late.then(|| format!("it lives to {event:?}, and its time was up at {until:?}"))
}

/// When the session ends at the latest, if it was renewed by nothing but these.
pub(super) fn latest_end(track: &Track<'_>, by: impl Fn(&Event) -> bool) -> Moment {
    let session = track.session;
    let renewed = track
        .events
        .iter()
        .filter(|event| session.kind == Kind::Sliding && event.may_renew() && by(event));
    let latest = renewed.map(|event| track.history.latest(event)).max().unwrap_or_default();
    let latest = latest.max(session.opened.1);
    (latest + session.ttl).min(session.opened.1 + session.max_lifetime)
}

/// Until when the session lives for sure to a request that ends at `event.end`, if that is known.
pub(super) fn lives_for_sure(track: &Track<'_>, event: &Event) -> Option<Moment> {
    if track.may_end(event.token) < event.end {
        return None;
    }
    Some(sure_end(track, event.start, event.end).saturating_sub(track.history.epsilon))
}

/// When the session ends at the soonest for what happens from `start` to `end`, unless it is ended.
pub(super) fn sure_end(track: &Track<'_>, start: Moment, end: Moment) -> Moment {
    let session = track.session;
    let opened = session.opened.0;
    let sliding = session.kind == Kind::Sliding;
    let renewed = track.events.iter().filter(|other| {
        sliding
            && other.is_use()
            && other.is_true()
            && other.end <= start
            && !track.may_lose_use(other.end, end)
    });
    let latest = renewed.map(|other| other.start).max().unwrap_or_default().max(opened);
    (latest + session.ttl).min(opened + session.max_lifetime)
}

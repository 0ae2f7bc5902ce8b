//! What answers show of a session: whose it is, how often it was used, and until when it lives.

use std::time::Duration;

use super::{Property, Track, Verdict};
use crate::events::{Event, Kind, Loss, Moment};

pub(super) fn check(track: &Track<'_>, verdict: &mut Verdict) {
    let mut seen: Vec<&Event> = Vec::new();
    for event in track.events {
        let Some(view) = event.view() else {
            continue;
        };
        if let Some(owner) = view.owner {
            let broken = (owner != track.session.owner)
                .then(|| format!("it is user {}'s, and {event:?} says", track.session.owner));
            verdict.judge(Property::Identity, track.at, broken);
        }
        if let Some(uses) = view.uses {
            verdict.judge(Property::CountsIncrease, track.at, counted(track, event, uses, &seen));
        }
        if let Some(expires_in) = view.expires_in {
            let broken = expires(track, event, expires_in, &seen);
            verdict.judge(Property::ExpiryIsMonotone, track.at, broken);
        }
        seen.push(event);
    }
}

/// A count that another use has, too, or that is not above those before it, or above all uses.
fn counted(track: &Track<'_>, event: &Event, uses: u64, seen: &[&Event]) -> Option<String> {
    let tried = track.events.iter().filter(|other| other.may_renew() && other.start < event.end);
    let most = tried.count() as u64;
    if uses > most {
        return Some(format!("{event:?}, after {most} uses at most"));
    }
    let earlier = seen.iter().filter(|other| !crashed_between(track, other, event));
    let wrong = earlier.filter(|other| {
        let before = other.view().and_then(|view| view.uses).unwrap_or_default();
        let both_count = event.is_use() && other.is_use() && before > 0;
        (both_count && before == uses)
            || (other.end < event.start && before + u64::from(event.is_use()) > uses)
    });
    wrong.map(|other| format!("{event:?}, and {other:?}")).next()
}

/// A session that ends sooner than was said before, or later than it ever may.
fn expires(track: &Track<'_>, event: &Event, expires_in: u64, seen: &[&Event]) -> Option<String> {
    let (session, epsilon) = (track.session, track.history.epsilon);
    let (soonest, latest) = bounds(event, expires_in);
    if soonest > session.opened.1 + session.max_lifetime + epsilon {
        return Some(format!("{event:?} is past the end of its life"));
    }
    if Duration::from_secs(expires_in.saturating_sub(1)) >= session.ttl {
        return Some(format!("{event:?}, of {:?} at most", session.ttl));
    }
    let before = seen.iter().filter(|other| {
        session.kind == Kind::Sliding
            && other.end < event.start
            && !track.may_lose_use(other.end, event.end)
    });
    let wrong = before.filter(|other| {
        let told = other.view().and_then(|view| view.expires_in);
        told.is_some_and(|told| bounds(other, told).0 > latest + epsilon)
    });
    wrong.map(|other| format!("{event:?} ends sooner than {other:?}")).next()
}

/// Between which moments the session ends that is said to end in so many seconds, rounded up.
fn bounds(event: &Event, expires_in: u64) -> (Moment, Moment) {
    let less = Duration::from_secs(expires_in.saturating_sub(1));
    (event.start + less, event.end + Duration::from_secs(expires_in))
}

/// Whether counts may have been lost between two requests.
fn crashed_between(track: &Track<'_>, one: &Event, other: &Event) -> bool {
    let (first, last) = (one.start.min(other.start), one.end.max(other.end));
    let mut crashes = track.losing(Loss::Uses).chain(track.losing(Loss::Tail));
    crashes.any(|crash| crash.start <= last && first <= crash.end)
}

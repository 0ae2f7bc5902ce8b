//! What is dead stays dead, and what may be used once is.

use super::{Property, Track, Verdict};
use crate::events::{Event, Kind, Loss, Moment, Operation, Outcome};

pub(super) fn check(track: &Track<'_>, verdict: &mut Verdict) {
    let alive = || track.events.iter().filter(|event| event.shows_life() && event.is_true());
    let after = |moment: Moment| alive().filter(move |event| event.start > moment);
    if let Some(over) = over(track) {
        let found = after(over).next();
        let broken = found.map(|event| format!("it lives to {event:?}, and ended by {over:?}"));
        verdict.judge(Property::LogoutIsFinal, track.at, broken);
    }
    for (token, dead) in dead_tokens(track) {
        let found = after(dead).find(|event| event.token == token);
        let broken = found.map(|event| format!("{event:?} lives, and was dead by {dead:?}"));
        verdict.judge(Property::DeathIsOneWay, track.at, broken);
    }
    if track.session.kind == Kind::SingleUse {
        used_once(track, verdict);
    }
    let elsewhere = |event: &&Event| matches!(event.operation, Operation::UseElsewhere(_));
    for event in track.events.iter().filter(|event| elsewhere(event) && !event.is_unknown()) {
        let broken = event.is_true().then(|| format!("{event:?} is of another client"));
        verdict.judge(Property::BoundToItsClient, track.at, broken);
    }
}

/// From when on every token of the session is dead for sure.
pub(super) fn over(track: &Track<'_>) -> Option<Moment> {
    let ends = track.events.iter().filter(|event| match event.operation {
        Operation::End => event.is_true() && ends_for_sure(track, event),
        // Whoever used it elsewhere has ended it, unless its token had been replaced.
        Operation::UseElsewhere(_) => {
            event.outcome == Outcome::False
                && track.replaced(event.token).is_none_or(|replaced| replaced > event.end)
                && !may_come_back(track, event)
        }
        _ => false,
    });
    let lost = track.lost().and_then(|lost| {
        let crashes = track.losing(Loss::All);
        crashes.filter(|d| d.start >= lost && track.session.opened.1 < d.start).map(|d| d.end).min()
    });
    ends.map(|event| event.end).chain(lost).min()
}

/// Whether the end was of the session, and not of a token that has long been replaced: the one from
/// before the latest rotation still ends it.
fn ends_for_sure(track: &Track<'_>, event: &Event) -> bool {
    let rotations = track.rotations_of(event.token).filter(|other| other.start < event.end);
    event.token == usize::MAX || rotations.count() <= 1
}

/// Tokens that were answered to be dead, or ended, or replaced, and from when on.
pub(super) fn dead_tokens(track: &Track<'_>) -> Vec<(usize, Moment)> {
    let mut dead: Vec<(usize, Moment)> = Vec::new();
    for event in track.events {
        let is_dead = match event.operation {
            Operation::End => event.is_true() && event.token != usize::MAX,
            Operation::Rotate(Some(_)) => event.is_true(),
            _ => event.outcome == Outcome::False,
        };
        if is_dead && !may_come_back(track, event) {
            match dead.iter_mut().find(|(token, _)| *token == event.token) {
                Some((_, moment)) => *moment = event.end.min(*moment),
                None => dead.push((event.token, event.end)),
            }
        }
    }
    dead
}

/// Whether others saw an end that was never answered, which a crash may take back.
fn may_come_back(track: &Track<'_>, event: &Event) -> bool {
    let mut crashes = track.losing(Loss::Uses).chain(track.losing(Loss::Tail));
    let mut unanswered =
        track.events.iter().filter(|other| other.is_unknown() && other.start < event.end);
    crashes.any(|crash| crash.end > event.start) && unanswered.any(|other| may_kill(track, other))
}

/// Whether a token is dead once this is carried out.
fn may_kill(track: &Track<'_>, event: &Event) -> bool {
    match event.operation {
        Operation::End | Operation::Rotate(_) | Operation::UseElsewhere(_) => true,
        Operation::Use(_) => {
            track.session.kind == Kind::SingleUse || track.replaced(event.token).is_some()
        }
        Operation::Look => false,
    }
}

fn used_once(track: &Track<'_>, verdict: &mut Verdict) {
    let is_use = |event: &&Event| matches!(event.operation, Operation::Use(_)) && event.is_true();
    let uses: Vec<&Event> = track.events.iter().filter(is_use).collect();
    let Some(first) = uses.first() else {
        return;
    };
    let again = track.events.iter().find(|event| {
        event.operation == Operation::Look && event.is_true() && event.start > first.end
    });
    let broken = match (uses.get(1), again) {
        (Some(second), _) => Some(format!("it was used by {first:?} and by {second:?}")),
        (None, Some(look)) => Some(format!("it was used by {first:?}, and lives to {look:?}")),
        (None, None) => None,
    };
    verdict.judge(Property::SingleUse, track.at, broken);
}

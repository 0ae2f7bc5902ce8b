//! That the business service adds nothing: what it lets in was alive, and what it refuses was not. A
//! 503 says neither.

use super::{Property, Track, Verdict, death, life};
use crate::events::{Endpoint, Event, Operation, Outcome};

pub(super) fn check(track: &Track<'_>, verdict: &mut Verdict) {
    let through = |event: &&Event| event.operation == Operation::Use(Endpoint::Data);
    for event in track.events.iter().filter(through) {
        let broken = match event.outcome {
            Outcome::True(_) => let_in_too_late(track, event),
            Outcome::False => life::lives_for_sure(track, event)
                .filter(|until| event.end < *until)
                .map(|until| format!("it refuses {event:?}, which lives until {until:?}")),
            Outcome::Unknown => continue,
        };
        verdict.judge(Property::PairAddsNothing, track.at, broken);
    }
}

fn let_in_too_late(track: &Track<'_>, event: &Event) -> Option<String> {
    let dead = death::dead_tokens(track).into_iter().find(|(token, _)| *token == event.token);
    let over = dead.map(|(_, moment)| moment).into_iter().chain(death::over(track)).min();
    let late = over.filter(|over| event.start > *over);
    let late = late.map(|over| format!("it lets in {event:?}, which was dead by {over:?}"));
    late.or_else(|| life::lives_too_long(track, event))
}

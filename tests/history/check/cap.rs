//! The cap of a user's sessions: how many live at once, and which may have ended for a new one.

use std::time::Duration;

use super::{BUSY, Property, Track, Verdict, death, life};
use crate::events::{History, Moment, Opening};

/// How long before an opening nothing may be unclear where sessions are counted: those that were
/// opened just before it may have been in the middle of something.
const BEFORE: Duration = Duration::from_secs(3);

/// An opening at which another session of the owner may have ended.
pub(super) struct Squeeze {
    owner: usize,
    start: Moment,
    end: Moment,
    /// A session that was to end by then outlived it: none that was to end later ended for it.
    outlived_by: Moment,
}

/// The openings of a history at which the cap may have been reached, in the order of their starts.
pub(super) fn squeezes(history: &History, tracks: &[Track<'_>]) -> Vec<Squeeze> {
    if history.cap == 0 {
        return Vec::new();
    }
    let unclear = unclear(history);
    let squeeze = |opening: &Opening| Squeeze {
        owner: opening.owner,
        start: opening.start,
        end: opening.end,
        outlived_by: if is_clear(opening, &unclear, Duration::ZERO) {
            let outlived = tracks.iter().filter(|track| outlives(track, opening));
            let ends = outlived
                .map(|track| life::latest_end(track, |renewal| renewal.start < opening.end));
            ends.min().unwrap_or(Moment::MAX)
        } else {
            Moment::MAX
        },
    };
    let gone: Vec<(usize, Moment)> = tracks.iter().map(gone).collect();
    let reaches_it = |opening: &&Opening| others(history, &gone, opening) >= history.cap;
    let mut squeezes: Vec<Squeeze> =
        history.openings.iter().filter(reaches_it).map(squeeze).collect();
    squeezes.sort_unstable_by_key(|squeeze| squeeze.start);
    squeezes
}

/// How many other sessions of its owner may live at an opening.
fn others(history: &History, gone: &[(usize, Moment)], opening: &Opening) -> usize {
    let before = history.openings.iter().filter(|other| {
        other.owner == opening.owner && other.start <= opening.end && other.start != opening.start
    });
    let gone = gone.iter().filter(|(owner, by)| *owner == opening.owner && *by < opening.start);
    before.count().saturating_sub(gone.count())
}

/// Whose the session is, and by when it is over for sure.
fn gone(track: &Track<'_>) -> (usize, Moment) {
    let latest = life::latest_end(track, |_| true) + track.history.epsilon;
    let ended = death::over(track).unwrap_or(Moment::MAX);
    (track.session.owner, latest.min(ended))
}

/// From when on the session may have ended for another one of its owner.
pub(super) fn may_end(track: &Track<'_>, squeezes: &[Squeeze]) -> Moment {
    let (session, epsilon) = (track.session, track.history.epsilon);
    let mut others = squeezes.iter().filter(|other| {
        other.owner == session.owner
            && other.start != session.opened.0
            && other.end >= session.opened.0
    });
    let first = others.find(|other| {
        life::sure_end(track, other.start, other.end) <= other.outlived_by.saturating_add(epsilon)
    });
    first.map_or(Moment::MAX, |squeeze| squeeze.start)
}

/// Whether no more live than may, once an opening was answered.
pub(super) fn check(history: &History, tracks: &[Track<'_>], verdict: &mut Verdict) {
    let unclear = unclear(history);
    let openings = history.openings.iter().filter(|_| history.cap > 0);
    for opening in openings.filter(|opening| is_clear(opening, &unclear, BEFORE)) {
        let lives = |track: &&Track<'_>| {
            track.session.owner == opening.owner
                && track.session.opened.1 <= opening.end
                && track.seen_alive >= Some(opening.end)
        };
        let live: Vec<usize> = tracks.iter().filter(lives).map(|track| track.at).collect();
        // Where hardly any live, there was no chance to be wrong.
        let Some(newest) = live.last().filter(|_| live.len() * 2 >= history.cap) else {
            continue;
        };
        let broken = (live.len() > history.cap)
            .then(|| format!("{} sessions live after {opening:?}: {live:?}", live.len()));
        verdict.judge(Property::CapHolds, *newest, broken);
    }
}

/// Whether a session that the opening had to count lives on after it.
fn outlives(track: &Track<'_>, opening: &Opening) -> bool {
    track.session.owner == opening.owner
        && track.session.opened.1 <= opening.start
        && track.seen_alive > Some(opening.end)
}

/// When something was disturbed, or was not answered.
fn unclear(history: &History) -> Vec<(Moment, Moment)> {
    let disturbed = history.disturbances.iter();
    let disturbed = disturbed.map(|d| (d.start.saturating_sub(BUSY), d.end + BUSY));
    let unknown = history.events.iter().filter(|event| event.is_unknown());
    disturbed.chain(unknown.map(|event| (event.start, event.end))).collect()
}

/// Whether all was clear during the opening, and for a while before it. Where a store does not answer, a
/// session that cannot be looked at is passed over, and another one ends.
fn is_clear(opening: &Opening, unclear: &[(Moment, Moment)], before: Duration) -> bool {
    let since = opening.start.saturating_sub(before);
    let mut meets = unclear.iter().filter(|(start, end)| *start <= opening.end && since <= *end);
    opening.is_sure && meets.next().is_none()
}

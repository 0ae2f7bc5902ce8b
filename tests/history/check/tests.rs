//! Small histories, each with one thing wrong, and such as look wrong and are not.

use std::time::Duration;

use super::{Property, check};
use crate::events::{
    Disturbance, Endpoint, Event, History, Kind, Loss, Opening, Operation, Outcome, OwnerEnd,
    Session, View,
};

const USE: Operation = Operation::Use(Endpoint::Validation);

/// A history of one session of user 0, which was opened in the first 10 ms and is idle for 2 s at
/// most.
struct Story(History);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn alive(uses: u64) -> Outcome {
    Outcome::True(View { owner: Some(0), uses: Some(uses), expires_in: Some(2) })
}

fn shown() -> Outcome {
    Outcome::True(View::default())
}

impl Story {
    fn of(kind: Kind) -> Self {
        let session = Session {
            owner: 0,
            kind,
            ttl: ms(2_000),
            max_lifetime: ms(12_000),
            opened: (ms(0), ms(10)),
        };
        Self(History { sessions: vec![session], epsilon: ms(100), ..History::default() })
    }

    /// A request of 10 ms with the first token.
    fn at(self, start: u64, operation: Operation, outcome: Outcome) -> Self {
        self.with(0, start, operation, outcome)
    }

    fn with(mut self, token: usize, start: u64, operation: Operation, outcome: Outcome) -> Self {
        let (start, end) = (ms(start), ms(start + 10));
        self.0.events.push(Event { session: 0, token, operation, node: 0, start, end, outcome });
        self
    }

    fn crashed(mut self, start: u64, loss: Loss) -> Self {
        let (start, end) = (ms(start), ms(start + 300));
        self.0.disturbances.push(Disturbance { what: "killed", start, end, loss });
        self
    }

    #[track_caller]
    fn breaks(self, property: Property) {
        let found: Vec<_> = check(&self.0).violations.iter().map(|v| v.property).collect();
        assert!(found.contains(&property), "{found:?}");
    }

    #[track_caller]
    fn holds(self) {
        let found = check(&self.0).violations;
        assert!(found.is_empty(), "{found:?}");
    }
}

#[test]
fn a_session_lives_as_long_as_its_latest_use_says_and_no_longer() {
    let used = || Story::of(Kind::Sliding).at(1_500, USE, alive(1));
    used().at(3_400, USE, alive(2)).holds();
    used().at(3_700, Operation::Look, shown()).breaks(Property::Soundness);
    used().at(3_000, USE, Outcome::Unknown).at(4_900, Operation::Look, shown()).holds();
    used().at(3_300, USE, Outcome::False).breaks(Property::NoEarlyDeath);
    used().at(3_450, USE, Outcome::False).holds();
    used().at(9_000, USE, Outcome::False).holds();
    Story::of(Kind::Fixed)
        .at(1_500, USE, shown())
        .at(2_300, USE, shown())
        .breaks(Property::Soundness);
}

#[test]
fn no_use_moves_the_end_of_its_life() {
    let uses =
        (1..=11).fold(Story::of(Kind::Sliding), |story, n| story.at(n * 1_000, USE, alive(n)));
    uses.at(12_300, USE, shown()).breaks(Property::Soundness);
}

#[test]
fn what_was_logged_out_is_dead_to_all_its_tokens_however_it_was_ended() {
    let out = || Story::of(Kind::Sliding).at(100, Operation::End, shown());
    out().at(200, Operation::Look, Outcome::False).holds();
    out().at(200, Operation::Look, shown()).breaks(Property::LogoutIsFinal);
    out().at(105, Operation::Look, shown()).holds();
    let unknown = Story::of(Kind::Sliding).at(100, Operation::End, Outcome::Unknown);
    unknown.at(200, USE, alive(1)).at(300, USE, Outcome::False).holds();
    let rotated = Story::of(Kind::Sliding).at(50, Operation::Rotate(Some(1)), shown());
    let rotated = rotated.at(100, Operation::End, shown());
    rotated.with(1, 200, USE, shown()).breaks(Property::LogoutIsFinal);
    let mut by_owner = Story::of(Kind::Sliding).at(400, USE, shown());
    let (start, end) = (ms(100), ms(120));
    by_owner.0.owner_ends.push(OwnerEnd { owner: 0, start, end, is_sure: true });
    by_owner.breaks(Property::LogoutIsFinal);
    let mut meanwhile = Story::of(Kind::Sliding).at(400, USE, shown());
    meanwhile.0.owner_ends.push(OwnerEnd { owner: 0, start: ms(5), end, is_sure: true });
    meanwhile.holds();
}

#[test]
fn an_old_token_ends_nothing_but_itself() {
    let rotated = || {
        let story = Story::of(Kind::Sliding).at(50, Operation::Rotate(Some(1)), shown());
        story.with(1, 80, Operation::Rotate(Some(2)), shown()).at(100, Operation::End, shown())
    };
    rotated().with(2, 200, USE, shown()).holds();
    rotated().with(0, 200, USE, shown()).breaks(Property::DeathIsOneWay);
}

#[test]
fn a_dead_token_stays_dead() {
    let dead = || {
        Story::of(Kind::Sliding).at(100, Operation::End, Outcome::Unknown).at(
            200,
            Operation::Look,
            Outcome::False,
        )
    };
    dead().at(300, Operation::Look, shown()).breaks(Property::DeathIsOneWay);
    // An end that was never answered may come undone by a crash.
    dead().crashed(250, Loss::Uses).at(600, Operation::Look, shown()).holds();
    let rotated = || Story::of(Kind::Sliding).at(50, Operation::Rotate(Some(1)), shown());
    rotated().at(100, USE, Outcome::False).with(1, 110, USE, shown()).holds();
    rotated().with(1, 110, USE, Outcome::False).breaks(Property::NoEarlyDeath);
    rotated().at(55, USE, shown()).holds();
    rotated().at(100, USE, shown()).breaks(Property::DeathIsOneWay);
}

#[test]
fn expiry_is_monotone_and_within_bounds() {
    let look = |expires_in| Outcome::True(View { expires_in: Some(expires_in), ..View::default() });
    let story = || Story::of(Kind::Sliding);
    story().at(100, USE, look(2)).at(1_000, Operation::Look, look(2)).holds();
    story()
        .at(100, USE, look(2))
        .at(150, Operation::Look, look(0))
        .breaks(Property::ExpiryIsMonotone);
    story().at(100, USE, look(3)).breaks(Property::ExpiryIsMonotone);
    let late = (1..=11).fold(story(), |story, n| story.at(n * 1_000, USE, shown()));
    late.at(11_500, USE, look(2)).breaks(Property::ExpiryIsMonotone);
    // A crash takes back the uses of a moment.
    story()
        .at(100, USE, look(2))
        .crashed(200, Loss::Uses)
        .at(600, Operation::Look, look(1))
        .holds();
}

#[test]
fn counts_increase_and_are_each_ones_own() {
    let story = || Story::of(Kind::Sliding);
    story().at(100, USE, alive(1)).at(200, USE, alive(2)).holds();
    story().at(100, USE, alive(1)).at(200, USE, alive(1)).breaks(Property::CountsIncrease);
    story().at(100, USE, alive(2)).at(105, USE, alive(2)).breaks(Property::CountsIncrease);
    story().at(100, USE, alive(2)).breaks(Property::CountsIncrease);
    story().at(50, USE, Outcome::Unknown).at(100, USE, alive(2)).holds();
    let crashed = story().at(100, USE, alive(1)).crashed(200, Loss::Uses);
    crashed.at(600, USE, alive(1)).holds();
    let crashed = story().at(100, USE, alive(1)).crashed(200, Loss::Uses);
    crashed.at(600, USE, alive(3)).breaks(Property::CountsIncrease);
}

#[test]
fn a_single_use_is_one() {
    let story = || Story::of(Kind::SingleUse);
    story().at(100, USE, shown()).at(200, USE, Outcome::False).holds();
    story().at(100, USE, shown()).at(105, USE, shown()).breaks(Property::SingleUse);
    story().at(100, USE, shown()).at(200, Operation::Look, shown()).breaks(Property::SingleUse);
    story().at(100, USE, Outcome::False).breaks(Property::NoEarlyDeath);
    story().at(100, USE, Outcome::Unknown).at(200, USE, Outcome::False).holds();
}

#[test]
fn a_session_is_its_owners() {
    let other = Outcome::True(View { owner: Some(1), ..View::default() });
    Story::of(Kind::Sliding).at(100, USE, other).breaks(Property::Identity);
}

#[test]
fn the_business_service_lets_in_what_lives_and_refuses_nothing_else() {
    let data = Operation::Use(Endpoint::Data);
    let story = || Story::of(Kind::Sliding);
    story().at(100, data, Outcome::Unknown).at(200, data, shown()).holds();
    story().at(100, data, Outcome::False).breaks(Property::PairAddsNothing);
    story().at(2_300, data, shown()).breaks(Property::PairAddsNothing);
    let out = || story().at(100, Operation::End, shown());
    out().at(200, data, shown()).breaks(Property::PairAddsNothing);
    out().at(200, data, Outcome::False).holds();
    let dead = story().at(100, Operation::End, Outcome::Unknown).at(200, USE, Outcome::False);
    dead.at(300, data, shown()).breaks(Property::PairAddsNothing);
}

#[test]
fn a_crash_takes_what_its_store_says() {
    let story = || Story::of(Kind::Sliding).at(1_500, USE, alive(1));
    story().crashed(1_600, Loss::Uses).at(2_500, USE, Outcome::False).holds();
    story()
        .crashed(1_600, Loss::Nothing)
        .at(2_500, USE, Outcome::False)
        .breaks(Property::NoEarlyDeath);
    story().crashed(1_600, Loss::All).at(2_500, USE, Outcome::False).holds();
    story().crashed(1_600, Loss::All).at(2_500, USE, shown()).breaks(Property::LogoutIsFinal);
    // The opening itself is never lost.
    Story::of(Kind::Sliding)
        .crashed(100, Loss::Uses)
        .at(600, USE, Outcome::False)
        .breaks(Property::NoEarlyDeath);
}

#[test]
fn a_replaced_token_that_is_used_much_later_may_end_its_session() {
    let story = |late: u64| {
        let uses = (1..=5).fold(
            Story::of(Kind::Sliding).at(50, Operation::Rotate(Some(1)), shown()),
            |story, n| story.with(1, n * 1_900, USE, shown()),
        );
        uses.at(late, USE, Outcome::False).with(1, late + 50, USE, Outcome::False)
    };
    story(9_600).holds();
    story(2_000).breaks(Property::NoEarlyDeath);
}

#[test]
fn a_replica_that_takes_over_lacks_openings_and_uses_of_the_last_moments_alone() {
    let story = || Story::of(Kind::Sliding).at(1_500, USE, alive(1));
    story().crashed(1_600, Loss::Tail).at(2_500, USE, Outcome::False).holds();
    story().crashed(1_600, Loss::Tail).at(2_500, USE, alive(1)).holds();
    let opened_before = || {
        let mut story = Story::of(Kind::Sliding);
        story.0.sessions[0].ttl = ms(12_000);
        story
    };
    let lost = opened_before().at(2_600, USE, Outcome::False);
    lost.crashed(2_300, Loss::Tail).breaks(Property::NoEarlyDeath);
    opened_before().crashed(1_500, Loss::Tail).at(2_600, USE, Outcome::False).holds();
    // What waits for a replica stays.
    let out = story().at(1_550, Operation::End, shown()).crashed(1_600, Loss::Tail);
    out.at(2_500, USE, shown()).breaks(Property::LogoutIsFinal);
    let rotated = story().at(1_550, Operation::Rotate(Some(1)), shown());
    let rotated = rotated.crashed(1_600, Loss::Tail).at(2_500, USE, shown());
    rotated.breaks(Property::DeathIsOneWay);
    let once = || Story::of(Kind::SingleUse);
    let used = once().at(100, USE, shown()).crashed(200, Loss::Tail).at(600, USE, shown());
    used.breaks(Property::SingleUse);
    // What was never answered does not have to.
    let unanswered = once().at(100, USE, Outcome::Unknown).at(150, USE, Outcome::False);
    unanswered.crashed(200, Loss::Tail).at(600, USE, shown()).holds();
}

#[test]
fn a_bound_session_is_let_in_from_elsewhere_never_and_is_over_once_it_was_tried() {
    let elsewhere = Operation::UseElsewhere(Endpoint::Validation);
    let story = || Story::of(Kind::Sliding).at(50, USE, alive(1));
    story().at(100, elsewhere, shown()).breaks(Property::BoundToItsClient);
    let refused = || story().at(100, elsewhere, Outcome::False);
    refused().at(200, USE, Outcome::False).holds();
    refused().at(200, USE, alive(2)).breaks(Property::LogoutIsFinal);
    // It was a use as well, until it was refused.
    refused().at(105, USE, alive(3)).holds();
    let unknown = || story().at(100, elsewhere, Outcome::Unknown);
    unknown().at(200, USE, Outcome::False).holds();
    unknown().at(200, USE, alive(2)).holds();
    // A token that has been replaced says nothing of its session.
    let replaced = story().at(60, Operation::Rotate(Some(1)), shown());
    replaced.at(100, elsewhere, Outcome::False).with(1, 200, USE, shown()).holds();
}

/// The sessions of a user with a cap of two, each opened 100 ms after the one before it and idle for
/// so many milliseconds at most.
fn capped(idle: &[u64]) -> Story {
    let mut story = Story::of(Kind::Sliding);
    story.0.cap = 2;
    let sessions = (0..).zip(idle).map(|(at, idle)| Session {
        ttl: ms(*idle),
        opened: (ms(at * 100), ms(at * 100 + 10)),
        ..story.0.sessions[0].clone()
    });
    story.0.sessions = sessions.collect();
    let opening = |session: &Session| {
        let (start, end) = session.opened;
        Opening { owner: 0, start, end, is_sure: true }
    };
    story.0.openings = story.0.sessions.iter().map(opening).collect();
    story
}

impl Story {
    /// A look of 10 ms at another session than the first.
    fn look_at(self, session: usize, start: u64, outcome: Outcome) -> Self {
        let mut story = self.at(start, Operation::Look, outcome);
        story.0.events.last_mut().unwrap().session = session;
        story
    }
}

#[test]
fn no_user_has_more_sessions_than_the_cap() {
    let all = |story: Story| (0..3).fold(story, |story, at| story.look_at(at, 300, shown()));
    all(capped(&[2_000, 2_000, 2_000])).breaks(Property::CapHolds);
    let mut others = capped(&[2_000, 2_000, 2_000]);
    others.0.sessions[0].owner = 1;
    all(others).holds();
    let mut unlimited = capped(&[2_000, 2_000, 2_000]);
    unlimited.0.cap = 0;
    all(unlimited).holds();
    // The last opening is not over, and the first may end for it yet.
    capped(&[2_000, 2_000, 2_000]).look_at(0, 205, shown()).look_at(1, 300, shown()).holds();
    // What could not be looked at lives on until the next opening.
    all(capped(&[2_000, 2_000, 2_000]).crashed(250, Loss::Nothing)).holds();
}

#[test]
fn for_another_session_the_one_ends_that_would_end_soonest() {
    let story = |idle| capped(&[1_000, idle, 2_000]).look_at(2, 300, shown());
    story(2_000).look_at(0, 300, Outcome::False).look_at(1, 300, shown()).holds();
    let wrong = |story: Story| story.look_at(0, 300, shown()).look_at(1, 300, Outcome::False);
    wrong(story(2_000)).breaks(Property::NoEarlyDeath);
    // Nobody has seen the other one since.
    story(2_000).look_at(1, 300, Outcome::False).holds();
    // A use has moved the other's end to hardly sooner than its own.
    wrong(story(1_100)).breaks(Property::NoEarlyDeath);
    wrong(story(1_100).at(150, USE, shown())).holds();
    // What could not be looked at is passed over.
    wrong(story(2_000)).crashed(150, Loss::Nothing).holds();
    // There was room for all.
    let mut roomy = story(2_000).look_at(1, 300, Outcome::False);
    roomy.0.cap = 3;
    roomy.breaks(Property::NoEarlyDeath);
    let mut ended = story(2_000).at(120, Operation::End, shown());
    ended = ended.look_at(1, 300, Outcome::False);
    ended.breaks(Property::NoEarlyDeath);
}

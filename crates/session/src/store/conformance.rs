//! What every session store must do. Each sentence of the trait's documentation is a case here, by
//! name; each store runs all of them, each against a store of its own that is empty.
//!
//! Cases speak of time in units, so that a store whose time is real can run them too: nothing is
//! decided here by less than one unit.

#![expect(clippy::disallowed_methods, reason = "a test awaits its tasks, or ends with them")]

pub(crate) mod broken;
pub(crate) mod events;
mod fixture;
pub(crate) mod insert;
pub(crate) mod minting;
pub(crate) mod presenting;
pub(crate) mod quota;
pub(crate) mod removing;
pub(crate) mod reuse;
pub(crate) mod rotating;
pub(crate) mod subjects;
pub(crate) mod sweeping;
pub(crate) mod uses;
pub(crate) mod values;
pub(crate) mod walking;

use std::pin::Pin;

pub(crate) use self::fixture::{
    Client, Fixture, Held, batch, end_of, fresh_digest, fresh_id, held, logout, look, someone,
    subject, use_of,
};

/// Hands the list of all cases, by file, to the macro `$then`.
macro_rules! for_each_case {
    ($then:ident) => {
        $then! {
            insert: [
                a_new_session_stands_as_it_was_given
                a_fixed_session_expires_at_its_absolute_end
                an_id_in_use_is_taken_and_nothing_changes
                an_expired_id_that_is_taken_stays_dead
                of_many_inserts_of_one_id_one_creates_it
            ]
            quota: [
                past_the_cap_the_others_that_would_end_soonest_end
                the_cap_never_ends_the_new_session
                a_cap_of_one_leaves_the_new_session
                a_use_saves_a_session_from_the_cap
                expired_sessions_do_not_count_for_the_cap
                a_cap_that_shrank_ends_as_many_as_it_takes
                no_cap_ends_nothing
                the_cap_of_one_subject_ends_no_session_of_another
                a_taken_id_ends_nothing_at_the_cap
            ]
            minting: [
                a_mint_whose_maker_lives_stands_and_its_maker_is_only_looked_at
                a_mint_past_the_cap_may_end_its_maker
                a_mint_whose_maker_is_dead_is_undone_and_ends_no_other
                of_many_mints_at_once_those_that_are_refused_end_no_other
            ]
            uses: [
                a_use_gives_a_sliding_session_its_full_idle_time_again
                no_use_passes_the_absolute_end
                a_use_is_counted_and_dated
                a_use_leaves_what_the_session_is
                a_fixed_session_ends_at_its_moment_however_it_is_used
                a_single_use_session_ends_with_its_first_use
                of_many_uses_of_a_single_use_session_at_once_one_succeeds
                uses_at_once_are_all_counted
                a_look_changes_nothing
                a_look_does_not_use_up_a_single_use_session
            ]
            presenting: [
                a_wrong_secret_is_unknown_and_changes_nothing
                a_wrong_secret_does_not_use_up_a_single_use_session
                a_wrong_secret_of_an_expired_session_is_unknown
                an_id_that_never_was_is_unknown
                an_expired_session_is_dead_before_any_sweep
                an_expired_session_stays_dead_however_often_it_is_presented
                an_empty_batch_gets_no_answers
                a_token_named_twice_is_used_twice
                a_large_mixed_batch_is_answered_in_order
            ]
            rotating: [
                a_rotation_replaces_the_secret_and_nothing_else
                a_rotation_is_a_use_whatever_the_intent
                a_rotation_gives_another_role_if_one_is_named
                a_rotation_keeps_the_values
                of_many_rotations_at_once_one_succeeds
                a_rotation_of_what_is_dead_creates_nothing
            ]
            reuse: [
                a_replaced_secret_opens_nothing_and_changes_nothing
                an_end_with_either_secret_ends_the_session
                an_end_ends_a_session_of_any_kind_once
                a_further_rotation_forgets_the_secret_before_the_last
                a_reuse_is_theft_once_the_grace_is_over
                a_reuse_within_the_grace_is_theft_from_another_client
                nothing_but_a_replaced_secret_of_a_live_session_is_a_reuse
                a_rotated_session_is_otherwise_what_it_was
                no_rotation_at_the_same_time_saves_a_session_from_its_end
                of_many_reuses_at_once_one_ends_the_session
            ]
            removing: [
                a_removed_session_is_dead_at_once
                a_removal_is_true_once
                removing_an_expired_session_is_false
                a_removed_session_is_not_revived_by_a_later_touch
                a_removed_session_is_not_revived_by_a_concurrent_touch
                a_removed_session_is_not_revived_by_a_concurrent_rotation
                a_removed_session_is_not_revived_by_a_concurrent_write
            ]
            subjects: [
                a_list_shows_a_subjects_live_sessions_and_only_looks
                an_expired_session_is_not_listed
                a_session_shows_its_subject_as_known_when_it_was_opened
                removing_a_subject_ends_its_sessions_and_no_others
                removing_a_subject_names_only_those_that_were_live
                only_sessions_of_a_lower_generation_end
                the_spared_session_lives_on_and_is_raised
                a_spared_session_of_a_higher_generation_is_not_lowered
                a_spared_session_stays_as_it_is_without_a_generation
                an_external_subject_and_scopes_are_part_of_every_answer
                an_external_subject_is_none_of_our_users_whatever_it_is_called
            ]
            values: [
                a_live_session_begins_without_values_and_a_dead_one_has_none
                a_value_is_stored_until_it_is_deleted
                deleting_what_is_not_there_is_no_error
                no_version_comes_twice_in_a_session
                a_write_needs_its_condition
                a_deletion_needs_its_condition
                of_many_swaps_of_one_version_one_succeeds
                the_limit_is_on_keys_and_values_together
                what_is_replaced_or_deleted_makes_room
                nothing_is_written_to_a_dead_session
                a_write_is_no_use
            ]
            sweeping: [
                the_count_follows_what_comes_and_goes
                a_sweep_takes_what_has_expired_and_nothing_else
                a_sweep_spares_what_was_used_since
                a_sweep_changes_no_answer_but_expired_to_unknown
                a_store_answers_and_has_a_name
            ]
            events: [
                a_session_that_is_opened_and_rotated_is_an_event_each
                an_end_by_a_token_is_one_event_with_its_cause
                a_removal_is_one_event_with_its_cause
                the_last_use_of_a_single_use_session_is_its_event
                what_ends_past_the_cap_says_so_and_not_who_opened_the_new_one
                a_mint_that_is_undone_was_opened_and_ended
                a_reuse_is_one_event
                what_expired_is_one_event_when_it_is_found
                what_changes_no_session_is_no_event
                an_event_says_what_its_session_is_and_who_did_it
                the_events_of_a_session_come_in_its_order_in_any_race
                an_event_of_no_session_is_stored_among_the_others
                a_reader_goes_on_where_it_was_and_made_up_positions_are_gone
            ]
            walking: [
                a_walk_shows_every_live_session_and_only_looks
                a_walk_misses_nothing_that_stays_while_others_come_and_go
                each_of_many_ends_and_tells_whether_it_lived
                many_subjects_end_as_each_would_by_itself
                what_outlives_the_process_remembers_its_database
                a_checkpoint_is_written_only_over_the_one_that_was_read
                of_many_swaps_of_one_checkpoint_one_succeeds
            ]
        }
    };
}
pub(crate) use for_each_case;

/// A named case.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(Fixture) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

macro_rules! listed {
    ($($file:ident: [$($case:ident)*])*) => {
        /// All cases.
        pub(crate) const CASES: &[Case] = &[$($(Case {
            name: stringify!($case),
            run: |fixture| Box::pin(async move { $file::$case(&fixture).await }),
        },)*)*];
    };
}
for_each_case!(listed);

/// Runs all cases, each on a fixture of its own, and names those that failed.
pub(crate) async fn failures(fixture: impl Fn() -> Fixture) -> Vec<&'static str> {
    let mut failed = Vec::new();
    for case in CASES {
        if tokio::spawn((case.run)(fixture())).await.is_err() {
            failed.push(case.name);
        }
    }
    failed
}

/// Writes a test for each case, on a fixture of the name `fixture` that is in scope.
macro_rules! conformance_tests {
    ($($file:ident: [$($case:ident)*])*) => { $($(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            $crate::store::conformance::$file::$case(&fixture()).await;
        }
    )*)* };
}
pub(crate) use conformance_tests;

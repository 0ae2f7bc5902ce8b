//! One suite for every database: what a directory promises, asked of SQLite in memory, SQLite in a
//! file, and a PostgreSQL that the suite starts itself.

mod accounts;
mod endings;
mod imports;
mod logins;
mod names;
mod notices;
mod openings;
mod outages;
mod outbox;
mod server;
mod services;
mod tickets;

use std::sync::Arc;

use clock::ManualClock;
use uuid::Uuid;

use crate::{
    DatabaseUrl, Directory, DirectoryOptions, HashingOptions, ImportedUser, NewUser, Password,
    User, UserChanges,
};

const PASSWORD: &str = "ten thousand balloons";

/// An empty database for one case.
#[derive(Clone)]
struct Fixture {
    url: DatabaseUrl,
    clock: ManualClock,
}

impl Fixture {
    fn new(url: &str) -> Self {
        Self { url: url.parse().unwrap(), clock: ManualClock::new() }
    }

    /// Opens a directory with hashes that cost next to nothing.
    async fn open(&self) -> Directory {
        self.open_with(false).await
    }

    /// Whether all who open it have the same users.
    fn is_shared(&self) -> bool {
        self.url != DatabaseUrl::in_memory()
    }

    async fn open_with(&self, demo: bool) -> Directory {
        let hashing = HashingOptions {
            memory_kib: 16,
            passes: 1,
            permits: 4,
            waiting: 1000,
            ..HashingOptions::default()
        };
        let options =
            DirectoryOptions { database: self.url.clone(), demo, hashing, ..Default::default() };
        Directory::open(options, Arc::new(self.clock.clone())).await.unwrap()
    }
}

fn new_user(email: &str, roles: &[&str]) -> NewUser {
    NewUser {
        email: email.to_owned(),
        password: Password::from(PASSWORD),
        first_name: None,
        last_name: None,
        roles: roles.iter().map(ToString::to_string).collect(),
        email_verified: true,
    }
}

async fn add(directory: &Directory, email: &str, roles: &[&str]) -> User {
    directory.create(new_user(email, roles)).await.unwrap()
}

fn roles(names: &[&str]) -> UserChanges {
    let names = names.iter().map(ToString::to_string).collect();
    UserChanges { roles: Some(names), ..UserChanges::default() }
}

fn disabled(disabled: bool) -> UserChanges {
    UserChanges { disabled: Some(disabled), ..UserChanges::default() }
}

async fn stored_hash(directory: &Directory, id: Uuid) -> String {
    directory.stored(id).await.unwrap().password_hash
}

/// A user as a file of another system would have it.
fn row(email: &str, hash: &str) -> ImportedUser {
    ImportedUser {
        email: email.to_owned(),
        password_hash: hash.to_owned(),
        first_name: Some("Ann".to_owned()),
        last_name: None,
        roles: vec!["user".to_owned()],
        disabled: false,
    }
}

/// Names each case once, and runs all of them on one database after the other.
macro_rules! suite {
    ($($file:ident :: $case:ident),+ $(,)?) => {
        mod in_memory {
            $(#[tokio::test]
            async fn $case() {
                super::$file::$case(super::Fixture::new("sqlite::memory:")).await;
            })+
        }

        mod in_a_file {
            $(#[tokio::test]
            async fn $case() {
                let home = tempfile::tempdir().unwrap();
                let url = format!("sqlite:{}", home.path().join("a b%41#.db").display());
                super::$file::$case(super::Fixture::new(&url)).await;
            })+
        }

        /// One test, because one server serves all cases and ends with it.
        #[test]
        fn on_postgres() {
            let Some(server) = server::Server::start() else { return };
            let runtime = tokio::runtime::Runtime::new().unwrap();
            $(
                eprintln!("on_postgres: {}", stringify!($case));
                let url = server.fresh_database(&runtime);
                runtime.block_on($file::$case(Fixture::new(&url)));
            )+
        }
    };
}

suite![
    services::a_service_is_stored_as_one_and_has_no_password,
    services::a_services_name_belongs_to_no_other,
    services::a_service_is_not_the_admin_who_must_stay,
    accounts::a_created_user_is_found_in_any_spelling_and_shown_as_given,
    accounts::a_taken_name_is_refused_in_any_spelling,
    accounts::of_concurrent_creations_of_one_name_exactly_one_succeeds,
    accounts::text_is_stored_verbatim_whatever_it_looks_like,
    accounts::what_breaks_a_rule_is_stored_nowhere,
    accounts::a_list_is_walked_page_by_page_without_loss,
    accounts::a_search_is_literal_and_blind_to_case,
    accounts::the_last_admin_stays,
    accounts::concurrent_removals_leave_one_admin,
    endings::what_ends_sessions_raises_the_generation_and_says_so,
    endings::a_password_that_was_shown_before_an_ending_is_too_late,
    endings::what_changes_nothing_ends_nothing,
    endings::a_follower_misses_no_ending_while_others_write,
    endings::a_change_that_is_given_up_happens_wholly_or_not_at_all,
    endings::endings_outlive_a_restart_unless_in_memory,
    endings::generations_are_those_of_the_users_that_there_are,
    endings::a_database_is_known_by_one_random_id,
    names::white_space_around_a_name_is_stored_nowhere,
    names::each_spelling_is_the_one_account,
    names::another_name_ends_sessions_and_belongs_to_no_other,
    logins::only_the_right_password_of_an_enabled_user_opens,
    logins::a_changed_password_replaces_the_old_one,
    logins::a_hostile_name_is_no_account,
    logins::the_demo_user_is_let_in_only_where_the_demo_is_on,
    logins::the_demo_user_is_made_again_what_it_should_be,
    logins::an_account_of_the_demo_address_is_left_alone,
    logins::a_demo_user_who_cannot_log_in_is_no_admin,
    logins::a_retired_demo_user_has_no_sessions_and_comes_back_as_it_was,
    imports::each_kind_of_hash_opens_and_is_replaced_by_argon2id,
    imports::an_import_may_be_repeated,
    imports::a_refused_row_does_not_keep_the_others_out,
    imports::a_hash_that_costs_too_much_is_never_computed,
    imports::an_upgrade_does_not_undo_a_change_of_password,
    tickets::a_ticket_sets_another_password_once,
    tickets::a_ticket_is_good_for_its_purpose_and_time_alone,
    tickets::what_changes_a_user_ends_the_tickets,
    tickets::a_sign_up_is_an_account_once_its_password_is_shown,
    tickets::ten_wrong_passwords_end_the_ticket_of_a_sign_up,
    tickets::another_address_counts_once_it_is_verified,
    outbox::a_request_for_an_address_is_one_row_in_any_case,
    outbox::who_signed_up_and_forgot_hears_that_it_is_not_verified,
    outbox::a_decision_that_is_out_of_date_sends_nothing,
    outbox::a_mail_waits_until_it_is_due_and_its_ticket_lasts_from_then,
    outbox::of_several_senders_one_sends_until_its_lease_is_over,
    outbox::a_login_from_elsewhere_is_recorded_once,
    notices::a_notice_is_taken_once_and_its_mail_is_queued_with_it,
    notices::a_notice_that_was_not_given_is_finished_by_one_other,
    notices::of_all_who_would_look_for_tokens_one_does_in_each_interval,
];

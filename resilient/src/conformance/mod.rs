//! The suite that proves a [`Store`](crate::Store), as one named test per promise.
//!
//! Whoever writes a store gives [`store_conformance!`](crate::store_conformance) an expression that opens a fresh,
//! empty, initialized one, and gets a test for each case of this module. Every case names the sentence of the seam's
//! documentation that it proves. Every case writes: never point it at data that somebody needs.
//!
//! ```
//! mod memory {
//!     async fn open() -> resilient::InMemoryStore {
//!         resilient::InMemoryStore::new()
//!     }
//!     resilient::store_conformance!(open());
//! }
//! ```
//!
//! The expression is evaluated once for each case, and awaited. It gives an [`Opened`]: the store, or `(store, guard)`
//! where the guard has to live as long as the case, or `None` where there is no server, and then says so itself.
//!
//! Times are real, also for stores with virtual time; leases that a case waits for are a quarter of a second.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a broken promise fails the calling test"
)]

mod given;
mod subject;
mod wait;

pub mod batch;
pub mod claim;
pub mod create;
pub mod data;
pub mod delete;
pub mod edit;
pub mod finish;
pub mod list;
pub mod liveness;
pub mod race;
pub mod release;
pub mod save;
pub mod sequence;
pub mod setup;
pub mod takeover;
pub mod time;
pub mod version;

pub use self::subject::{Opened, Subject};
pub use self::wait::in_time;

/// Expands to one test per promise of a store, in one module per group.
///
/// See [`conformance`](crate::conformance) for its argument. The calling crate needs tokio with `macros` and
/// `rt-multi-thread`.
#[macro_export]
macro_rules! store_conformance {
    (@cases $open:tt $($group:ident { $($case:ident)+ })+) => {
        $(mod $group {
            #[allow(unused_imports, reason = "the expression that opens a store names what is in scope around")]
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    if let Some(store) = $crate::conformance::Opened::subject($open.await) {
                        $crate::conformance::in_time($crate::conformance::$group::$case(&store)).await;
                    }
                }
            )+
        })+
    };
    ($open:expr) => {
        $crate::store_conformance! { @cases ($open)
            create {
                a_running_function_is_stored_with_all_that_was_given
                a_waiting_function_is_stored_with_all_that_was_given
                a_function_without_a_scrapbook_has_none
                creating_the_same_function_twice_answers_exists
                a_second_create_with_other_data_changes_nothing
                exists_answers_for_every_status
                exists_shows_the_latest_save
                exists_shows_the_result
                the_same_instance_of_another_type_is_another_function
                ids_that_read_alike_when_joined_are_different
                a_replica_that_nobody_knows_can_own_a_new_function
                a_deleted_id_can_be_created_again_and_remembers_nothing
                a_new_function_is_dated_by_the_stores_clock
                a_delay_counts_from_the_creation_on_the_stores_clock
                a_start_time_is_kept_to_the_microsecond
                a_create_leaves_other_functions_alone
            }
            save {
                a_save_stores_the_scrapbook_and_resets_the_crashes
                a_save_gives_a_scrapbook_to_a_run_without_one
                the_last_of_many_saves_stands
                a_save_without_a_change_is_done
                a_save_at_another_epoch_loses
                a_save_by_another_owner_loses
                a_save_of_what_does_not_exist_loses
                a_save_after_a_delete_loses
                a_save_on_what_does_not_run_loses
                a_save_after_the_end_of_the_run_loses
                a_save_after_a_takeover_loses
                an_earlier_run_of_the_same_replica_is_fenced_off
                a_save_after_an_edit_loses
                a_save_by_a_silent_owner_is_done_until_somebody_releases_it
                a_save_leaves_other_functions_alone
                a_save_moves_the_time_of_the_last_write
            }
            finish {
                a_success_stores_the_result
                a_failure_stores_its_text
                a_postponement_stores_its_time
                a_postponement_counts_its_delay_on_the_stores_clock
                a_postponement_until_now_is_due_at_once
                a_postponement_into_the_past_is_due_at_once
                a_suspension_waits_without_a_time
                a_suspension_with_another_count_of_messages_changes_nothing
                a_hand_over_takes_the_attempt_back
                the_run_after_a_hand_over_is_the_same_attempt
                a_lost_run_counts_a_crash
                an_ending_stores_the_last_scrapbook
                an_ending_without_a_scrapbook_leaves_the_stored_one
                an_ending_at_another_epoch_loses
                an_ending_by_another_owner_loses
                a_refused_ending_stores_no_scrapbook
                an_ending_of_what_does_not_exist_loses
                a_run_ends_once
                an_ending_after_an_edit_loses
                an_ending_after_a_takeover_loses
                an_ending_leaves_other_functions_alone
                a_second_run_replaces_the_end_of_the_first
            }
            version {
                only_the_exact_function_version_is_claimed
                a_replica_with_two_versions_claims_both
                a_parameter_of_newer_code_is_not_claimed
                a_scrapbook_of_newer_code_is_not_claimed
                code_without_a_scrapbook_claims_only_work_without_one
                code_with_a_scrapbook_claims_work_without_one
                the_conditions_of_a_kind_hold_together
                a_save_by_newer_code_keeps_older_code_away
                a_save_never_lowers_the_version
                a_save_may_keep_or_raise_the_version
                an_ending_never_lowers_the_version
                an_ending_without_a_scrapbook_passes_the_version_guard
                what_no_live_replica_reads_is_stuck
            }
            claim {
                due_work_becomes_executing_under_the_claimer
                a_claim_answers_what_it_stored
                a_claim_keeps_progress_and_crashes
                work_that_is_due_later_is_not_claimed
                only_waiting_work_is_claimed
                claimed_work_is_not_claimed_again
                a_replica_that_nobody_knows_claims_nothing
                a_replica_that_left_claims_nothing
                a_replica_whose_lease_has_ended_claims_nothing
                every_claim_counts_an_attempt
                only_the_named_types_are_claimed
                a_type_is_told_from_its_look_alikes_in_a_claim
                a_claim_of_no_kind_takes_nothing
                a_limit_of_zero_takes_nothing
                the_largest_limit_takes_everything
                the_limit_in_all_takes_the_longest_due
                the_limit_of_a_kind_takes_its_longest_due
                kinds_share_the_limit_by_due_time
                work_that_is_not_described_does_not_use_up_the_limit
                a_claim_takes_hundreds_at_once
                postponed_work_is_claimed_when_its_time_has_come
                work_due_in_the_past_is_claimed_at_once
                work_that_was_put_off_is_not_claimed
                every_way_of_waiting_is_claimed_the_same_way
                a_claim_clears_the_due_time
            }
            release {
                work_of_an_unknown_replica_is_released
                work_of_a_replica_that_left_is_released
                work_of_a_silent_replica_is_released
                work_of_a_live_replica_is_kept
                work_of_a_silent_replica_is_kept_until_its_lease_has_ended
                work_of_a_beating_replica_is_kept_beyond_its_lease
                the_lease_of_the_type_decides
                work_of_a_type_that_the_owner_does_not_run_is_released
                a_type_is_told_from_its_look_alikes_in_a_release
                work_of_a_version_that_the_owner_does_not_run_is_released
                a_replica_with_two_versions_keeps_the_work_of_both
                joining_again_without_a_type_gives_its_work_up
                a_release_counts_what_it_released
                hundreds_are_released_at_once
                only_running_work_is_released
                crashes_add_up_until_there_is_progress
                released_work_is_claimed_with_its_latest_progress
                a_release_keeps_the_living
                nothing_is_released_where_nothing_runs
            }
            liveness {
                a_replica_that_joined_is_listed_with_all_it_said
                a_replica_without_types_is_alive
                leases_are_kept_to_the_millisecond
                a_replica_is_alive_from_now_on
                all_live_replicas_are_listed
                nobody_is_alive_at_first
                joining_again_replaces_what_was_said
                a_beat_moves_the_last_sign_of_life
                a_beat_of_a_stranger_is_refused
                a_beat_after_the_lease_has_ended_is_refused
                a_beat_is_refused_after_the_replica_was_forgotten
                a_silent_replica_is_not_listed_any_more
                a_silent_replica_is_alive_until_its_lease_has_ended
                beats_keep_a_replica_alive_beyond_its_lease
                a_lapsed_replica_can_join_again
                a_replica_that_left_is_not_alive
                a_stranger_can_leave
                a_replica_outlives_its_lifeline
            }
            edit {
                keep_leaves_everything_but_a_run
                run_starts_from_every_status
                wait_puts_off_from_every_status
                succeed_completes_from_every_status
                fail_completes_from_every_status
                an_edit_replaces_the_parameter
                an_edit_replaces_the_scrapbook
                every_transition_stores_new_data
                an_edit_gives_a_scrapbook_to_a_function_without_one
                an_edit_may_lower_versions
                an_edit_at_another_epoch_changes_nothing
                an_edit_of_what_does_not_exist_answers_not_found
                run_under_a_replica_that_is_not_alive_changes_nothing
                the_second_edit_from_the_same_view_is_refused
                an_edit_is_refused_after_an_ending_and_not_after_a_save
                a_run_begun_by_an_edit_saves_and_ends
                an_edit_counts_its_delay_on_the_stores_clock
                an_edit_forgets_the_crashes_of_waiting_work
                an_edit_leaves_other_functions_alone
            }
            delete {
                a_delete_removes_from_every_status
                a_delete_at_another_epoch_changes_nothing
                a_delete_after_an_edit_is_refused
                a_delete_of_what_does_not_exist_answers_not_found
                a_second_delete_answers_not_found
                a_delete_leaves_look_alikes
                deleted_work_is_not_claimed
                deleted_work_is_not_released
                a_run_of_a_deleted_function_cannot_write_to_its_successor
            }
            list {
                an_unknown_function_is_not_found
                a_read_answers_in_the_order_of_the_question
                a_read_answers_a_repeated_id_each_time
                a_read_of_nothing_answers_nothing
                a_read_of_hundreds_answers_all
                an_empty_store_lists_nothing
                a_list_shows_what_a_read_shows
                a_list_is_in_the_order_of_the_bytes_of_the_ids
                a_list_of_a_type_shows_only_that
                a_type_filter_is_no_pattern
                a_list_of_a_status_shows_only_that
                a_list_of_an_owner_shows_only_what_it_runs
                the_conditions_of_a_list_hold_together
                a_list_stops_at_its_limit
                pages_show_everything_once
                a_page_can_begin_after_an_id_that_does_not_exist
                pages_of_look_alikes_lose_none
                a_list_is_never_unbounded
            }
            batch {
                an_empty_batch_has_no_answers
                answers_come_in_the_order_of_the_batch
                one_batch_holds_every_kind_of_write
                a_failing_guard_in_the_middle_does_not_hinder_the_others
                every_answer_can_stand_in_one_batch
                a_batch_of_failing_guards_changes_nothing
                two_writes_are_answered_each
                hundreds_of_creates_are_answered_each
                hundreds_of_saves_store_each_its_own
                many_endings_come_each_to_its_own_end
                many_edits_make_each_its_own_change
                many_deletes_remove_each_its_own
                hundreds_of_mixed_writes_are_answered_each
                look_alikes_in_one_batch_are_told_apart
                one_batch_holds_the_same_instance_of_two_types
                a_batch_of_uneven_creates_keeps_each_as_it_is
            }
            data {
                ids_that_differ_by_case_are_different
                ids_that_differ_by_spaces_are_different
                ids_that_differ_by_accents_are_different
                ids_that_differ_by_emoji_are_different
                ids_that_differ_by_what_cannot_be_seen_are_different
                ids_with_control_characters_are_kept
                ids_that_look_like_sql_are_kept
                ids_with_special_characters_are_kept
                ids_that_look_like_other_values_are_kept
                ids_of_200_bytes_are_kept_to_the_last
                type_ids_are_kept_as_they_are
                an_escaped_nul_is_kept
                an_escaped_half_of_a_pair_is_kept
                spaces_order_and_repeated_keys_are_kept
                numbers_are_kept_digit_by_digit
                small_payloads_are_kept
                unicode_is_kept
                special_characters_are_kept
                deep_nesting_is_kept
                a_mebibyte_is_kept
                an_empty_text_is_not_nothing
                the_largest_versions_are_kept_and_claimed
                a_long_failure_is_kept
            }
            time {
                the_latest_time_is_kept
                the_longest_delay_is_kept
                the_shortest_delays_are_due_at_once
                times_before_1970_are_due_at_once
                due_times_are_told_apart_by_a_microsecond
                an_end_is_dated_by_the_stores_clock
                a_save_and_an_edit_move_the_time_of_the_last_write
                a_release_and_a_claim_move_the_time_of_the_last_write
                a_kept_delay_is_not_counted_anew
                released_work_queues_behind_what_was_due_before
            }
            race {
                of_many_creates_of_one_id_one_is_done
                creates_of_different_ids_are_all_done
                of_many_edits_from_one_view_one_is_done
                of_many_runs_from_one_view_one_begins
                of_many_ends_of_one_run_one_is_done
                of_many_deletes_of_one_id_one_is_done
                saves_of_one_run_are_all_done
                many_replicas_join_at_once
                a_reader_never_sees_half_a_write
                overlapping_batches_in_any_order_come_to_an_end
            }
            takeover {
                claimers_never_share_an_instance
                one_replica_that_claims_twice_at_once_gets_nothing_twice
                work_created_during_claims_is_claimed_once
                a_claim_and_an_edit_do_not_overwrite_each_other
                a_claim_and_a_delete_do_not_overwrite_each_other
                a_save_and_a_release_do_not_overwrite_each_other
                an_end_and_a_release_do_not_overwrite_each_other
                releases_at_once_release_each_instance_once
                released_work_is_claimed_once
                beats_and_releases_leave_the_living_alone
                a_beat_and_a_release_agree_on_the_dead
            }
            setup {
                initializing_again_keeps_what_is_stored
                many_can_initialize_at_once
                initializing_does_not_disturb_those_who_work
            }
            sequence {
                a_long_history_agrees_with_the_model
                a_second_long_history_agrees_with_the_model
                a_long_history_of_batches_agrees_with_the_model
            }
        }
    };
}

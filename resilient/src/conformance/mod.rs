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

pub mod claim;
pub mod create;
pub mod finish;
pub mod save;
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
        }
    };
}

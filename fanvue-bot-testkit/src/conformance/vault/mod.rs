//! What every [`SecretVault`] must do.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a case is named by the sentence it checks, and fails by panicking"
)]

pub mod isolation;
pub mod races;
pub mod values;

use fanvue_bot_core::revision::Revision;
use fanvue_bot_core::secret::{Secret, SecretId, SecretKind, SecretVault};

use super::given;

fn id(number: u32) -> SecretId {
    SecretId::of_creator(given::creator_id(number), SecretKind::TokenSet)
}

/// Puts the first secret of creator `number`.
async fn put(vault: &dyn SecretVault, number: u32, bytes: &[u8]) -> Revision {
    vault
        .put(&id(number), &Secret::new(bytes), None)
        .await
        .unwrap()
}

/// The secret of creator `number`, which must be there.
async fn read(vault: &dyn SecretVault, number: u32) -> Secret {
    vault.get(&id(number)).await.unwrap().unwrap().value
}

/// One `#[tokio::test]` for each case of the vault's contract.
///
/// `secret_vault_conformance!(factory)`; see [`conformance`](crate::conformance).
#[macro_export]
macro_rules! secret_vault_conformance {
    ($factory:expr) => {
        $crate::__vault_cases!([$crate::__conformance_tests], [
            ::std::sync::Arc<dyn $crate::conformance::__core::secret::SecretVault>,
            vault, $factory, ()
        ]);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __vault_cases {
    ([$($callback:tt)*], $args:tt) => {
        $($callback)*! {
            $args
            values {
                a_secret_that_was_never_put_is_none
                a_secret_reads_back_at_the_revision_of_the_put
                any_bytes_read_back
                an_empty_secret_is_not_none
                a_large_secret_reads_back
                a_secret_is_replaced_at_its_revision
                putting_the_same_value_is_a_new_revision
                a_secret_that_exists_is_not_added_again
                a_secret_that_does_not_exist_is_not_replaced
                a_stale_put_conflicts_and_changes_nothing
                a_deleted_secret_is_gone
                deleting_what_is_not_there_conflicts
                a_stale_delete_conflicts_and_changes_nothing
                a_deleted_secret_can_be_put_anew
                who_read_a_secret_before_it_was_deleted_cannot_replace_the_new_one
                neither_errors_nor_the_vault_show_a_secret
            }
            isolation {
                every_owner_and_kind_has_a_secret_of_its_own
                a_secret_is_not_found_under_another_owner_or_kind
                deleting_a_secret_leaves_all_others
            }
            races {
                of_concurrent_first_puts_exactly_one_wins
                of_concurrent_rotations_exactly_one_wins
                a_put_and_a_delete_of_one_revision_do_not_both_win
                a_dropped_put_leaves_the_old_value_or_the_new_one
                a_dropped_delete_leaves_the_secret_or_nothing
                a_dropped_get_changes_nothing
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use crate::conformance::names;
    use crate::conformance::tests::check;

    #[test]
    fn every_case_is_listed() {
        for (theme, cases) in crate::__vault_cases!([names], []) {
            let source = match theme {
                "values" => include_str!("values.rs"),
                "isolation" => include_str!("isolation.rs"),
                "races" => include_str!("races.rs"),
                _ => panic!("no theme {theme}"),
            };
            check(theme, &cases, source);
        }
    }
}

//! What every vault must do that has [`Rewrap`].

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a case is named by the sentence it checks, and fails by panicking"
)]

pub mod keys;
pub mod listing;
pub mod sweep;

use std::fmt;
use std::sync::Arc;

use fanvue_bot_core::id::AgencyId;
use fanvue_bot_core::revision::Revision;
use fanvue_bot_core::secret::{Keyring, MasterKey, Rewrap, Secret, SecretId, SecretKind};

use super::given;

/// An empty place for secrets, which opens under any keyring: as processes do that have other keys and one
/// database.
pub struct Reopen(Box<dyn Fn(Keyring) -> Arc<dyn Rewrap> + Send + Sync>);

impl Reopen {
    /// A place that `open` opens.
    #[must_use]
    pub fn new<V: Rewrap>(open: impl Fn(Keyring) -> V + Send + Sync + 'static) -> Self {
        Self(Box::new(move |keyring| Arc::new(open(keyring))))
    }

    /// A process that has the key before the change.
    fn old(&self) -> Arc<dyn Rewrap> {
        (self.0)(Keyring::new(key(1)))
    }

    /// A process that seals with the new key, and opens with both.
    fn both(&self) -> Arc<dyn Rewrap> {
        (self.0)(Keyring::builder(key(2)).other(key(1)).build().unwrap())
    }

    /// A process that has the new key alone.
    fn new_only(&self) -> Arc<dyn Rewrap> {
        (self.0)(Keyring::new(key(2)))
    }
}

impl fmt::Debug for Reopen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reopen").finish_non_exhaustive()
    }
}

impl super::IntoSubject<Self> for Reopen {
    fn into_subject(self) -> Self {
        self
    }
}

fn key(number: u8) -> MasterKey {
    let mut bytes = [7; 32];
    bytes[0] = number;
    MasterKey::from_bytes(&bytes).unwrap()
}

fn id(number: u32) -> SecretId {
    SecretId::of_creator(given::creator_id(number), SecretKind::TokenSet)
}

/// Secrets of every kind, of the deployment, of creators, and of an agency with the id of one of them.
fn ids() -> Vec<SecretId> {
    SecretKind::ALL
        .iter()
        .flat_map(|&kind| {
            [
                SecretId::of_deployment(kind),
                SecretId::of_creator(given::creator_id(1), kind),
                SecretId::of_creator(given::creator_id(2), kind),
                SecretId::of_agency(AgencyId::from_uuid(given::creator_id(1).as_uuid()), kind),
            ]
        })
        .collect()
}

/// Puts the first secret of `id`, which says whose it is.
async fn put(vault: &dyn Rewrap, id: SecretId) -> Revision {
    vault
        .put(&id, &Secret::new(id.to_string()), None)
        .await
        .unwrap()
}

/// The secret of `id` in words, which must be there.
async fn read(vault: &dyn Rewrap, id: SecretId) -> String {
    let secret = vault.get(&id).await.unwrap().unwrap().value;
    secret.expose_text().unwrap().to_owned()
}

/// One `#[tokio::test]` for each case of a change of the master key. The factory yields a [`Reopen`].
///
/// `rewrap_conformance!(factory)`; see [`conformance`](crate::conformance).
#[macro_export]
macro_rules! rewrap_conformance {
    ($factory:expr) => {
        $crate::__rewrap_cases!(
            [$crate::__conformance_tests],
            [$crate::conformance::Reopen, rewrap, $factory, ()]
        );
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __rewrap_cases {
    ([$($callback:tt)*], $args:tt) => {
        $($callback)*! {
            $args
            keys {
                a_rewrapped_secret_opens_with_the_new_key_alone
                whoever_read_a_secret_before_it_was_rewrapped_can_replace_it
                a_secret_under_the_primary_key_needs_nothing
                a_secret_that_is_gone_needs_nothing
                a_secret_under_a_key_that_is_not_at_hand_stays_as_it_is
                what_does_not_open_names_its_revision_and_can_be_replaced_and_removed
                a_put_at_the_same_time_wins
                a_delete_at_the_same_time_wins
                a_dropped_rewrap_leaves_a_secret_that_opens
            }
            listing {
                what_is_under_another_key_is_listed_once_with_that_key
                what_is_under_the_primary_key_is_not_listed
                what_is_rewrapped_leaves_the_list_and_the_count
                a_page_after_one_that_was_rewrapped_misses_nothing
                a_cursor_from_elsewhere_is_refused
            }
            sweep {
                a_rotation_brings_all_under_the_new_key_and_says_that_the_old_one_can_go
                a_rotation_that_is_dropped_after_any_step_goes_on_when_begun_anew
                rotations_of_many_processes_at_once_do_no_harm
                nobody_who_reads_or_writes_during_a_rotation_is_refused
                a_secret_that_does_not_open_is_named_and_left
                a_secret_put_under_the_old_key_meanwhile_is_counted_as_left
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
        for (theme, cases) in crate::__rewrap_cases!([names], []) {
            let source = match theme {
                "keys" => include_str!("keys.rs"),
                "listing" => include_str!("listing.rs"),
                "sweep" => include_str!("sweep.rs"),
                _ => panic!("no theme {theme}"),
            };
            check(theme, &cases, source);
        }
    }
}

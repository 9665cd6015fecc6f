//! The change of the master key: one pass over all secrets, while others read and write them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{KeyId, Rewrap, Rewrapped, SecretId, VaultError};
use crate::page::{Cursor, PageRequest};

/// How many secrets one step brings under the primary key. Few enough that a step ends soon.
const AT_ONCE: usize = 100;

/// Brings every secret of a vault under its primary master key.
///
/// Nothing is remembered but in the vault itself, where every secret says under which key it is. So it can be
/// dropped or killed anywhere and begun anew, which goes on where it was, and any number of processes may run
/// it at once, which does no harm and is no faster. Secrets are taken one after the other, each by itself, so
/// those who read and write meanwhile wait for one at most.
///
/// Each process that writes must seal with the new key by then: what one writes that does not is left behind,
/// and [`RotationReport::left`] tells.
///
/// ```
/// use std::sync::Arc;
///
/// use fanvue_bot_core::entropy::OsEntropy;
/// use fanvue_bot_core::memory::SealedMemoryVault;
/// use fanvue_bot_core::secret::{
///     Keyring, MasterKey, Rotation, RotationStep, Secret, SecretId, SecretKind, SecretVault as _,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let old = [7, 1].repeat(16);
/// let vault = SealedMemoryVault::new(Keyring::new(MasterKey::from_bytes(&old)?));
/// let id = SecretId::of_deployment(SecretKind::ClientSecret);
/// vault.put(&id, &Secret::new("shh"), None).await?;
///
/// let new = MasterKey::generate(&OsEntropy)?;
/// let ring = Keyring::builder(new).other(MasterKey::from_bytes(&old)?).build()?;
/// let mut rotation = Rotation::new(Arc::new(vault.reopen(ring)));
/// let report = loop {
///     match rotation.step().await? {
///         RotationStep::Going(progress) => println!("{} of {}", progress.done, progress.found),
///         RotationStep::Ended(report) => break report,
///     }
/// };
/// assert_eq!((report.rewrapped, report.left), (1, 0));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Rotation {
    vault: Arc<dyn Rewrap>,
    place: Place,
    /// How many there were to do at the beginning.
    found: u64,
    rewrapped: u64,
    not_needed: u64,
    shut: BTreeMap<SecretId, VaultError>,
}

#[derive(Debug)]
enum Place {
    Uncounted,
    Beginning,
    After(Cursor),
    End,
}

/// How far a rotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RotationProgress {
    /// How many secrets were under other keys at the beginning. More may come to light.
    pub found: u64,
    /// How many of them were dealt with since.
    pub done: u64,
}

/// What came of a step.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "there is more to do or there is not"
)]
pub enum RotationStep {
    /// There may be more to do: call again.
    Going(RotationProgress),
    /// The pass is over.
    Ended(RotationReport),
}

/// What came of a rotation.
#[derive(Debug)]
#[non_exhaustive]
pub struct RotationReport {
    /// The key that secrets are now under.
    pub primary: KeyId,
    /// How many this pass brought under it.
    pub rewrapped: u64,
    /// How many are still under another key, when counted at the end. At 0 the other key is needed no longer and
    /// can be taken out of the keyring.
    pub left: u64,
    /// Those that do not open under the keys at hand, and why. They stay as they are, and are among those left.
    pub shut: BTreeMap<SecretId, VaultError>,
}

impl Rotation {
    /// A pass over all secrets of `vault`.
    #[must_use]
    pub fn new(vault: Arc<dyn Rewrap>) -> Self {
        Self {
            vault,
            place: Place::Uncounted,
            found: 0,
            rewrapped: 0,
            not_needed: 0,
            shut: BTreeMap::new(),
        }
    }

    /// Counts, or brings up to 100 secrets under the primary key. After the end it counts again what is left.
    ///
    /// # Errors
    /// [`VaultError::Unavailable`] if the vault did not answer: call again later. A secret that does not open is
    /// no error; the report names it.
    pub async fn step(&mut self) -> Result<RotationStep, VaultError> {
        let request = match &self.place {
            Place::Uncounted => {
                self.found = self.vault.count_under_other_keys().await?;
                self.place = Place::Beginning;
                return Ok(RotationStep::Going(self.progress()));
            }
            Place::Beginning => PageRequest::first(AT_ONCE),
            Place::After(cursor) => PageRequest::after(AT_ONCE, cursor.clone()),
            Place::End => return self.report().await.map(RotationStep::Ended),
        };
        let page = self.vault.under_other_keys(&request).await?;
        for sealed in page.items {
            match self.vault.rewrap(&sealed.id).await {
                Ok(Rewrapped::Done) => self.rewrapped += 1,
                Ok(Rewrapped::NotNeeded) => self.not_needed += 1,
                Err(error @ VaultError::Sealed { .. }) => {
                    self.shut.insert(sealed.id, error);
                }
                Err(error) => return Err(error),
            }
        }
        self.place = match page.next {
            Some(cursor) => Place::After(cursor),
            None => Place::End,
        };
        Ok(RotationStep::Going(self.progress()))
    }

    fn progress(&self) -> RotationProgress {
        let shut = u64::try_from(self.shut.len()).unwrap_or(u64::MAX);
        RotationProgress {
            found: self.found,
            done: self.rewrapped + self.not_needed + shut,
        }
    }

    async fn report(&mut self) -> Result<RotationReport, VaultError> {
        let left = self.vault.count_under_other_keys().await?;
        Ok(RotationReport {
            primary: self.vault.primary_key(),
            rewrapped: self.rewrapped,
            left,
            shut: std::mem::take(&mut self.shut),
        })
    }
}

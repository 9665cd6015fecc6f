//! Creators who have a webhook secret of their own.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fanvue_bot_core::id::{AccountId, CreatorId};
use fanvue_bot_core::secret::{SecretId, SecretKind, SecretVault, VaultError};
use fanvue_bot_core::store::{Store, StoreError};
use fanvue_bot_core::time::Timestamp;
use fanvue_bot_core::webhook::{Decoy, SignatureError, VerifiedBody, Verifier, claimed_account};
use uuid::Uuid;

/// Accounts to remember; over that all are forgotten. Anyone can claim any account.
const REMEMBERED: usize = 4_096;

/// Verifiers by the account that a body claims.
pub(super) struct CreatorSecrets {
    store: Arc<dyn Store>,
    vault: Arc<dyn SecretVault>,
    app: Verifier,
    decoy: Decoy,
    keep: Duration,
    known: Mutex<HashMap<AccountId, Known>>,
}

/// One creator's own secrets.
struct Own {
    creator: CreatorId,
    verifier: Verifier,
}

/// What was found for an account, and when.
struct Known {
    at: Instant,
    own: Option<Arc<Own>>,
}

/// Whom a creator's own secret may speak for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) creator: CreatorId,
    pub(super) account: AccountId,
}

/// Why secrets cannot be looked up.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl CreatorSecrets {
    /// What the creators' secrets prove is held to the rules of `app`: its tolerance and the forms that it
    /// accepts.
    pub(super) fn new(
        app: Verifier,
        store: Arc<dyn Store>,
        vault: Arc<dyn SecretVault>,
        keep: Duration,
    ) -> Self {
        Self {
            store,
            vault,
            decoy: Decoy::like(&app),
            app,
            keep,
            known: Mutex::default(),
        }
    }

    /// Proves the body by the secrets of the creator whose account it claims. Takes the same steps
    /// whether there is such a creator or not.
    pub(super) async fn verify<'a>(
        &self,
        signature: &[u8],
        body: &'a [u8],
        now: Timestamp,
    ) -> Result<Result<(VerifiedBody<'a>, Scope), SignatureError>, LookupError> {
        let claimed = claimed_account(body);
        let account = claimed.unwrap_or_else(|| AccountId::from_uuid(Uuid::nil()));
        let own = match self.remembered(account) {
            Some(own) => own,
            None => self.look_up(account).await?,
        };
        Ok(match own {
            Some(own) => {
                let scope = Scope {
                    creator: own.creator,
                    account,
                };
                let verified = own.verifier.verify(signature, body, now);
                verified.map(|verified| (verified, scope))
            }
            None => Err(self.decoy.refuse(signature, body, now)),
        })
    }

    fn remembered(&self, account: AccountId) -> Option<Option<Arc<Own>>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get(&account)?;
        (known.at.elapsed() < self.keep).then(|| known.own.clone())
    }

    async fn look_up(&self, account: AccountId) -> Result<Option<Arc<Own>>, LookupError> {
        let creator = self.store.creator_by_account(account).await?;
        let creator = creator.map(|creator| creator.value.id);
        // The vault is asked in either case, so that the time tells nothing.
        let owner = creator.unwrap_or_else(|| CreatorId::from_uuid(Uuid::nil()));
        let secret = |kind| SecretId::of_creator(owner, kind);
        let current = self.vault.get(&secret(SecretKind::WebhookSecret)).await?;
        let previous = self
            .vault
            .get(&secret(SecretKind::PreviousWebhookSecret))
            .await?;
        let mut verifier: Option<Verifier> = None;
        for stored in [current, previous].into_iter().flatten() {
            let next = match verifier.take() {
                Some(verifier) => verifier.also(&stored.value),
                None => self.app.with_secret(&stored.value),
            };
            match next {
                Ok(next) => verifier = Some(next),
                Err(error) => tracing::warn!(
                    creator.id = %owner,
                    %error,
                    "a stored webhook secret cannot be used"
                ),
            }
        }
        let own = creator
            .zip(verifier)
            .map(|(creator, verifier)| Arc::new(Own { creator, verifier }));
        self.remember(account, own.clone());
        Ok(own)
    }

    fn remember(&self, account: AccountId, own: Option<Arc<Own>>) {
        if self.keep.is_zero() {
            return;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        let at = Instant::now();
        known.insert(account, Known { at, own });
    }
}

impl fmt::Debug for CreatorSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatorSecrets").finish_non_exhaustive()
    }
}

//! Webhook secrets in the vault: the deployment's, and those of creators and agencies.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fanvue_bot_core::id::{AccountId, AgencyId, CreatorId};
use fanvue_bot_core::secret::{SecretOwner, SecretVault, VaultError};
use fanvue_bot_core::store::{Store, StoreError};
use fanvue_bot_core::time::Timestamp;
use fanvue_bot_core::webhook::{
    Decoy, SignatureError, VerifiedBody, Verifier, WebhookSecrets, claimed_account,
};
use uuid::Uuid;

/// Accounts to remember; over that all are forgotten. Anyone can claim any account.
const REMEMBERED: usize = 4_096;

/// Verifiers of what lies in the vault: one of the deployment, and others by the account that a body claims.
pub(super) struct StoredSecrets {
    store: Arc<dyn Store>,
    secrets: WebhookSecrets,
    app: Verifier,
    decoy: Decoy,
    keep: Duration,
    known: Mutex<HashMap<AccountId, Known<Own>>>,
    deployment: Mutex<Option<Known<Verifier>>>,
}

/// The secrets that may speak for one creator: their own, and those of the agency that reaches them.
struct Own {
    creator: CreatorId,
    own: Option<Verifier>,
    agency: Option<Verifier>,
}

/// What was found, and when.
struct Known<T> {
    at: Instant,
    found: Option<Arc<T>>,
}

/// Whom a secret may speak for, if not for all creators.
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

impl StoredSecrets {
    /// What the secrets prove is held to the rules of `app`: its tolerance and the forms that it
    /// accepts.
    pub(super) fn new(
        app: Verifier,
        store: Arc<dyn Store>,
        vault: Arc<dyn SecretVault>,
        keep: Duration,
    ) -> Self {
        Self {
            store,
            secrets: WebhookSecrets::new(vault),
            decoy: WebhookSecrets::decoy(&app),
            app,
            keep,
            known: Mutex::default(),
            deployment: Mutex::default(),
        }
    }

    /// Proves the body by the deployment's secrets, or else by those of the creator whose account it claims.
    /// Takes the same steps whether there is such a creator or not, but not the same time: store and vault answer
    /// sooner about nobody, and what is remembered was asked for by somebody. The door hides that.
    pub(super) async fn verify<'a>(
        &self,
        signature: &[u8],
        body: &'a [u8],
        now: Timestamp,
    ) -> Result<Result<(VerifiedBody<'a>, Option<Scope>), SignatureError>, LookupError> {
        if let Some(deployment) = self.deployment().await?
            && let Ok(verified) = deployment.verify(signature, body, now)
        {
            return Ok(Ok((verified, None)));
        }
        let claimed = claimed_account(body);
        let account = claimed.unwrap_or_else(|| AccountId::from_uuid(Uuid::nil()));
        let own = match self.remembered(account) {
            Some(own) => own,
            None => self.look_up(account).await?,
        };
        let scope = own.as_ref().map(|own| Scope {
            creator: own.creator,
            account,
        });
        let own = own.as_deref();
        // As many checks for every account, known or not, and of as many HMACs each.
        let by = |verifier: Option<&Verifier>| match verifier {
            Some(verifier) => verifier.verify(signature, body, now),
            None => Err(self.decoy.refuse(signature, body, now)),
        };
        let (by_own, by_agency) = (
            by(own.and_then(|own| own.own.as_ref())),
            by(own.and_then(|own| own.agency.as_ref())),
        );
        Ok(by_own.or(by_agency).map(|verified| (verified, scope)))
    }

    /// The deployment's own secrets.
    async fn deployment(&self) -> Result<Option<Arc<Verifier>>, LookupError> {
        let lock = || {
            let deployment = self.deployment.lock();
            deployment.unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(known) = &*lock()
            && known.at.elapsed() < self.keep
        {
            return Ok(known.found.clone());
        }
        let owner = SecretOwner::Deployment;
        let found = self.secrets.verifier(owner, &self.app).await?.map(Arc::new);
        *lock() = Some(Known {
            at: Instant::now(),
            found: found.clone(),
        });
        Ok(found)
    }

    fn remembered(&self, account: AccountId) -> Option<Option<Arc<Own>>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get(&account)?;
        (known.at.elapsed() < self.keep).then(|| known.found.clone())
    }

    async fn look_up(&self, account: AccountId) -> Result<Option<Arc<Own>>, LookupError> {
        let creator = self.store.creator_by_account(account).await?;
        let creator = creator.map(|creator| creator.value);
        // The vault is asked in either case, so that the time tells nothing.
        let nobody = CreatorId::from_uuid(Uuid::nil());
        let id = creator.as_ref().map_or(nobody, |creator| creator.id);
        let agency = creator.as_ref().and_then(|creator| creator.agency);
        let agency = agency.unwrap_or_else(|| AgencyId::from_uuid(Uuid::nil()));
        let verifier = |owner| self.secrets.verifier(owner, &self.app);
        let by_own = verifier(SecretOwner::Creator(id)).await?;
        let by_agency = verifier(SecretOwner::Agency(agency)).await?;
        let own = creator
            .filter(|_| by_own.is_some() || by_agency.is_some())
            .map(|creator| {
                Arc::new(Own {
                    creator: creator.id,
                    own: by_own,
                    agency: by_agency,
                })
            });
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
        known.insert(account, Known { at, found: own });
    }
}

impl fmt::Debug for StoredSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredSecrets").finish_non_exhaustive()
    }
}

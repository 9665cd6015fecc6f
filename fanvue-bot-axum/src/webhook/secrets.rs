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

/// Accounts to remember; over that all are forgotten.
const REMEMBERED: usize = 4_096;

/// Verifiers of what lies in the vault: one of the deployment, and others by the account that a body claims.
pub(super) struct StoredSecrets {
    store: Arc<dyn Store>,
    secrets: WebhookSecrets,
    app: Verifier,
    decoy: Decoy,
    keep: Duration,
    proved: Mutex<HashMap<AccountId, Known<Arc<Own>>>>,
    deployment: Mutex<Option<Known<Option<Arc<Verifier>>>>>,
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
    found: T,
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
            proved: Mutex::default(),
            deployment: Mutex::default(),
        }
    }

    /// Proves the body by the deployment's secrets, or else by those of the creator whose account it claims.
    ///
    /// Only secrets that have proved something are remembered. So whatever is refused was looked up, for an account
    /// that is known and one that is not, heard of a moment ago or never; and a secret that was changed is heeded at
    /// once. Store and vault still answer sooner about nobody: the door hides that.
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
        let scope = |own: &Own| Scope {
            creator: own.creator,
            account,
        };
        let remembered = self.remembered(account);
        let remembered = remembered.as_deref();
        if let Ok(verified) = self.prove(remembered, signature, body, now) {
            return Ok(Ok((verified, remembered.map(scope))));
        }
        let own = self.look_up(account).await?;
        let proved = self.prove(own.as_ref(), signature, body, now);
        Ok(proved.map(|verified| {
            let scope = own.as_ref().map(scope);
            if let Some(own) = own {
                self.remember(account, own);
            }
            (verified, scope)
        }))
    }

    /// As many checks for every account, known or not, and of as many HMACs each.
    fn prove<'a>(
        &self,
        own: Option<&Own>,
        signature: &[u8],
        body: &'a [u8],
        now: Timestamp,
    ) -> Result<VerifiedBody<'a>, SignatureError> {
        let by = |verifier: Option<&Verifier>| match verifier {
            Some(verifier) => verifier.verify(signature, body, now),
            None => Err(self.decoy.refuse(signature, body, now)),
        };
        let (by_own, by_agency) = (
            by(own.and_then(|own| own.own.as_ref())),
            by(own.and_then(|own| own.agency.as_ref())),
        );
        by_own.or(by_agency)
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

    fn remembered(&self, account: AccountId) -> Option<Arc<Own>> {
        let proved = self.proved.lock().unwrap_or_else(PoisonError::into_inner);
        let known = proved.get(&account)?;
        (known.at.elapsed() < self.keep).then(|| Arc::clone(&known.found))
    }

    async fn look_up(&self, account: AccountId) -> Result<Option<Own>, LookupError> {
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
        Ok(creator.map(|creator| Own {
            creator: creator.id,
            own: by_own,
            agency: by_agency,
        }))
    }

    fn remember(&self, account: AccountId, own: Own) {
        if self.keep.is_zero() {
            return;
        }
        let mut proved = self.proved.lock().unwrap_or_else(PoisonError::into_inner);
        if proved.len() >= REMEMBERED {
            proved.clear();
        }
        let (at, found) = (Instant::now(), Arc::new(own));
        proved.insert(account, Known { at, found });
    }
}

impl fmt::Debug for StoredSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredSecrets").finish_non_exhaustive()
    }
}

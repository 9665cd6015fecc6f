//! The secrets that webhooks are signed with: two live for each owner, so that one can be changed while
//! events come in.

use std::fmt;
use std::sync::Arc;

use super::{Decoy, Verifier, VerifierError};
use crate::secret::{
    Fingerprint, Secret, SecretId, SecretKind, SecretOwner, SecretVault, VaultError, erase,
    overwrite, stored,
};

/// How many secrets of an owner count at most: the current one and the one before it.
const LIVE: usize = 2;

/// The webhook secrets of a deployment: those of its app, and those of creators and agencies who have an app
/// or a subscription of their own.
///
/// Each owner has two that count: the current one, and the one before until [`end_previous`]. They lie in
/// the vault, sealed, and are not shown again once they are saved. Clones share the vault.
///
/// [`end_previous`]: Self::end_previous
#[derive(Clone)]
pub struct WebhookSecrets {
    vault: Arc<dyn SecretVault>,
}

/// What an owner's secrets are recognized by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LiveSecrets {
    /// The current one.
    pub current: Option<Fingerprint>,
    /// The one before, which is still accepted.
    pub previous: Option<Fingerprint>,
}

/// Why a webhook secret was not saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookSecretError {
    /// It cannot be one.
    #[error(transparent)]
    Invalid(#[from] VerifierError),
    /// The vault refused.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl WebhookSecrets {
    /// The secrets in this vault.
    #[must_use]
    pub fn new(vault: Arc<dyn SecretVault>) -> Self {
        Self { vault }
    }

    /// Makes `secret` the current one of `owner`; the one before stays accepted, and the one before that
    /// counts no more. Saving the current one again changes nothing.
    ///
    /// In two steps, each of which leaves the owner with a secret that is accepted. If the second fails,
    /// call it again. What does not open any more is not kept: then the new one alone counts.
    ///
    /// # Errors
    /// [`WebhookSecretError::Invalid`] for an empty one; [`WebhookSecretError::Vault`].
    pub async fn rotate(
        &self,
        owner: SecretOwner,
        secret: &Secret,
    ) -> Result<LiveSecrets, WebhookSecretError> {
        Verifier::new(secret)?;
        loop {
            let (expected, before) = stored(&*self.vault, &current(owner)).await?;
            if before.as_ref() == Some(secret) {
                break;
            }
            if let Some(before) = &before {
                overwrite(&*self.vault, &previous(owner), before).await?;
            }
            match self
                .vault
                .put(&self::current(owner), secret, expected)
                .await
            {
                Ok(_) => break,
                Err(VaultError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if let Err(VaultError::Sealed { .. }) = self.vault.get(&previous(owner)).await {
            self.end_previous(owner).await?;
        }
        Ok(self.live(owner).await?)
    }

    /// Accepts the secret before the current one no more: once Fanvue signs with the new one. Idempotent.
    ///
    /// # Errors
    /// The vault's.
    pub async fn end_previous(&self, owner: SecretOwner) -> Result<(), VaultError> {
        erase(&*self.vault, &previous(owner)).await
    }

    /// Erases both secrets of `owner`. Idempotent.
    ///
    /// # Errors
    /// The vault's; one of them may then be gone.
    pub async fn remove(&self, owner: SecretOwner) -> Result<(), VaultError> {
        erase(&*self.vault, &current(owner)).await?;
        erase(&*self.vault, &previous(owner)).await
    }

    /// What the secrets of `owner` are recognized by.
    ///
    /// # Errors
    /// The vault's.
    pub async fn live(&self, owner: SecretOwner) -> Result<LiveSecrets, VaultError> {
        let [current, previous] = self.read(owner).await?;
        Ok(LiveSecrets {
            current: current.map(|secret| secret.fingerprint()),
            previous: previous.map(|secret| secret.fingerprint()),
        })
    }

    /// What proves events that are signed with a secret of `owner`, by the rules of `rules`: its tolerance and
    /// the forms that it accepts. `None` if there is none: then let [`decoy`](Self::decoy) refuse. Reads the vault
    /// twice, whatever it finds, and refuses with as many HMACs whether one secret counts or two.
    ///
    /// # Errors
    /// The vault's.
    pub async fn verifier(
        &self,
        owner: SecretOwner,
        rules: &Verifier,
    ) -> Result<Option<Verifier>, VaultError> {
        let mut verifier: Option<Verifier> = None;
        for secret in self.read(owner).await?.into_iter().flatten() {
            let next = match verifier.take() {
                Some(verifier) => verifier.also(&secret),
                None => rules.with_secret(&secret),
            };
            match next {
                Ok(next) => verifier = Some(next),
                Err(error) => {
                    tracing::warn!(%owner, %error, "a stored webhook secret cannot be used");
                }
            }
        }
        Ok(verifier.map(|verifier| verifier.refuse_like(LIVE)))
    }

    /// Refuses with as many HMACs as [`verifier`](Self::verifier) does: for owners who have no secrets, and for
    /// those who do not exist.
    #[must_use]
    pub fn decoy(rules: &Verifier) -> Decoy {
        Decoy::of(LIVE, rules)
    }

    async fn read(&self, owner: SecretOwner) -> Result<[Option<Secret>; 2], VaultError> {
        let current = self.vault.get(&current(owner)).await?;
        let previous = self.vault.get(&previous(owner)).await?;
        Ok([current, previous].map(|stored| stored.map(|stored| stored.value)))
    }
}

const fn current(owner: SecretOwner) -> SecretId {
    SecretId {
        owner,
        kind: SecretKind::WebhookSecret,
    }
}

const fn previous(owner: SecretOwner) -> SecretId {
    SecretId {
        owner,
        kind: SecretKind::PreviousWebhookSecret,
    }
}

impl fmt::Debug for WebhookSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSecrets").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::CreatorId;
    use crate::memory::MemoryVault;

    #[tokio::test]
    async fn a_refusal_costs_the_same_hmacs_however_many_secrets_count() {
        let secrets = WebhookSecrets::new(Arc::new(MemoryVault::new()));
        let owner = SecretOwner::Creator(CreatorId::from_uuid(uuid::Uuid::from_u128(1)));
        let one = Verifier::new(&Secret::new("app")).unwrap();
        let three = ["another", "a third"]
            .iter()
            .fold(one.clone(), |app, secret| {
                app.also(&Secret::new(*secret)).unwrap()
            });
        for rules in [&one, &three] {
            assert_eq!(WebhookSecrets::decoy(rules).hmacs(), 2);
        }
        assert!(secrets.verifier(owner, &one).await.unwrap().is_none());
        for secret in ["the first", "the second", "the third"] {
            secrets.rotate(owner, &Secret::new(secret)).await.unwrap();
            for rules in [&one, &three] {
                let verifier = secrets.verifier(owner, rules).await.unwrap().unwrap();
                assert_eq!(verifier.hmacs(), 2);
            }
        }
    }
}

//! Authorizations that were begun and that nobody came back to.

use super::{AuthorizeError, Authorizer, Pending, other_account, row};
use crate::oauth::GrantId;
use crate::secret::VaultError;
use crate::time::Timestamp;

impl Authorizer {
    /// Erases what the authorization of a creator or agency left if its 10 minutes are over, and revokes the tokens of
    /// another account that nobody said yes to. Answers whether there was one. Idempotent; for a sweep, since
    /// an authorization that has ended can do no harm.
    ///
    /// # Errors
    /// [`AuthorizeError::Vault`]; it is still there then. For an agency also [`AuthorizeError::Store`]; it may be gone
    /// then, and [`Authorizer::expired_agencies`] still names the agency.
    pub async fn erase_expired(
        &self,
        grant: impl Into<GrantId> + Send,
    ) -> Result<bool, AuthorizeError> {
        let id = grant.into();
        let now = self.ports().clock.now();
        let erased = self.erase_expired_by(id, now).await?;
        if let GrantId::Agency(agency) = id {
            self.note_ended(agency, now).await?;
        }
        Ok(erased)
    }

    async fn erase_expired_by(&self, id: GrantId, now: Timestamp) -> Result<bool, AuthorizeError> {
        let vault = &self.ports().vault;
        let Some(stored) = vault.get(&row(id)).await? else {
            return Ok(false);
        };
        let pending = Pending::from_bytes(stored.value.expose());
        // What another version wrote is as good as expired.
        if pending
            .as_ref()
            .is_some_and(|pending| pending.ends_at > now)
        {
            return Ok(false);
        }
        match vault.delete(&row(id), stored.revision).await {
            Ok(()) => {}
            // Another one was begun, or this one was used, meanwhile.
            Err(VaultError::Conflict) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        if let Some((_, tokens)) = pending.as_ref().and_then(other_account) {
            self.ports()
                .give_back(id, tokens.refresh_token().as_ref())
                .await;
        }
        Ok(true)
    }
}

//! The row of an authorization in the vault, from its begin to its end.
//!
//! ```text
//! begin ──► Begun ──take──► Used ──end──► gone
//!                            │ ask                    a disconnect makes it go in every stage
//!                            └────► Confirm ──take──► Used ──end──► gone
//! ```

use zeroize::Zeroizing;

use super::{AuthorizeError, Authorizer, SessionId, config, grant_of, other_account, row};
use crate::oauth::pending::{Pending, Stage, hash};
use crate::oauth::{GrantId, TokenSource};
use crate::revision::Revision;
use crate::secret::{Secret, VaultError, stored};
use crate::time::Timestamp;

/// An authorization that one caller has for themselves.
pub(super) struct Held {
    pub(super) grant: GrantId,
    session: SessionId,
    /// Whoever finds the row at another revision holds it no longer.
    revision: Revision,
}

impl Authorizer {
    /// Begins one, in place of what was begun before.
    pub(super) async fn begin(
        &self,
        id: GrantId,
        proof: &str,
        session: SessionId,
        rest: Zeroizing<Vec<u8>>,
    ) -> Result<(), AuthorizeError> {
        let ends_at = self.ports().clock.now() + config::LIFE;
        if let GrantId::Agency(agency) = id {
            self.note_begun(agency, ends_at).await?;
        }
        let secret = sealed(Stage::Begun, ends_at, proof, session, rest);
        let vault = &self.ports().vault;
        loop {
            let (expected, before) = stored(&**vault, &row(id)).await?;
            match vault.put(&row(id), &secret, expected).await {
                Ok(_) => {
                    // An account that nobody has said yes to, and now nobody can.
                    let before = before.and_then(|before| Pending::from_bytes(before.expose()));
                    if let Some((_, tokens)) = before.as_ref().and_then(other_account) {
                        let token = tokens.refresh_token();
                        self.ports().give_back(id, token.as_ref()).await;
                    }
                    return Ok(());
                }
                Err(VaultError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Uses up what `proof` names, if `session` began it: of any number of callers one gets it.
    pub(super) async fn take(
        &self,
        stage: Stage,
        session: SessionId,
        proof: &str,
    ) -> Result<(Held, Zeroizing<Vec<u8>>), AuthorizeError> {
        let id = grant_of(proof).ok_or(AuthorizeError::NotBegun)?;
        let vault = &self.ports().vault;
        let stored = vault.get(&row(id)).await?;
        let stored = stored.ok_or(AuthorizeError::NotBegun)?;
        let pending = Pending::from_bytes(stored.value.expose())
            .filter(|pending| pending.stage == stage && pending.is_proved_by(proof))
            .ok_or(AuthorizeError::NotBegun)?;
        if pending.session != session.0 {
            return Err(AuthorizeError::OtherSession);
        }
        let ends_at = pending.ends_at;
        let used = sealed(Stage::Used, ends_at, proof, session, Zeroizing::default());
        let revision = match vault.put(&row(id), &used, Some(stored.revision)).await {
            Ok(revision) => revision,
            Err(VaultError::Conflict) => return Err(AuthorizeError::NotBegun),
            Err(error) => return Err(error.into()),
        };
        let held = Held {
            grant: id,
            session,
            revision,
        };
        if ends_at <= self.ports().clock.now() {
            if let Some((_, tokens)) = other_account(&pending) {
                let token = tokens.refresh_token();
                self.ports().give_back(id, token.as_ref()).await;
            }
            self.let_go(&held).await;
            return Err(AuthorizeError::Expired);
        }
        Ok((held, pending.rest))
    }

    /// Lets the account that is signed in wait for a yes, in place of what is held.
    pub(super) async fn ask(
        &self,
        held: &Held,
        proof: &str,
        rest: Zeroizing<Vec<u8>>,
    ) -> Result<(), AuthorizeError> {
        let ends_at = self.ports().clock.now() + config::LIFE;
        if let GrantId::Agency(agency) = held.grant {
            self.note_begun(agency, ends_at).await?;
        }
        let secret = sealed(Stage::Confirm, ends_at, proof, held.session, rest);
        let vault = &self.ports().vault;
        match vault
            .put(&row(held.grant), &secret, Some(held.revision))
            .await
        {
            Ok(_) => Ok(()),
            Err(VaultError::Conflict) => Err(AuthorizeError::NotBegun),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends what is held, its tokens stored. Where it is gone the account was disconnected meanwhile, and the tokens
    /// are erased again. One that was begun anew changes nothing.
    pub(super) async fn end(&self, held: &Held) -> Result<(), AuthorizeError> {
        let (id, vault) = (held.grant, &self.ports().vault);
        match vault.delete(&row(id), held.revision).await {
            Ok(()) => return Ok(()),
            Err(VaultError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
        let (begun_anew, _) = stored(&**vault, &row(id)).await?;
        if begun_anew.is_some() {
            return Ok(());
        }
        self.tokens.forget(id).await?;
        Err(AuthorizeError::Disconnected)
    }

    /// Ends what is held and came to nothing. Best effort: what stays is of no use to anybody, and swept when its
    /// time is over.
    pub(super) async fn let_go(&self, held: &Held) {
        let vault = &self.ports().vault;
        if let Err(error) = vault.delete(&row(held.grant), held.revision).await {
            tracing::debug!(grant.id = %held.grant, %error, "a used authorization is left to the sweep");
        }
    }
}

impl TokenSource {
    /// Ends what was begun to connect a grant, in whichever stage: nobody comes back to it, and what a callback has
    /// under way ends without a connection.
    pub(in crate::oauth) async fn end_authorization(&self, id: GrantId) -> Result<(), VaultError> {
        let ports = self.ports();
        while let (Some(revision), secret) = stored(&*ports.vault, &row(id)).await? {
            match ports.vault.delete(&row(id), revision).await {
                Ok(()) => {
                    let pending = secret.and_then(|secret| Pending::from_bytes(secret.expose()));
                    if let Some((_, tokens)) = pending.as_ref().and_then(other_account) {
                        let token = tokens.refresh_token();
                        ports.give_back(id, token.as_ref()).await;
                    }
                    return Ok(());
                }
                Err(VaultError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn sealed(
    stage: Stage,
    ends_at: Timestamp,
    proof: &str,
    session: SessionId,
    rest: Zeroizing<Vec<u8>>,
) -> Secret {
    let pending = Pending {
        stage,
        ends_at,
        proof: hash(proof),
        session: session.0,
        rest,
    };
    Secret::new(pending.to_bytes().as_slice())
}

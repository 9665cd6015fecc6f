//! One refresh of one grant, from the lease to the stored pair.
//!
//! ```text
//! lease ─► read again ─► "begun" into the vault ─► request ─► pair in memory ─► pair into the vault ─► use
//! ```
//!
//! A crash before the request leaves a token that works; a crash after it leaves one that works for 30 s
//! more. The vault tells the two apart from a token that was never touched, but not from each other, so both
//! end alike: within the grace the same token is simply used again. After it, a token that was spent would
//! end the grant by being used, and one that was not would save it. By then nobody holds a newer pair, so
//! trying is right as soon as there is nothing left to lose: when the access token has expired.

use std::sync::Arc;
use std::time::Duration;

use super::apps::Apps;
use super::grant::{Memory, Unsaved};
use super::grant_id::GrantId;
use super::status::RefreshFailure;
use super::stored::StoredTokens;
use super::{Outcome, TokenError};
use crate::client::{
    AccessToken, AppCredentials, ClientError, FanvueClient, RefreshToken, TokenSet,
};
use crate::entropy::Entropy;
use crate::id::AccountId;
use crate::queue::FailureNote;
use crate::revision::{Revision, Versioned};
use crate::secret::{Secret, SecretId, SecretKind, SecretVault, VaultError};
use crate::store::{HolderId, Lease, LeaseName, Store};
use crate::time::{Clock, Timestamp};

/// How long a refresh may hold its lease: longer than a client's timeout, and short enough that after a crash
/// in the middle the old token can be tried again within Fanvue's 30 s of grace.
pub(super) const REFRESH_LEASE: Duration = Duration::from_secs(20);
/// How long a token that may have been used is used again without a second thought: Fanvue's 30 s, less what
/// a request takes and what two hosts' clocks may differ.
const GRACE: Duration = Duration::from_secs(25);
/// Requests that one refresh makes at most. A lost answer is asked for again at once, because nobody may
/// come by again within the grace.
const REQUESTS: u32 = 2;

/// How badly a new token is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// The one at hand works for a while.
    Early,
    /// The one at hand has expired.
    Expired,
    /// Fanvue did not accept the one at hand.
    Rejected,
}

/// What a refresh needs of the outside.
#[derive(Clone)]
pub(super) struct Ports {
    pub(super) vault: Arc<dyn SecretVault>,
    pub(super) store: Arc<dyn Store>,
    pub(super) client: Arc<dyn FanvueClient>,
    pub(super) apps: Apps,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
}

/// The vault's row of a grant's tokens.
pub(super) const fn row(id: GrantId) -> SecretId {
    id.secret(SecretKind::TokenSet)
}

impl Ports {
    /// What the vault holds, dead grants included.
    pub(super) async fn read(
        &self,
        id: GrantId,
    ) -> Result<Option<Versioned<StoredTokens>>, TokenError> {
        let Some(stored) = self.vault.get(&row(id)).await? else {
            return Ok(None);
        };
        let tokens = StoredTokens::from_bytes(stored.value.expose()).ok_or(TokenError::Corrupt)?;
        Ok(Some(Versioned::new(tokens, stored.revision)))
    }

    /// The tokens of a grant that is alive.
    pub(super) async fn load(&self, id: GrantId) -> Result<Versioned<StoredTokens>, TokenError> {
        self.read(id)
            .await?
            .filter(|stored| !stored.value.needs_reconnect)
            .ok_or(TokenError::NotConnected)
    }

    /// Revokes a grant that nobody will use. Best effort: what stays at Fanvue is of no use to anybody, as
    /// its tokens are stored nowhere.
    pub(super) async fn give_back(&self, id: GrantId, token: Option<&RefreshToken>) {
        let Some(token) = token else { return };
        let revoked = match self.apps.of(id).await {
            Ok(app) => {
                let revoked = self.client.revoke_token(&app.credentials, token);
                revoked.await.map_err(TokenError::from)
            }
            Err(error) => Err(error),
        };
        if let Err(error) = revoked {
            tracing::warn!(grant.id = %id, error = %FailureNote::from_error(&error), "a grant that is not used could not be revoked");
        }
    }

    pub(super) async fn write(
        &self,
        id: GrantId,
        tokens: &StoredTokens,
        expected: Option<Revision>,
    ) -> Result<Revision, TokenError> {
        let bytes = tokens.to_bytes().ok_or(TokenError::Corrupt)?;
        let secret = Secret::new(bytes.as_slice());
        Ok(self.vault.put(&row(id), &secret, expected).await?)
    }

    /// Replaces `old`, unless that was done already. What it began and could not end stays in `memory`.
    pub(super) async fn refresh(
        self,
        id: GrantId,
        memory: Arc<Memory>,
        old: AccessToken,
        need: Need,
    ) -> Outcome {
        let outcome = self.refresh_leased(id, &memory, &old, need).await;
        let now = self.clock.now();
        if need == Need::Rejected && outcome.is_ok() {
            memory.replaced(now);
        }
        memory.note(id, &outcome, now);
        outcome
    }

    async fn refresh_leased(
        &self,
        id: GrantId,
        memory: &Memory,
        old: &AccessToken,
        need: Need,
    ) -> Outcome {
        self.save(id, memory).await?;
        let lease = self.lease(&format!("token/{id}"), REFRESH_LEASE).await?;
        let outcome = self.refresh_held(id, memory, old, need).await;
        // If this fails, the lease lapses by itself.
        if let Err(error) = self.store.release_lease(lease).await {
            tracing::warn!(grant.id = %id, error = %error, "the refresh lease could not be given back");
        }
        outcome
    }

    async fn refresh_held(
        &self,
        id: GrantId,
        memory: &Memory,
        old: &AccessToken,
        need: Need,
    ) -> Outcome {
        let app = self.apps.of(id).await?.credentials;
        let (stored, token, earlier) = loop {
            let mut stored = self.load(id).await?;
            if stored.value.access_token != old.expose() {
                return Ok(stored.value.access_token());
            }
            let Some(token) = stored.value.refresh_token() else {
                let failure = RefreshFailure::NoRefreshToken;
                return self.end(id, old, failure).await;
            };
            if !stored.value.are_of(&app) {
                return self.end(id, old, RefreshFailure::AppChanged).await;
            }
            let now = self.clock.now();
            let earlier = stored.value.refresh_started;
            match earlier {
                Some(begun) if need == Need::Early && now.since(begun) >= GRACE => {
                    return Err(TokenError::Unanswered);
                }
                Some(_) => {}
                None => {
                    stored.value.refresh_started = Some(now);
                    let expected = Some(stored.revision);
                    match self.write(id, &stored.value, expected).await {
                        Ok(revision) => stored.revision = revision,
                        Err(TokenError::Vault(error)) if matches!(*error, VaultError::Conflict) => {
                            continue;
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
            break (stored, token, earlier);
        };
        let mut may_be_used = earlier.is_some();
        let mut requests = 1;
        loop {
            let asked = self.clock.now();
            let error = match self.client.refresh_tokens(&app, &token).await {
                Ok(fresh) => {
                    let tokens = StoredTokens::issued(&fresh, Some(&stored.value), asked);
                    return self.keep(id, memory, &stored, tokens).await;
                }
                Err(ClientError::InvalidGrant) => {
                    let failure = RefreshFailure::InvalidGrant;
                    return self.end(id, old, failure).await;
                }
                Err(error) => error,
            };
            // An answer that does not parse may have been one that issued a pair.
            let unanswered = matches!(
                error,
                ClientError::OutcomeUnknown { .. } | ClientError::Malformed { .. }
            );
            may_be_used |= unanswered;
            let begun = stored.value.refresh_started.unwrap_or(asked);
            if unanswered && requests < REQUESTS && self.clock.now().since(begun) < GRACE {
                requests += 1;
                continue;
            }
            let error = TokenError::from(error);
            if !may_be_used {
                self.withdraw(id, stored, &error).await;
            }
            return Err(error);
        }
    }

    /// Stores the new pair in place of `before`, and answers with it or with what is there instead.
    async fn keep(
        &self,
        id: GrantId,
        memory: &Memory,
        before: &Versioned<StoredTokens>,
        tokens: StoredTokens,
    ) -> Outcome {
        let unsaved = memory.keep(Unsaved {
            replaces: before.value.access_token.clone(),
            tokens,
        });
        let expected = Some(before.revision);
        match self.write(id, &unsaved.tokens, expected).await {
            Ok(_) => {
                tracing::info!(grant.id = %id, "access token refreshed");
                memory.saved(&unsaved);
                Ok(unsaved.tokens.access_token())
            }
            Err(TokenError::Vault(error)) if matches!(*error, VaultError::Conflict) => {
                self.save(id, memory).await?;
                Ok(self.load(id).await?.value.access_token())
            }
            Err(error) => Err(error),
        }
    }

    /// Takes back that a refresh was begun: the token was certainly not used. Best effort: what stays is
    /// taken for a refresh without an answer, which costs nothing but patience.
    async fn withdraw(&self, id: GrantId, mut stored: Versioned<StoredTokens>, error: &TokenError) {
        stored.value.refresh_started = None;
        stored.value.failure = error.failure().map(|failure| (failure, self.clock.now()));
        let expected = Some(stored.revision);
        if let Err(error) = self.write(id, &stored.value, expected).await {
            tracing::debug!(grant.id = %id, error = %error, "a refresh that was not made stays noted as begun");
        }
    }

    /// Stores the new pair that an earlier refresh could not store, if there is one.
    pub(super) async fn save(&self, id: GrantId, memory: &Memory) -> Result<(), TokenError> {
        while let Some(unsaved) = memory.unsaved() {
            match self.read(id).await? {
                Some(stored) if stored.value.access_token == unsaved.replaces => {
                    let expected = Some(stored.revision);
                    match self.write(id, &unsaved.tokens, expected).await {
                        Ok(_) => {}
                        Err(TokenError::Vault(error)) if matches!(*error, VaultError::Conflict) => {
                            continue;
                        }
                        Err(error) => return Err(error),
                    }
                }
                // It is there: only the vault's answer was lost. Or the account was connected anew or
                // erased, or another process was quicker: what is there counts.
                _ => {}
            }
            memory.saved(&unsaved);
        }
        Ok(())
    }

    /// Ends the grant of `old`, unless the vault holds another pair by now: whoever loses a race sees the
    /// winner's here.
    async fn end(&self, id: GrantId, old: &AccessToken, failure: RefreshFailure) -> Outcome {
        loop {
            let stored = self.load(id).await?;
            if stored.value.access_token != old.expose() {
                return Ok(stored.value.access_token());
            }
            let mut dead = stored.value.clone();
            dead.refresh_token = None;
            dead.refresh_started = None;
            dead.needs_reconnect = true;
            dead.failure = Some((failure, self.clock.now()));
            match self.write(id, &dead, Some(stored.revision)).await {
                Ok(_) => {
                    tracing::error!(grant.id = %id, failure = ?failure, "fanvue has ended the grant: the account has to be connected again");
                    return Err(TokenError::NotConnected);
                }
                Err(TokenError::Vault(error)) if matches!(*error, VaultError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The lease of this name, or [`TokenError::Busy`].
    pub(super) async fn lease(&self, name: &str, life: Duration) -> Result<Lease, TokenError> {
        let mut random = [0; 16];
        self.entropy.fill(&mut random)?;
        let holder = HolderId::new(format!("grant/{:032x}", u128::from_le_bytes(random)));
        self.store
            .acquire_lease(&LeaseName::new(name), &holder, self.clock.now(), life)
            .await?
            .ok_or(TokenError::Busy)
    }
}

impl StoredTokens {
    /// The pair as issued at `now`; what the answer leaves out stays as it was `before`.
    pub(super) fn issued(fresh: &TokenSet, before: Option<&Self>, now: Timestamp) -> Self {
        Self {
            access_token: fresh.access_token.expose().to_owned(),
            refresh_token: fresh
                .refresh_token
                .as_ref()
                .map(|token| token.expose().to_owned())
                .or_else(|| before.and_then(|tokens| tokens.refresh_token.clone())),
            expires_at: now + fresh.expires_in,
            scopes: fresh
                .scopes
                .clone()
                .or_else(|| before.map(|tokens| tokens.scopes.clone()))
                .unwrap_or_default(),
            needs_reconnect: false,
            issued_at: Some(now),
            refresh_started: None,
            failure: None,
            alerted_at: None,
            account: before.and_then(|tokens| tokens.account),
            client_id: before.and_then(|tokens| tokens.client_id.clone()),
        }
    }

    /// With the account that gave the grant, and the app that it was given to.
    pub(super) fn of(mut self, account: Option<AccountId>, app: &AppCredentials) -> Self {
        self.account = account;
        self.client_id = Some((*app.client_id).to_owned());
        self
    }

    /// Whether `app` can refresh and revoke them.
    pub(super) fn are_of(&self, app: &AppCredentials) -> bool {
        self.client_id
            .as_deref()
            .is_none_or(|client_id| client_id == &*app.client_id)
    }

    pub(super) fn refresh_token(&self) -> Option<RefreshToken> {
        self.refresh_token.clone().map(RefreshToken::new)
    }

    pub(super) fn access_token(&self) -> AccessToken {
        AccessToken::new(self.access_token.clone())
    }
}

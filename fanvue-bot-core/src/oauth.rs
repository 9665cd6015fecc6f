//! Connecting accounts, and access tokens: read from the vault, refreshed early, by one task of one process
//! at a time.

mod alert;
mod apps;
mod authorization;
mod fields;
mod grant;
mod grant_id;
mod pending;
mod refresh;
mod status;
mod stored;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::alert::Alerting;
pub use self::alert::{ConnectionAlerts, NeedsReconnect};
pub use self::apps::{App, AppError, AppOwner, AppSummary, Apps};
pub use self::authorization::{
    AuthorizeError, Authorized, Authorizer, AuthorizerBuilder, AuthorizerConfigError,
    CallbackQuery, Confirmation, Login, ManagedCreator, OnConnect, SessionId,
};
use self::grant::{Grant, Grants};
pub use self::grant_id::GrantId;
use self::refresh::{Need, Ports, REFRESH_LEASE};
pub use self::status::{Connection, GrantStatus, RefreshFailure};
use self::stored::StoredTokens;
use crate::client::{
    AccessToken, AppCredentials, Auth, ClientError, FanvueClient, Reach, RefreshToken, TokenSet,
};
use crate::creator::Creator;
use crate::entropy::{Entropy, EntropyError, OsEntropy, Seed};
use crate::flight::{Flight, Waiting};
use crate::id::CreatorId;
use crate::rate::Class;
use crate::retry::Retry;
use crate::revision::Versioned;
use crate::secret::{SecretId, SecretKind, SecretVault, VaultError, stored};
use crate::store::{Store, StoreError};
use crate::time::{Clock, SystemClock, Timestamp};

/// Hands out access tokens. There is no second path to one.
///
/// A refresh token works once, and using it again late revokes the whole grant. So:
///
/// - Within a process all tasks wait for one refresh. It belongs to none of them: a task that is aborted
///   leaves it to the next one. Clones of a token source share this; build one per process and clone it.
/// - Between processes a lease decides. Whoever has it **reads the vault again**, notes there that a refresh
///   begins, refreshes, stores the new pair, and only then hands it out.
/// - A new pair that cannot be stored stays in memory and is stored before anything else is done.
/// - After a crash the same refresh token is used again within Fanvue's 30 s of grace. Where that was
///   missed, the access token at hand is used until it expires, and then the refresh token once more.
/// - A refused refresh token is looked up again before the grant is declared dead. From then on the answer is
///   [`TokenError::NotConnected`] until [`TokenSource::connect`].
///
/// A token is refreshed 5 min before it expires, or a quarter of its life if that is shorter, at a moment
/// within that window's first half that differs from grant to grant. A task that has a token which still
/// works does not wait for a refresh that another one is at.
///
/// Source: Fanvue API reference, section 1.5: refresh tokens are single use and rotate; the old one keeps
/// working for 30 s.
#[derive(Clone)]
pub struct TokenSource {
    ports: Ports,
    early: Duration,
    grants: Arc<Grants>,
    alerting: Option<Alerting>,
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource")
            .field("apps", &self.ports.apps)
            .finish_non_exhaustive()
    }
}

/// What a refresh ends with.
type Outcome = Result<AccessToken, TokenError>;

/// How long to leave a refresh to whoever is at it.
const BUSY_WAIT: Duration = Duration::from_secs(1);
/// How often work that waits for a person looks whether they have acted.
const PERSON_WAIT: Duration = Duration::from_secs(60);
/// How long a token that replaced a rejected one is kept although it is rejected too: where Fanvue accepts
/// none, a refresh for each call would be one too many.
const REPLACEMENT_WAIT: Duration = Duration::from_secs(10);
/// How often a task joins a refresh before it leaves it to the next try.
const JOINS: u32 = 3;

/// Why there is no access token. All tasks that waited for one refresh get the same, so it can be cloned.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The creator's account is not connected, or has to be connected again: a person must act. The
    /// creator's work waits meanwhile.
    #[error("the creator's fanvue account has to be connected")]
    NotConnected,
    /// Another process is refreshing the token right now.
    #[error("the access token is being refreshed elsewhere")]
    Busy,
    /// The answer to an earlier refresh was lost and its grace is over. The token at hand still works.
    #[error(
        "the answer to the last token refresh was lost; it is tried again when the token expires"
    )]
    Unanswered,
    /// Fanvue does not accept an access token that it has just issued in place of another one.
    #[error("fanvue does not accept the access token that it has just issued")]
    Unaccepted,
    /// The stored app of the creator's or agency's own does not read back.
    #[error("the stored app does not read back; save it again")]
    CorruptApp,
    /// The stored token set does not read back.
    #[error("the stored token set does not read back; connect the account again")]
    Corrupt,
    /// The vault refused.
    #[error(transparent)]
    Vault(Arc<VaultError>),
    /// The lease could not be had.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// Fanvue refused the refresh.
    #[error("the access token could not be refreshed")]
    Client {
        /// What it said.
        source: Arc<ClientError>,
    },
}

impl From<VaultError> for TokenError {
    fn from(error: VaultError) -> Self {
        Self::Vault(Arc::new(error))
    }
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<ClientError> for TokenError {
    fn from(error: ClientError) -> Self {
        Self::Client {
            source: Arc::new(error),
        }
    }
}

impl TokenError {
    /// Whether and how to try again. Never [`Retry::Never`]: what only a person can mend, such as a wrong
    /// client secret, is no fault of the work that waits for a token.
    #[must_use]
    pub fn retry(&self) -> Retry {
        let retry = match self {
            Self::NotConnected | Self::Corrupt | Self::CorruptApp => Retry::Never,
            Self::Busy => Retry::After(BUSY_WAIT),
            Self::Unanswered | Self::Unaccepted => Retry::After(REPLACEMENT_WAIT),
            Self::Vault(error) => error.retry(),
            Self::Store(error) => error.retry(),
            Self::Entropy(_) => Retry::Backoff,
            Self::Client { source } => source.retry(),
        };
        match retry {
            Retry::Never => Retry::After(PERSON_WAIT),
            retry => retry,
        }
    }

    /// As health tells it; `None` for what is no failure of a refresh.
    fn failure(&self) -> Option<RefreshFailure> {
        Some(match self {
            Self::NotConnected | Self::Busy => return None,
            Self::Unanswered => RefreshFailure::Unanswered,
            Self::Unaccepted => RefreshFailure::Unaccepted,
            Self::Corrupt
            | Self::CorruptApp
            | Self::Vault(_)
            | Self::Store(_)
            | Self::Entropy(_) => RefreshFailure::Storage,
            Self::Client { source } => match **source {
                ClientError::InvalidGrant => RefreshFailure::InvalidGrant,
                ClientError::InvalidClient => RefreshFailure::InvalidClient,
                ClientError::RateLimited { .. } => RefreshFailure::RateLimited,
                ClientError::Unavailable { .. } => RefreshFailure::Unavailable,
                ClientError::OutcomeUnknown { .. } | ClientError::Malformed { .. } => {
                    RefreshFailure::Unanswered
                }
                _ => RefreshFailure::Refused,
            },
        })
    }
}

impl TokenSource {
    /// A token source for the grants of `app` and of those that creators and agencies have of their own, with
    /// the system's clock.
    #[must_use]
    pub fn new(
        vault: Arc<dyn SecretVault>,
        store: Arc<dyn Store>,
        client: Arc<dyn FanvueClient>,
        app: AppCredentials,
    ) -> Self {
        Self {
            ports: Ports {
                apps: Apps::new(Arc::clone(&vault), app),
                vault,
                store,
                client,
                clock: Arc::new(SystemClock),
                entropy: Arc::new(OsEntropy),
            },
            early: Duration::from_secs(300),
            grants: Arc::default(),
            alerting: None,
        }
    }

    /// With this clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.ports.clock = clock;
        self
    }

    /// With this randomness.
    #[must_use]
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.ports.entropy = entropy;
        self
    }

    /// Refreshing at most this long before a token expires, and never more than a quarter of its life.
    /// Default: 5 min.
    #[must_use]
    pub const fn refresh_early(mut self, early: Duration) -> Self {
        self.early = early;
        self
    }

    /// Stores what an authorization code was exchanged for, in place of what there was, also if that does not open
    /// any more.
    ///
    /// # Errors
    /// [`TokenError::Vault`]; the set is then not stored and must not be used.
    pub async fn connect(
        &self,
        grant: impl Into<GrantId> + Send,
        tokens: &TokenSet,
    ) -> Result<(), TokenError> {
        let id = grant.into();
        let app = self.ports.apps.of(id).await?;
        let tokens = StoredTokens::issued(tokens, None, self.ports.clock.now());
        self.store(id, &tokens.of(None, &app.credentials)).await
    }

    async fn store(&self, id: GrantId, tokens: &StoredTokens) -> Result<(), TokenError> {
        let row = refresh::row(id);
        loop {
            // Not read into tokens: what does not open or does not read back is replaced as well.
            let (expected, _) = stored(&*self.ports.vault, &row).await?;
            match self.ports.write(id, tokens, expected).await {
                Err(TokenError::Vault(error)) if matches!(*error, VaultError::Conflict) => {}
                outcome => {
                    outcome?;
                    self.grants.of(id).memory.begin_anew();
                    return Ok(());
                }
            }
        }
    }

    /// Ends a grant: revokes it at Fanvue, then erases its tokens here and what was begun to connect it, so that who
    /// comes back from Fanvue's page later connects nothing. From then on
    /// [`TokenSource::auth`] answers [`TokenError::NotConnected`] for every creator whom it reached. An
    /// agency's grant ends only by its own id, and not by that of a creator whom it reaches. Idempotent.
    ///
    /// # Errors
    /// [`TokenError::Client`] if it could not be revoked; nothing has changed then, and
    /// [`TokenSource::erase`] erases it without that. [`TokenError::Vault`] if it could not be erased.
    pub async fn disconnect(&self, grant: impl Into<GrantId> + Send) -> Result<(), TokenError> {
        let id = grant.into();
        let stored = match self.ports.read(id).await {
            Ok(stored) => stored,
            // What does not read back can only be erased.
            Err(TokenError::Corrupt) => None,
            Err(error) => return Err(error),
        };
        let app = self.ports.apps.of(id).await?.credentials;
        if let Some((stored, token)) = stored.and_then(|stored| {
            let token = stored.value.refresh_token()?;
            Some((stored.value, token))
        }) {
            if stored.are_of(&app) {
                self.ports.client.revoke_token(&app, &token).await?;
            } else {
                tracing::warn!(grant.id = %id, "a grant of another app than the present one is erased and not revoked; its owner can end it at fanvue");
            }
        }
        self.erase(id).await?;
        tracing::info!(grant.id = %id, "fanvue account disconnected");
        Ok(())
    }

    /// Erases a grant's tokens here and leaves the grant at Fanvue, where its owner can end it
    /// (fanvue.com/settings/account/third-party-apps). Also tokens that do not open any more, and what was begun to
    /// connect it. Idempotent.
    ///
    /// # Errors
    /// [`TokenError::Vault`]; the tokens may then still be there.
    pub async fn erase(&self, grant: impl Into<GrantId> + Send) -> Result<(), TokenError> {
        let id = grant.into();
        // First, so that a callback that stores its tokens after they were erased finds it gone.
        self.end_authorization(id).await?;
        self.forget(id).await.map(drop)
    }

    /// Erases all secrets of a creator: the tokens, what was begun to connect them, their own app's secret, those of
    /// webhooks. Idempotent.
    pub(crate) async fn erase_secrets_of(&self, creator: CreatorId) -> Result<(), TokenError> {
        self.erase(creator).await?;
        for kind in SecretKind::ALL {
            let row = SecretId::of_creator(creator, *kind);
            while let (Some(revision), _) = stored(&*self.ports.vault, &row).await? {
                match self.ports.vault.delete(&row, revision).await {
                    // Another one was put in its place meanwhile.
                    Ok(()) | Err(VaultError::Conflict) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Erases the tokens, and answers with the refresh token that there was.
    async fn forget(&self, id: GrantId) -> Result<Option<RefreshToken>, TokenError> {
        let row = refresh::row(id);
        while let (Some(revision), secret) = stored(&*self.ports.vault, &row).await? {
            match self.ports.vault.delete(&row, revision).await {
                Ok(()) => {
                    self.grants.of(id).memory.begin_anew();
                    let tokens =
                        secret.and_then(|secret| StoredTokens::from_bytes(secret.expose()));
                    return Ok(tokens.and_then(|tokens| tokens.refresh_token()));
                }
                Err(VaultError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// The apps that grants are of.
    #[must_use]
    pub const fn apps(&self) -> &Apps {
        &self.ports.apps
    }

    const fn ports(&self) -> &Ports {
        &self.ports
    }

    /// A credential for the creator's chats, refreshed if it is about to expire.
    ///
    /// # Errors
    /// As [`TokenError`] says.
    pub async fn auth(&self, creator: &Creator) -> Result<Auth, TokenError> {
        let reach = creator.reach().ok_or(TokenError::NotConnected)?;
        let id = creator.grant();
        let outcome = self.token(id).await;
        self.conclude(id, reach, outcome).await
    }

    /// A credential for what is asked of the account itself that gave the grant: of the agency, and not of one
    /// of its creators.
    ///
    /// # Errors
    /// As [`TokenError`] says.
    pub async fn account(&self, grant: impl Into<GrantId> + Send) -> Result<Auth, TokenError> {
        let id = grant.into();
        let outcome = self.token(id).await;
        self.conclude(id, Reach::Own, outcome).await
    }

    /// The same, other than `rejected`, which Fanvue did not accept.
    ///
    /// # Errors
    /// As [`TokenSource::renew`].
    pub async fn renew_account(
        &self,
        grant: impl Into<GrantId> + Send,
        rejected: &Auth,
    ) -> Result<Auth, TokenError> {
        let id = grant.into();
        let outcome = self.token_other_than(id, &rejected.token).await;
        self.conclude(id, Reach::Own, outcome).await
    }

    /// What a caller gets. The operator is told before, if it is for them to act.
    async fn conclude(
        &self,
        id: GrantId,
        reach: Reach,
        outcome: Outcome,
    ) -> Result<Auth, TokenError> {
        if let Err(TokenError::NotConnected) = outcome {
            self.announce(id).await;
        }
        outcome.map(|token| Auth {
            token,
            reach,
            grant: id,
            class: Class::LiveReply,
        })
    }

    /// The access token of the grant, refreshed if it is about to expire.
    async fn token(&self, id: GrantId) -> Outcome {
        let grant = self.grants.of(id);
        let stored = self.ports.read(id).await?;
        let now = self.ports.clock.now();
        let Some(tokens) = self.usable(id, &grant, stored).await? else {
            return Err(TokenError::NotConnected);
        };
        if now < self.refresh_at(id, &tokens) {
            return Ok(tokens.access_token());
        }
        let valid = |now| now < tokens.expires_at;
        let need = if valid(now) {
            Need::Early
        } else {
            Need::Expired
        };
        if let Some(error) = grant.memory.held(now) {
            return match need {
                Need::Early => Ok(tokens.access_token()),
                _ => Err(error),
            };
        }
        match self.replace(id, &grant, &tokens.access_token(), need).await {
            // What is at hand still works.
            Err(error)
                if valid(self.ports.clock.now()) && !matches!(error, TokenError::NotConnected) =>
            {
                Ok(tokens.access_token())
            }
            outcome => outcome,
        }
    }

    /// A credential other than `rejected`, which Fanvue did not accept.
    ///
    /// # Errors
    /// As [`TokenError`] says; [`TokenError::Unaccepted`] if `rejected` has itself replaced a rejected one
    /// seconds ago.
    pub async fn renew(&self, creator: &Creator, rejected: &Auth) -> Result<Auth, TokenError> {
        let reach = creator.reach().ok_or(TokenError::NotConnected)?;
        let id = creator.grant();
        let outcome = self.token_other_than(id, &rejected.token).await;
        self.conclude(id, reach, outcome).await
    }

    async fn token_other_than(&self, id: GrantId, rejected: &AccessToken) -> Outcome {
        let grant = self.grants.of(id);
        let stored = self.ports.read(id).await?;
        let now = self.ports.clock.now();
        let Some(tokens) = self.usable(id, &grant, stored).await? else {
            return Err(TokenError::NotConnected);
        };
        if tokens.access_token != rejected.expose() {
            return Ok(tokens.access_token());
        }
        if grant
            .memory
            .replaced_at()
            .is_some_and(|at| at <= now && now.since(at) < REPLACEMENT_WAIT)
        {
            return Err(TokenError::Unaccepted);
        }
        if let Some(error) = grant.memory.held(now) {
            return Err(error);
        }
        self.replace(id, &grant, rejected, Need::Rejected).await
    }

    /// How a grant is doing; [`Creator::grant`] names that of a creator. Reads the vault, asks nobody else and
    /// changes nothing.
    ///
    /// # Errors
    /// [`TokenError::Vault`] and [`TokenError::Corrupt`].
    pub async fn status(
        &self,
        grant: impl Into<GrantId> + Send,
    ) -> Result<GrantStatus, TokenError> {
        let id = grant.into();
        let Some(stored) = self.ports.read(id).await? else {
            return Ok(GrantStatus::not_connected());
        };
        let tokens = stored.value;
        // What this process remembers is about the tokens at hand only if it is younger than they are.
        let trouble = self
            .grants
            .of(id)
            .memory
            .trouble()
            .filter(|trouble| tokens.issued_at.is_none_or(|issued| issued <= trouble.at));
        let remembered = trouble
            .as_ref()
            .map(|trouble| (trouble.failure, trouble.at));
        let last = [tokens.failure, remembered]
            .into_iter()
            .flatten()
            .max_by_key(|(_, at)| *at);
        Ok(GrantStatus {
            connection: if tokens.needs_reconnect {
                Connection::NeedsReconnect
            } else {
                Connection::Connected
            },
            expires_at: Some(tokens.expires_at),
            refresh_at: Some(self.refresh_at(id, &tokens)),
            issued_at: tokens.issued_at,
            unanswered_since: tokens.refresh_started,
            last_failure: last.map(|(failure, _)| failure),
            last_failure_at: last.map(|(_, at)| at),
            alerted_at: tokens.alerted_at,
            failures: trouble.map_or(0, |trouble| trouble.count),
            scopes: tokens.scopes.clone(),
        })
    }

    /// Whether the tokens at hand are of the app that the grant has now; `true` if there are none. Where they are of
    /// another one they work until they expire, and the account has to be connected again. Reads the vault.
    ///
    /// # Errors
    /// As [`TokenSource::status`]; [`TokenError::CorruptApp`] if the stored app does not read back.
    pub async fn is_of_its_app(
        &self,
        grant: impl Into<GrantId> + Send,
    ) -> Result<bool, TokenError> {
        let id = grant.into();
        let Some(stored) = self.ports.read(id).await? else {
            return Ok(true);
        };
        let app = self.ports.apps.of(id).await?.credentials;
        Ok(stored.value.are_of(&app))
    }

    /// Ends what this process has begun: waits for the refreshes under way, and stores the pairs that could
    /// not be stored before. For the end of a drain, when no task is left that would.
    ///
    /// # Errors
    /// The first that a pair could not be stored for; the others are tried all the same.
    pub async fn finish(&self) -> Result<(), TokenError> {
        let mut result = Ok(());
        for (id, grant) in self.grants.all() {
            let under_way = grant.flight().clone();
            if let Some(flight) = under_way {
                let _stored_or_kept = flight.join().await;
                grant.landed(&flight);
            }
            if let Err(error) = self.ports.save(id, &grant.memory).await {
                tracing::error!(grant.id = %id, error = %error, "a new pair of tokens could not be stored");
                result = result.and(Err(error));
            }
        }
        result
    }

    /// The tokens of a grant that is alive, once a pair that is only in memory is stored.
    async fn usable(
        &self,
        id: GrantId,
        grant: &Grant,
        stored: Option<Versioned<StoredTokens>>,
    ) -> Result<Option<StoredTokens>, TokenError> {
        let stored = if grant.memory.unsaved().is_some() && grant.flight().is_none() {
            match self.ports.save(id, &grant.memory).await {
                Ok(()) => self.ports.read(id).await?,
                // The pair before may not have expired yet.
                Err(_) => stored,
            }
        } else {
            stored
        };
        Ok(stored
            .map(|stored| stored.value)
            .filter(|tokens| !tokens.needs_reconnect))
    }

    /// When `tokens` are to be refreshed. The same in every process, and different for each grant.
    fn refresh_at(&self, id: GrantId, tokens: &StoredTokens) -> Timestamp {
        let life = tokens
            .issued_at
            .map_or(Duration::MAX, |issued| tokens.expires_at.since(issued));
        let window = self.early.min(life / 4);
        let micros = u64::try_from(window.as_micros()).unwrap_or(u64::MAX);
        let seed = u64::from_le_bytes(tokens.expires_at.as_micros().to_le_bytes());
        let before = Seed::new(seed)
            .derive(&id.to_string())
            .in_range(micros / 2, micros);
        tokens.expires_at.minus(Duration::from_micros(before))
    }

    /// Joins the refresh that is under way, or begins one.
    async fn replace(
        &self,
        id: GrantId,
        grant: &Arc<Grant>,
        old: &AccessToken,
        need: Need,
    ) -> Outcome {
        for _ in 0..JOINS {
            let Some((flight, waiting)) = self.board(id, grant, old, need) else {
                return Ok(old.clone());
            };
            let outcome = waiting.await;
            grant.landed(&flight);
            match outcome {
                // A refresh that was begun for an earlier token, or for one that still worked.
                Some(Ok(token)) if token == *old => {}
                Some(Err(TokenError::Unanswered)) if need != Need::Early => {}
                Some(outcome) => return outcome,
                None => return Err(TokenError::Busy),
            }
        }
        Err(TokenError::Busy)
    }

    /// `None` if somebody is at it and the token at hand will do meanwhile.
    fn board(
        &self,
        id: GrantId,
        grant: &Arc<Grant>,
        old: &AccessToken,
        need: Need,
    ) -> Option<(Arc<Flight<Outcome>>, Waiting<Outcome>)> {
        let now = self.ports.clock.now();
        let under_way = grant.flight().clone();
        if let Some(flight) = under_way {
            // Its lease has lapsed, so others may be at it: what has not come by now does not come.
            let overdue = now.since(flight.begun()) > REFRESH_LEASE;
            if overdue && flight.advance().is_pending() {
                flight.cancel();
                grant.landed(&flight);
            }
        }
        let mut under_way = grant.flight();
        if let Some(flight) = &*under_way {
            if need == Need::Early && !flight.is_orphaned() {
                return None;
            }
            return Some((Arc::clone(flight), flight.join()));
        }
        let refresh = self
            .ports
            .clone()
            .refresh(id, Arc::clone(&grant.memory), old.clone(), need);
        let flight = Arc::new(Flight::new(refresh, now));
        *under_way = Some(Arc::clone(&flight));
        let waiting = flight.join();
        Some((flight, waiting))
    }
}

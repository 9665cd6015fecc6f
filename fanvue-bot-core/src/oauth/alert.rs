//! Telling the operator that an account has to be connected again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::GrantId;
use super::refresh::Ports;
use super::status::RefreshFailure;
use super::{TokenError, TokenSource};
use crate::queue::FailureNote;
use crate::secret::VaultError;
use crate::time::Timestamp;

/// How long one process has for telling. If it does not get there, another one may begin.
const ALERT_LEASE: Duration = Duration::from_secs(20);

/// Where an operator is told that only they can go on: by mail, in a chat, on a pager.
#[async_trait]
pub trait ConnectionAlerts: fmt::Debug + Send + Sync + 'static {
    /// An account has to be connected again.
    ///
    /// Called once for each end of a grant, however many fans wait and however many processes notice.
    /// Called again if it fails or the process ends in the middle, so twice is possible and never is not:
    /// name the message after the grant and [`since`](NeedsReconnect::since) if the way there can tell
    /// doubles apart. Must end within 20 s, after which another process may begin.
    ///
    /// # Errors
    /// Whatever kept it from being told; it is tried again when the grant is next asked for, no sooner than
    /// 20 s later.
    async fn needs_reconnect(
        &self,
        alert: &NeedsReconnect,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// A grant that has ended. Holds no secret and nothing of a fan.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NeedsReconnect {
    /// Whose account.
    pub grant: GrantId,
    /// What ended it.
    pub cause: RefreshFailure,
    /// When that was found.
    pub since: Timestamp,
    /// Where the operator connects it again.
    pub link: String,
}

/// Whom to tell, and where the link leads.
#[derive(Debug, Clone)]
pub(super) struct Alerting {
    alerts: Arc<dyn ConnectionAlerts>,
    page: Arc<str>,
}

impl TokenSource {
    /// Telling `alerts` when an account has to be connected again, with a link to `start_page`: the
    /// deployment's own address of `GET /oauth/start`, such as `https://bot.example.com/oauth/start`. The
    /// grant is added as a query. Default: nobody is told, but for an error in the log.
    #[must_use]
    pub fn alerts(
        mut self,
        alerts: Arc<dyn ConnectionAlerts>,
        start_page: impl Into<Arc<str>>,
    ) -> Self {
        self.alerting = Some(Alerting {
            alerts,
            page: start_page.into(),
        });
        self
    }

    /// Tells that the grant has ended, unless somebody was told already. Best effort: whoever asks for the
    /// grant next tries again.
    pub(super) async fn announce(&self, id: GrantId) {
        let Some(alerting) = &self.alerting else {
            return;
        };
        if let Err(error) = alerting.announce(&self.ports, id).await {
            tracing::warn!(
                grant.id = %id,
                error = %FailureNote::from_error(&*error),
                "the operator could not be told that an account has to be connected again"
            );
        }
    }
}

impl Alerting {
    async fn announce(
        &self,
        ports: &Ports,
        id: GrantId,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if ended(ports, id).await?.is_none() {
            return Ok(());
        }
        let lease = match ports.lease(&format!("alert/{id}"), ALERT_LEASE).await {
            Ok(lease) => lease,
            Err(TokenError::Busy) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        // Read again: somebody may have been told between the look and the lease.
        if let Some((cause, since)) = ended(ports, id).await? {
            let alert = NeedsReconnect {
                grant: id,
                cause,
                since,
                link: self.link(id),
            };
            // After a failure the lease stays, so that it is not tried again at once by the next fan.
            self.alerts.needs_reconnect(&alert).await?;
            note(ports, id, since).await?;
        }
        ports.store.release_lease(lease).await?;
        Ok(())
    }

    fn link(&self, id: GrantId) -> String {
        match id {
            GrantId::Creator(creator) => format!("{}?creator_id={creator}", self.page),
            GrantId::Agency(agency) => format!("{}?agency_id={agency}", self.page),
        }
    }
}

/// What ended the grant and when, if nobody was told of it yet.
async fn ended(
    ports: &Ports,
    id: GrantId,
) -> Result<Option<(RefreshFailure, Timestamp)>, TokenError> {
    let stored = ports.read(id).await?;
    Ok(stored
        .filter(|stored| stored.value.needs_reconnect && stored.value.alerted_at.is_none())
        .and_then(|stored| stored.value.failure))
}

/// Notes that the end of `since` was told.
async fn note(ports: &Ports, id: GrantId, since: Timestamp) -> Result<(), TokenError> {
    while let Some(stored) = ports.read(id).await? {
        let mut tokens = stored.value.clone();
        // Connected anew meanwhile, or even ended once more.
        if !tokens.needs_reconnect || tokens.failure.is_none_or(|(_, at)| at != since) {
            break;
        }
        tokens.alerted_at = Some(ports.clock.now());
        match ports.write(id, &tokens, Some(stored.revision)).await {
            Err(TokenError::Vault(error)) if matches!(*error, VaultError::Conflict) => {}
            outcome => return outcome.map(drop),
        }
    }
    Ok(())
}

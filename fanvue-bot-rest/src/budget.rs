//! The request budget, as this client asks it.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::client::{AppCredentials, Auth, ClientError, Reach};
use fanvue_bot_core::rate::{Budget, Class, Principal, Told};
use reqwest::StatusCode;
use tokio::time::timeout;

use crate::headers::retry_after;
use crate::transport::Answer;

/// Which of Fanvue's limits a call counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bucket {
    /// All calls but those below.
    General,
    /// `POST /chats/statuses`.
    Statuses,
}

impl Bucket {
    /// Whose bucket a call with `auth` draws from.
    pub(crate) const fn of(self, auth: &Auth, reach: Reach) -> Principal {
        let grant = auth.grant;
        match self {
            Self::General => Principal::Calls { grant, reach },
            Self::Statuses => Principal::Statuses { grant, reach },
        }
    }
}

/// Whose bucket a token request of `app` draws from.
pub(crate) fn of_app(app: &AppCredentials) -> Principal {
    Principal::Tokens {
        client_id: Arc::clone(&app.client_id),
    }
}

/// The budget, and how long a call waits for a store that is slow.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    budget: Budget,
    longest_wait: Duration,
}

impl Gate {
    pub(crate) const fn new(budget: Budget, longest_wait: Duration) -> Self {
        Self {
            budget,
            longest_wait,
        }
    }

    pub(crate) const fn budget(&self) -> &Budget {
        &self.budget
    }

    /// How much longer than its request a call may take: before it, and after a 429.
    pub(crate) fn adds(&self) -> Duration {
        self.longest_wait * 2
    }

    /// Takes one request, or says how long to wait.
    pub(crate) async fn take(
        &self,
        principal: &Principal,
        class: Class,
    ) -> Result<(), ClientError> {
        let taken = timeout(self.longest_wait, self.budget.take(principal, class)).await;
        taken
            .unwrap_or_else(|_| self.budget.take_without_store(principal, class))
            .map_err(|retry_after| ClientError::RateLimited { retry_after })
    }

    /// Learns what an answer says.
    ///
    /// # Errors
    /// [`ClientError::RateLimited`] if it is that no more requests may be made. Then all processes know.
    pub(crate) async fn learn(
        &self,
        principal: &Principal,
        told: Told,
        answer: &Answer,
    ) -> Result<(), ClientError> {
        self.budget.observe(principal, told);
        if answer.status != StatusCode::TOO_MANY_REQUESTS {
            return Ok(());
        }
        let retry_after = retry_after(&answer.headers, self.budget.now());
        // Who waited in vain knows it all the same; the others learn of it with their next loan.
        let hold = self.budget.hold(principal, retry_after);
        let _elapsed = timeout(self.longest_wait, hold).await;
        Err(ClientError::RateLimited { retry_after })
    }
}

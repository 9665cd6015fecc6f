//! The request budget, as this client asks it.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::client::{AppCredentials, Auth, ClientError, Reach};
use fanvue_bot_core::rate::{Budget, Class, Principal, Told};
use reqwest::StatusCode;

use crate::headers::retry_after;
use crate::transport::Answer;

/// How long a call waits for a share of the budget that all processes have. Then it does without.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(1);

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

/// Takes one request, or says how long to wait.
pub(crate) async fn take(
    budget: &Budget,
    principal: &Principal,
    class: Class,
) -> Result<(), ClientError> {
    let taken = tokio::time::timeout(LONGEST_WAIT, budget.take(principal, class)).await;
    taken
        .unwrap_or_else(|_| budget.take_without_store(principal, class))
        .map_err(|retry_after| ClientError::RateLimited { retry_after })
}

/// Learns what an answer says.
///
/// # Errors
/// [`ClientError::RateLimited`] if it is that no more requests may be made. Then all processes know.
pub(crate) async fn learn(
    budget: &Budget,
    principal: &Principal,
    told: Told,
    answer: &Answer,
) -> Result<(), ClientError> {
    budget.observe(principal, told);
    if answer.status != StatusCode::TOO_MANY_REQUESTS {
        return Ok(());
    }
    let retry_after = retry_after(&answer.headers, budget.now());
    // Who waited in vain knows it all the same; the others learn of it with their next loan.
    let _elapsed = tokio::time::timeout(LONGEST_WAIT, budget.hold(principal, retry_after)).await;
    Err(ClientError::RateLimited { retry_after })
}

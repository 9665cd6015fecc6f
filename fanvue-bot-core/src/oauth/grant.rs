//! What one process remembers of its grants: the refresh under way, a new pair that is not stored yet, and
//! the last failure.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::grant_id::GrantId;
use super::status::RefreshFailure;
use super::stored::StoredTokens;
use super::{Outcome, TokenError};
use crate::client::ClientError;
use crate::flight::Flight;
use crate::queue::FailureNote;
use crate::retry::Retry;
use crate::time::Timestamp;

/// How long a failure is left alone at first. Two more attempts fit into Fanvue's 30 s of grace.
const HOLD: Duration = Duration::from_secs(5);
/// After this many failures in a row the wait grows no more.
const LONGEST_HOLD: u32 = 6;

/// The grants that this process has handed out tokens of. Clones of a token source share them.
#[derive(Default)]
pub(super) struct Grants(Mutex<BTreeMap<GrantId, Arc<Grant>>>);

/// One grant.
#[derive(Default)]
pub(super) struct Grant {
    flight: Mutex<Option<Arc<Flight<Outcome>>>>,
    pub(super) memory: Arc<Memory>,
}

/// What is remembered of one grant. Apart from the flight, which holds on to it.
#[derive(Default)]
pub(super) struct Memory(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    unsaved: Option<Arc<Unsaved>>,
    trouble: Option<Trouble>,
    /// When a refresh last replaced a token that Fanvue had rejected.
    replaced_at: Option<Timestamp>,
}

/// A pair that Fanvue has issued and the vault does not hold yet. The pair before it is spent, so this is
/// the only way to the account.
pub(super) struct Unsaved {
    /// The access token of the pair before.
    pub(super) replaces: String,
    pub(super) tokens: StoredTokens,
}

impl Drop for Unsaved {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.replaces);
    }
}

/// A run of failures.
#[derive(Clone)]
pub(super) struct Trouble {
    pub(super) error: TokenError,
    pub(super) failure: RefreshFailure,
    pub(super) at: Timestamp,
    pub(super) count: u32,
    again_at: Timestamp,
}

impl Trouble {
    /// What is told to who asks at `now`, before it is tried again: a wait that has passed in part is not begun
    /// anew.
    fn error_at(&self, now: Timestamp) -> TokenError {
        match &self.error {
            TokenError::Client { source } => match **source {
                ClientError::RateLimited { .. } => {
                    let retry_after = self.again_at.since(now);
                    ClientError::RateLimited { retry_after }.into()
                }
                _ => self.error.clone(),
            },
            error => error.clone(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Grants {
    pub(super) fn of(&self, id: GrantId) -> Arc<Grant> {
        Arc::clone(lock(&self.0).entry(id).or_default())
    }

    pub(super) fn all(&self) -> Vec<(GrantId, Arc<Grant>)> {
        lock(&self.0)
            .iter()
            .map(|(id, grant)| (*id, Arc::clone(grant)))
            .collect()
    }
}

impl Grant {
    pub(super) fn flight(&self) -> MutexGuard<'_, Option<Arc<Flight<Outcome>>>> {
        lock(&self.flight)
    }

    /// Forgets `flight`, which has ended, unless another one has begun.
    pub(super) fn landed(&self, flight: &Arc<Flight<Outcome>>) {
        self.flight()
            .take_if(|under_way| Arc::ptr_eq(under_way, flight));
    }
}

impl Memory {
    pub(super) fn unsaved(&self) -> Option<Arc<Unsaved>> {
        lock(&self.0).unsaved.clone()
    }

    pub(super) fn keep(&self, unsaved: Unsaved) -> Arc<Unsaved> {
        let unsaved = Arc::new(unsaved);
        lock(&self.0).unsaved = Some(Arc::clone(&unsaved));
        unsaved
    }

    /// The vault holds what `unsaved` held.
    pub(super) fn saved(&self, unsaved: &Arc<Unsaved>) {
        let mut remembered = lock(&self.0);
        if remembered
            .unsaved
            .take_if(|kept| Arc::ptr_eq(kept, unsaved))
            .is_some()
        {
            remembered.trouble = None;
        }
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        lock(&self.0).trouble.clone()
    }

    /// The failure that is too fresh to try again at `now`.
    pub(super) fn held(&self, now: Timestamp) -> Option<TokenError> {
        lock(&self.0)
            .trouble
            .as_ref()
            // A clock that was set back must not hold anything up.
            .filter(|trouble| trouble.at <= now && now < trouble.again_at)
            .map(|trouble| trouble.error_at(now))
    }

    pub(super) fn replaced_at(&self) -> Option<Timestamp> {
        lock(&self.0).replaced_at
    }

    pub(super) fn replaced(&self, now: Timestamp) {
        lock(&self.0).replaced_at = Some(now);
    }

    /// Everything that was known is about a grant that is no more.
    pub(super) fn begin_anew(&self) {
        *lock(&self.0) = Remembered::default();
    }

    /// Remembers how a refresh ended, and tells it: a failure once, when it begins or turns into another.
    pub(super) fn note(&self, id: GrantId, outcome: &Outcome, now: Timestamp) {
        let before = lock(&self.0).trouble.take();
        let (error, failure) = match outcome {
            Ok(_) | Err(TokenError::NotConnected) => {
                if let (Ok(_), Some(before)) = (outcome, before) {
                    tracing::info!(grant.id = %id, failures = before.count, "the access token is good again");
                }
                return;
            }
            Err(error) => match error.failure() {
                Some(failure) => (error, failure),
                // Somebody else is at it: no failure.
                None => {
                    lock(&self.0).trouble = before;
                    return;
                }
            },
        };
        let known = before.filter(|before| before.failure == failure);
        let count = known.as_ref().map_or(0, |before| before.count) + 1;
        let cause = FailureNote::from_error(error);
        if known.is_none() {
            tracing::warn!(grant.id = %id, %cause, "the access token could not be refreshed; it is tried again");
        } else {
            tracing::debug!(grant.id = %id, %cause, failures = count, "the access token could not be refreshed");
        }
        let hold = match error.retry() {
            // A turn of its own: who comes later than then makes a fan wait for nothing.
            Retry::After(wait) => wait,
            Retry::Never | Retry::Backoff | Retry::Reconcile => HOLD * count.min(LONGEST_HOLD),
        };
        lock(&self.0).trouble = Some(Trouble {
            error: error.clone(),
            failure,
            at: now,
            count,
            again_at: now + hold,
        });
    }
}

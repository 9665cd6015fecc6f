//! How much of a bucket is left, for whoever watches.

use super::budget::register;
use super::ledger::Ledger;
use super::principal::Principal;
use crate::store::{Store, StoreError};
use crate::time::Timestamp;

/// What the processes of a deployment know together of one of Fanvue's buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remaining {
    /// How many requests may go out now: what is lent to no process, and what processes have in hand.
    pub requests: u32,
    /// How many requests the full bucket holds.
    pub limit: u32,
    /// Until when Fanvue wants none at all, if it said so.
    pub held_until: Option<Timestamp>,
    /// When a process last took or gave back a loan. What it has used of the loan since is not known.
    pub at: Timestamp,
}

impl Remaining {
    /// What is left at `now`; `None` if no process has drawn from the bucket yet, or processes do not
    /// [share](super::Budget::shared) a budget in this store. Reads one register and changes nothing.
    ///
    /// # Errors
    /// The store's.
    pub async fn read(
        store: &dyn Store,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let stored = store.register(&register(principal)).await?;
        let ledger = stored.and_then(|stored| Ledger::from_text(&stored.value));
        Ok(ledger.map(|ledger| ledger.remaining(now)))
    }
}

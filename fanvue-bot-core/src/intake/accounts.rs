//! Whose account it is, remembered for a while: kept events are taken in with a look of their own.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::id::{AccountId, CreatorId};
use crate::store::{Store, StoreError};
use crate::time::Timestamp;

/// How long an answer is believed. An account that is connected as another creator's meanwhile has its events kept
/// under the creator of before, and taken in as that of the new one.
const BELIEVED: Duration = Duration::from_secs(30);
/// How many accounts are remembered.
const MOST: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Accounts(Mutex<HashMap<AccountId, (CreatorId, Timestamp)>>);

impl Accounts {
    /// The creator with this account; `None` if there is none, which is asked anew each time.
    pub(super) async fn creator(
        &self,
        store: &dyn Store,
        account: AccountId,
        now: Timestamp,
    ) -> Result<Option<CreatorId>, StoreError> {
        if let Ok(known) = self.0.lock()
            && let Some((creator, asked)) = known.get(&account)
            && now.since(*asked) < BELIEVED
        {
            return Ok(Some(*creator));
        }
        let creator = store.creator_by_account(account).await?;
        let creator = creator.map(|creator| creator.value.id);
        if let Ok(mut known) = self.0.lock() {
            if known.len() >= MOST {
                known.clear();
            }
            match creator {
                Some(creator) => known.insert(account, (creator, now)),
                None => known.remove(&account),
            };
        }
        Ok(creator)
    }
}

//! A store in memory.

use std::fmt;
use std::sync::Mutex;

use super::lock;
use super::records::Records;
use crate::conversation::Conversation;
use crate::creator::Creator;
use crate::revision::Versioned;

/// A [`Store`](crate::store::Store) in memory.
#[derive(Default)]
pub struct MemoryStore {
    records: Mutex<Records>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All creators, in the order of their ids.
    #[must_use]
    pub fn creators(&self) -> Vec<Versioned<Creator>> {
        self.with_records(|records| records.creators())
    }

    /// All conversations of all creators, in the order of their ids: for tests that look at everything.
    #[must_use]
    pub fn conversations(&self) -> Vec<Versioned<Conversation>> {
        self.with_records(|records| records.conversations())
    }

    fn with_records<R>(&self, act: impl FnOnce(&mut Records) -> R) -> R {
        act(&mut lock(&self.records))
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

/// The port over a type with `with_records`.
macro_rules! store_over_records {
    ($type:ty) => {
        #[async_trait::async_trait]
        impl $crate::store::Store for $type {
            async fn creator(
                &self,
                id: $crate::id::CreatorId,
            ) -> Result<
                Option<$crate::revision::Versioned<$crate::creator::Creator>>,
                $crate::store::StoreError,
            > {
                Ok(self.with_records(|records| records.creator(id)))
            }

            async fn creator_by_account(
                &self,
                account: $crate::id::AccountId,
            ) -> Result<
                Option<$crate::revision::Versioned<$crate::creator::Creator>>,
                $crate::store::StoreError,
            > {
                Ok(self.with_records(|records| records.creator_by_account(account)))
            }

            async fn creator_ids(
                &self,
                after: Option<$crate::id::CreatorId>,
                limit: usize,
            ) -> Result<Vec<$crate::id::CreatorId>, $crate::store::StoreError> {
                Ok(self.with_records(|records| records.creator_ids(after, limit)))
            }

            async fn conversation(
                &self,
                id: $crate::id::ConversationId,
            ) -> Result<
                Option<$crate::revision::Versioned<$crate::conversation::Conversation>>,
                $crate::store::StoreError,
            > {
                Ok(self.with_records(|records| records.conversation(id)))
            }

            async fn fan(
                &self,
                id: $crate::id::ConversationId,
            ) -> Result<Option<$crate::fan::FanProfile>, $crate::store::StoreError> {
                Ok(self.with_records(|records| records.fan(id)))
            }

            async fn messages(
                &self,
                id: $crate::id::ConversationId,
                page: &$crate::page::PageRequest,
            ) -> Result<$crate::page::Page<$crate::message::Message>, $crate::store::StoreError>
            {
                self.with_records(|records| records.messages(id, page))
            }

            async fn message(
                &self,
                id: $crate::id::ConversationId,
                message: $crate::id::MessageId,
            ) -> Result<Option<$crate::message::Message>, $crate::store::StoreError> {
                Ok(self.with_records(|records| records.message(id, message)))
            }

            async fn transactions(
                &self,
                id: $crate::id::ConversationId,
                page: &$crate::page::PageRequest,
            ) -> Result<
                $crate::page::Page<$crate::ledger::Transaction>,
                $crate::store::StoreError,
            > {
                self.with_records(|records| records.transactions(id, page))
            }

            async fn transaction(
                &self,
                id: $crate::id::ConversationId,
                transaction: $crate::id::TransactionId,
            ) -> Result<Option<$crate::ledger::Transaction>, $crate::store::StoreError> {
                Ok(self.with_records(|records| records.transaction(id, transaction)))
            }

            async fn due(
                &self,
                of: Option<$crate::id::CreatorId>,
                until: $crate::time::Timestamp,
                page: &$crate::page::PageRequest,
            ) -> Result<$crate::page::Page<$crate::store::Due>, $crate::store::StoreError> {
                self.with_records(|records| records.due(of, until, page))
            }

            async fn commit(
                &self,
                change: &$crate::store::Change,
                expected: Option<$crate::revision::Revision>,
            ) -> Result<$crate::revision::Revision, $crate::store::StoreError> {
                self.with_records(|records| records.commit(change, expected))
            }

            async fn erase(
                &self,
                id: $crate::id::ConversationId,
                through: $crate::time::Timestamp,
                limit: usize,
            ) -> Result<$crate::store::Erased, $crate::store::StoreError> {
                Ok(self.with_records(|records| records.erase(id, through, limit)))
            }

            async fn mark_erased(
                &self,
                id: $crate::id::CreatorId,
            ) -> Result<(), $crate::store::StoreError> {
                self.with_records(|records| records.mark_erased(id));
                Ok(())
            }

            async fn erase_creator(
                &self,
                id: $crate::id::CreatorId,
                limit: usize,
            ) -> Result<$crate::store::Erased, $crate::store::StoreError> {
                self.with_records(|records| records.erase_creator(id, limit))
            }

            async fn acquire_lease(
                &self,
                name: &$crate::store::LeaseName,
                holder: &$crate::store::HolderId,
                now: $crate::time::Timestamp,
                ttl: std::time::Duration,
            ) -> Result<Option<$crate::store::Lease>, $crate::store::StoreError> {
                Ok(self.with_records(|records| records.acquire_lease(name, holder, now, ttl)))
            }

            async fn release_lease(
                &self,
                lease: $crate::store::Lease,
            ) -> Result<(), $crate::store::StoreError> {
                self.with_records(|records| records.release_lease(&lease));
                Ok(())
            }

            async fn register(
                &self,
                name: &$crate::store::RegisterName,
            ) -> Result<Option<$crate::revision::Versioned<String>>, $crate::store::StoreError>
            {
                Ok(self.with_records(|records| records.register(name)))
            }

            async fn set_register(
                &self,
                name: &$crate::store::RegisterName,
                value: &str,
                expected: Option<$crate::revision::Revision>,
            ) -> Result<$crate::revision::Revision, $crate::store::StoreError> {
                self.with_records(|records| records.set_register(name, value, expected))
            }
        }

        #[async_trait::async_trait]
        impl $crate::admin::AdminQueries for $type {
            async fn decisions(
                &self,
                of: $crate::admin::DecisionsOf,
                page: &$crate::page::PageRequest,
            ) -> Result<
                $crate::page::Page<$crate::admin::DecidedMessage>,
                $crate::store::StoreError,
            > {
                self.with_records(|records| records.decisions(of, page))
            }

            async fn decision_counts(
                &self,
                creator: $crate::id::CreatorId,
                span: $crate::admin::TimeSpan,
            ) -> Result<Vec<($crate::decision::Reason, u64)>, $crate::store::StoreError> {
                Ok(self.with_records(|records| records.decision_counts(creator, span)))
            }
        }
    };
}
pub(super) use store_over_records;
store_over_records!(MemoryStore);

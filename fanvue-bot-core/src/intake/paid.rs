//! Taking in what tells of money.

use super::{Accepted, COMMIT_TRIES, Intake, IntakeError};
use crate::backend::BackendError;
use crate::batch::Batch;
use crate::creator::Creator;
use crate::decision::Outcome;
use crate::fan::FanProfile;
use crate::id::{ConversationId, MessageId};
use crate::ledger::{self, SAME_WITHIN, Transaction, TransactionKind};
use crate::message::{Author, MessageType};
use crate::page::PageRequest;
use crate::queue::{IdempotencyKey, NewJob};
use crate::store::StoreError;
use crate::webhook::Event;

/// How many transactions are read at a time.
const AT_ONCE: usize = 100;
/// Among so many of the newest messages the one is that tells of a payment.
const LOOK: usize = 20;

impl Intake {
    pub(super) async fn take_paid(
        &self,
        creator: &Creator,
        event: &Event,
    ) -> Result<Accepted, IntakeError> {
        let told = ledger::told_by(event, creator.id, self.clock.now());
        let (Some(fan), Some(told)) = (ledger::fan_of(event), told) else {
            return Ok(Accepted::Ignored);
        };
        let mut tries = 0;
        loop {
            match self.try_take_paid(creator, fan, &told).await {
                Err(IntakeError::Backend {
                    source: BackendError::Store(StoreError::Conflict),
                }) if tries < COMMIT_TRIES => tries += 1,
                outcome => return outcome,
            }
        }
    }

    async fn try_take_paid(
        &self,
        creator: &Creator,
        fan: &FanProfile,
        told: &Transaction,
    ) -> Result<Accepted, IntakeError> {
        let store = self.backend.store();
        let id = told.conversation;
        // Before the transactions: whoever adds one meanwhile moves the revision on.
        let stored = store.conversation(id).await?;
        let mut near = Vec::new();
        let mut answered = None;
        if stored.is_some() {
            if store.transaction(id, told.id).await?.is_some() {
                return Ok(Accepted::Duplicate(id));
            }
            // Only payments are told of under several names.
            if told.kind.is_payment() {
                near = self.paid_around(id, told).await?;
                answered = self.answered_in_chat(id, told).await?;
            }
        }
        let (conversation, expected) = self.begin(id, stored)?;
        let context = self.context(creator)?;
        let mut batch = Batch::new(conversation, context, &*self.counter, &*self.detector);
        batch.pay(told, &near, answered);
        batch.meet(fan);
        if !batch.changed {
            return Ok(Accepted::Duplicate(id));
        }
        let wake = batch.change.conversation.job_at().map(|(due, priority)| {
            let key = IdempotencyKey::in_lane(&id.into(), &format!("paid/{}", told.id));
            NewJob::wake(id, due, key).priority(priority)
        });
        let change = batch.change.into();
        self.backend
            .commit_and_enqueue(&change, expected, wake.as_slice())
            .await?;
        Ok(Accepted::Stored(id))
    }

    /// The fan's message that Fanvue put into the chat for this payment, if it was answered: who read a tip's message
    /// has thanked for it.
    async fn answered_in_chat(
        &self,
        id: ConversationId,
        told: &Transaction,
    ) -> Result<Option<MessageId>, IntakeError> {
        let kind = match told.kind {
            TransactionKind::Tip => MessageType::Tip,
            TransactionKind::Purchase => MessageType::LockedMessageUnlocked,
            _ => return Ok(None),
        };
        let page = PageRequest::first(LOOK);
        let newest = self.backend.store().messages(id, &page).await?.items;
        let tells = newest.into_iter().find(|message| {
            let (early, late) = (message.sent_at.min(told.at), message.sent_at.max(told.at));
            let answer = message.decision.as_ref().map(|decision| &decision.outcome);
            message.author == Author::Fan
                && message.kind == kind
                && late.since(early) <= SAME_WITHIN
                && matches!(
                    answer,
                    Some(Outcome::Replied { .. } | Outcome::Merged { .. })
                )
        });
        Ok(tells.map(|message| message.id))
    }

    /// The stored transactions among which those of the same payment are.
    async fn paid_around(
        &self,
        id: ConversationId,
        told: &Transaction,
    ) -> Result<Vec<Transaction>, IntakeError> {
        let (from, to) = (told.at.minus(2 * SAME_WITHIN), told.at + 2 * SAME_WITHIN);
        let mut near = Vec::new();
        let mut request = PageRequest::first(AT_ONCE);
        loop {
            let page = self.backend.store().transactions(id, &request).await?;
            let passed = page.items.last().is_none_or(|last| last.at < from);
            let around = |known: &Transaction| (from..=to).contains(&known.at);
            near.extend(page.items.into_iter().filter(around));
            match page.next {
                Some(next) if !passed => request = PageRequest::after(AT_ONCE, next),
                _ => return Ok(near),
            }
        }
    }
}

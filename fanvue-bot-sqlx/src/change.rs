//! A change taken apart into rows, with everything checked that needs no database.

use std::collections::{BTreeMap, BTreeSet};

use fanvue_bot_core::store::{Change, ConversationChange, StoreError};
use uuid::Uuid;

use crate::row::{
    ContentRow, ConversationRow, CreatorRow, DecisionRow, FanRow, MessageRow, TransactionRow,
};

/// The rows of one change.
#[derive(Clone)]
pub(crate) enum ChangeRows {
    Creator(CreatorRow),
    Conversation(Box<ConversationRows>),
}

/// The rows of a conversation's change.
#[derive(Clone)]
pub(crate) struct ConversationRows {
    pub(crate) conversation: ConversationRow,
    pub(crate) fan: Option<FanRow>,
    /// New messages, with the contents, decisions and deletions of the same change already in them.
    pub(crate) messages: Vec<MessageRow>,
    /// Better contents of messages that must be stored already; one for each message.
    pub(crate) contents: BTreeMap<Uuid, ContentRow>,
    /// Decisions on messages that must be stored already; one for each message.
    pub(crate) decisions: BTreeMap<Uuid, DecisionRow>,
    /// When messages that must be stored already were deleted.
    pub(crate) deletions: BTreeMap<Uuid, i64>,
    /// New transactions.
    pub(crate) transactions: Vec<TransactionRow>,
}

impl ChangeRows {
    pub(crate) fn from_domain(change: &Change) -> Result<Self, StoreError> {
        change.validate()?;
        match change {
            Change::Creator(creator) => CreatorRow::from_domain(creator).map(Self::Creator),
            Change::Conversation(change) => Ok(Self::Conversation(Box::new(
                ConversationRows::from_domain(change)?,
            ))),
            _ => Err(StoreError::Rejected {
                reason: "this kind of change is newer than the adapter; update fanvue-bot-sqlx"
                    .to_owned(),
            }),
        }
    }
}

#[cfg(feature = "sqlite")]
impl ChangeRows {
    /// Whose.
    pub(crate) const fn creator(&self) -> Uuid {
        match self {
            Self::Creator(row) => row.creator,
            Self::Conversation(change) => change.conversation.creator,
        }
    }
}

impl ConversationRows {
    fn from_domain(change: &ConversationChange) -> Result<Self, StoreError> {
        let id = change.conversation.id;
        if change.fan.as_ref().is_some_and(|fan| fan.id != id.fan) {
            return Err(StoreError::Rejected {
                reason: "fan is not the fan of the conversation".to_owned(),
            });
        }
        let mut seen = BTreeSet::new();
        let mut rows = Self {
            conversation: ConversationRow::from_domain(&change.conversation)?,
            fan: change.fan.as_ref().map(|fan| FanRow::from_domain(id, fan)),
            messages: Vec::with_capacity(change.messages.len()),
            contents: BTreeMap::new(),
            decisions: BTreeMap::new(),
            deletions: BTreeMap::new(),
            transactions: Vec::with_capacity(change.transactions.len()),
        };
        for message in &change.messages {
            if message.conversation != id {
                return Err(StoreError::Rejected {
                    reason: format!("message {} names another conversation", message.id),
                });
            }
            if !seen.insert(message.id) {
                return Err(StoreError::Rejected {
                    reason: format!("message {} is listed twice", message.id),
                });
            }
            rows.messages.push(MessageRow::from_domain(message)?);
        }
        for update in &change.contents {
            let content = ContentRow::from_domain(&update.content, update.tokens)?;
            match rows.new_message(update.message.as_uuid()) {
                Some(row) if row.deleted_at.is_some() => {}
                Some(row) => row.content = content,
                None => {
                    rows.contents.insert(update.message.as_uuid(), content);
                }
            }
        }
        for (message, decision) in &change.decisions {
            let decision = DecisionRow::from_domain(decision)?;
            match rows.new_message(message.as_uuid()) {
                Some(row) => row.decision = Some(decision),
                None => {
                    rows.decisions.insert(message.as_uuid(), decision);
                }
            }
        }
        for (message, at) in &change.deletions {
            let at = at.as_micros();
            match rows.new_message(message.as_uuid()) {
                Some(row) => row.delete(at),
                None => earliest(&mut rows.deletions, message.as_uuid(), at),
            }
        }
        let mut paid = BTreeSet::new();
        for transaction in &change.transactions {
            if transaction.conversation != id {
                return Err(StoreError::Rejected {
                    reason: format!("transaction {} names another conversation", transaction.id),
                });
            }
            if !paid.insert(transaction.id) {
                return Err(StoreError::Rejected {
                    reason: format!("transaction {} is listed twice", transaction.id),
                });
            }
            rows.transactions
                .push(TransactionRow::from_domain(transaction));
        }
        Ok(rows)
    }

    fn new_message(&mut self, id: Uuid) -> Option<&mut MessageRow> {
        self.messages.iter_mut().find(|row| row.id == id)
    }

    /// The messages that must be stored already for this change to be valid.
    #[cfg(feature = "sqlite")]
    pub(crate) fn presupposed(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.contents
            .keys()
            .chain(self.decisions.keys())
            .chain(self.deletions.keys())
            .copied()
    }
}

/// Notes when something happened, unless it is known to have happened before.
pub(crate) fn earliest<K: Ord>(times: &mut BTreeMap<K, i64>, key: K, at: i64) {
    let known = times.entry(key).or_insert(at);
    *known = at.min(*known);
}

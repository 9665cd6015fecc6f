//! A transaction of the ledger as a row.

use std::borrow::Cow;

use fanvue_bot_core::id::{ConversationId, MessageId, TransactionId};
use fanvue_bot_core::ledger::{Reference, Telling, Transaction, TransactionKind};
use fanvue_bot_core::money::{Cents, Currency};
use fanvue_bot_core::time::Timestamp;
use uuid::Uuid;

use super::CorruptField;

#[derive(Clone)]
pub(crate) struct TransactionRow {
    pub(crate) id: Uuid,
    pub(crate) kind: Cow<'static, str>,
    pub(crate) telling: Cow<'static, str>,
    pub(crate) amount_cents: Option<i64>,
    pub(crate) net_cents: Option<i64>,
    pub(crate) currency: Option<String>,
    pub(crate) at: i64,
    pub(crate) stored_at: i64,
    pub(crate) message: Option<Uuid>,
    pub(crate) post: Option<Uuid>,
    pub(crate) reference: Option<String>,
    pub(crate) reverses: Option<Uuid>,
    pub(crate) same_as: Option<Uuid>,
}

impl TransactionRow {
    pub(crate) fn from_domain(transaction: &Transaction) -> Self {
        Self {
            id: transaction.id.as_uuid(),
            kind: Cow::Borrowed(transaction.kind.as_str()),
            telling: Cow::Borrowed(transaction.telling.as_str()),
            amount_cents: transaction.amount.map(Cents::get),
            net_cents: transaction.net.map(Cents::get),
            currency: transaction.currency.map(String::from),
            at: transaction.at.as_micros(),
            stored_at: transaction.stored_at.as_micros(),
            message: transaction.message.map(|id| id.as_uuid()),
            post: transaction.post,
            reference: transaction
                .reference
                .as_ref()
                .map(|reference| reference.as_str().to_owned()),
            reverses: transaction.reverses.map(|id| id.as_uuid()),
            same_as: transaction.same_as.map(|id| id.as_uuid()),
        }
    }

    pub(crate) fn into_domain(
        self,
        conversation: ConversationId,
    ) -> Result<Transaction, CorruptField> {
        let corrupt = |field, expected| CorruptField::new("transactions", field, expected);
        let currency = self.currency.map(|code| {
            Currency::from_code(&code).ok_or_else(|| corrupt("currency", "a currency's code"))
        });
        Ok(Transaction {
            id: TransactionId::from_uuid(self.id),
            conversation,
            kind: TransactionKind::from_name(&self.kind)
                .ok_or_else(|| corrupt("kind", "a known kind"))?,
            telling: Telling::from_name(&self.telling)
                .ok_or_else(|| corrupt("telling", "a known sort of event"))?,
            amount: self.amount_cents.map(Cents::new),
            net: self.net_cents.map(Cents::new),
            currency: currency.transpose()?,
            at: Timestamp::from_micros(self.at),
            stored_at: Timestamp::from_micros(self.stored_at),
            message: self.message.map(MessageId::from_uuid),
            post: self.post,
            reference: self.reference.map(Reference::new),
            reverses: self.reverses.map(TransactionId::from_uuid),
            same_as: self.same_as.map(TransactionId::from_uuid),
        })
    }
}

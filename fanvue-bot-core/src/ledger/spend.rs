//! What a fan has paid in all, as part of the conversation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{FirstTelling, Transaction, TransactionKind};
use crate::money::{Cents, Currency};
use crate::time::Timestamp;

/// What a fan has paid in all, by our own record: each payment once, less what was refunded. A dispute takes nothing
/// away, since its end is not told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Spend {
    /// What was paid and not refunded, in each currency. Negative if more was refunded than this record knows of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub totals: BTreeMap<Currency, Cents>,
    /// How many of each kind there were.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<TransactionKind, u32>,
    /// When the fan last paid, by Fanvue's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_paid_at: Option<Timestamp>,
}

impl Spend {
    /// Nothing yet.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            totals: BTreeMap::new(),
            counts: BTreeMap::new(),
            last_paid_at: None,
        }
    }

    /// Whether no money was told of.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::none()
    }

    /// How many of this kind there were.
    #[must_use]
    pub fn count(&self, kind: TransactionKind) -> u32 {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    /// The total in the currency in which it is the greatest number; currencies cannot be added.
    #[must_use]
    pub fn greatest_total(&self) -> Cents {
        self.totals.values().copied().fold(Cents::ZERO, Cents::max)
    }

    /// Counts a record that is new. `first` is the first record of the same payment, if this is not it.
    pub(crate) fn note(&mut self, new: &Transaction, first: Option<FirstTelling>) {
        if first.is_none() {
            let count = self.counts.entry(new.kind).or_default();
            *count = count.saturating_add(1);
        }
        if new.kind.is_payment() {
            self.last_paid_at = self.last_paid_at.max(Some(new.at));
        }
        let sign = match new.kind {
            TransactionKind::Refund => -1,
            kind if kind.is_payment() => 1,
            _ => return,
        };
        if let Some(amount) = new.amount
            && first.is_none_or(|first| !first.amount_known)
        {
            let currency = new.currency.unwrap_or(Currency::USD);
            let total = self.totals.entry(currency).or_default();
            *total = Cents::new(total.get().saturating_add(sign * amount.get()));
        }
    }
}

//! Purchases, payments, and what a creator can learn from them about a fan.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::World;
use super::error::ApiError;
use super::event::EventKind;
use super::message::AutomatedTrigger;
use super::time::Moment;

/// Money that a fan paid to a creator.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Payment {
    /// Its own id.
    pub id: Uuid,
    /// Who is paid.
    pub creator: Uuid,
    /// Who paid.
    pub fan: Uuid,
    /// Fanvue's `source`: `message`, `tip`, `subscription`, `renewal`, ...
    pub source: &'static str,
    /// Cents paid.
    pub gross: u64,
    /// Cents that reach the creator: four fifths.
    pub net: u64,
    /// When.
    pub paid_at: Moment,
    /// The message unlocked or tipped with.
    pub message: Option<Uuid>,
    /// Whether it was paid back.
    pub refunded: bool,
}

/// What a fan has spent on a creator, in cents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spending {
    /// When the fan last paid.
    pub last_at: Option<Moment>,
    /// Everything paid.
    pub gross: u64,
    /// The same without what was paid back.
    pub total: u64,
    /// The largest single payment.
    pub largest: u64,
    /// Everything paid, by source.
    pub by_source: BTreeMap<&'static str, u64>,
}

impl World {
    /// The payments to a creator, oldest first.
    pub fn payments_of(&self, creator: Uuid) -> impl DoubleEndedIterator<Item = &Payment> {
        self.payments
            .iter()
            .filter(move |payment| payment.creator == creator)
    }

    /// A payment.
    pub fn payment(&self, id: Uuid) -> Option<&Payment> {
        self.payments.iter().find(|payment| payment.id == id)
    }

    /// What a fan has spent on a creator.
    pub fn spending(&self, creator: Uuid, fan: Uuid) -> Spending {
        let mut spending = Spending::default();
        for payment in self
            .payments_of(creator)
            .filter(|payment| payment.fan == fan)
        {
            spending.last_at = spending.last_at.max(Some(payment.paid_at));
            spending.gross += payment.gross;
            spending.total += if payment.refunded { 0 } else { payment.gross };
            spending.largest = spending.largest.max(payment.gross);
            *spending.by_source.entry(payment.source).or_default() += payment.gross;
        }
        spending
    }

    /// Pays a payment back.
    ///
    /// # Errors
    ///
    /// `NotFound`, or `Conflict` if it was paid back already.
    pub fn refund(&mut self, payment: Uuid, now: Moment) -> Result<(), ApiError> {
        let found = self
            .payments
            .iter_mut()
            .find(|p| p.id == payment)
            .ok_or_else(|| ApiError::not_found("Payment"))?;
        if found.refunded {
            return Err(ApiError::Conflict(
                "The payment was paid back already".to_owned(),
            ));
        }
        found.refunded = true;
        let (creator, fan) = (found.creator, found.fan);
        self.emit(creator, fan, &EventKind::RefundCreated { payment }, now);
        Ok(())
    }

    /// The fan disputes a payment with the bank.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub fn dispute(&mut self, payment: Uuid, now: Moment) -> Result<(), ApiError> {
        let found = self
            .payment(payment)
            .ok_or_else(|| ApiError::not_found("Payment"))?;
        let (creator, fan) = (found.creator, found.fan);
        self.emit(creator, fan, &EventKind::DisputeCreated { payment }, now);
        Ok(())
    }

    /// The fan unlocks a priced message.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such priced message, `Conflict` if it is unlocked already.
    pub fn fan_purchases(
        &mut self,
        creator: Uuid,
        fan: Uuid,
        message: Uuid,
        now: Moment,
    ) -> Result<(), ApiError> {
        let priced = self
            .chats
            .get_mut(&(creator, fan))
            .and_then(|chat| chat.messages.iter_mut().find(|m| m.uuid == message))
            .ok_or_else(|| ApiError::not_found("Message"))?;
        let price = priced
            .price
            .ok_or_else(|| ApiError::not_found("Priced message"))?;
        if priced.purchased_at.is_some() {
            return Err(ApiError::Conflict("Message is unlocked already".to_owned()));
        }
        priced.purchased_at = Some(now);
        let media = priced.media.clone();
        for uuid in media {
            if let Some(item) = self.media.get_mut(&uuid) {
                item.purchased_by.insert(fan);
            }
        }
        self.pay(creator, fan, "message", price, Some(message), now);
        self.automate(creator, fan, AutomatedTrigger::NewPurchase, now);
        Ok(())
    }

    pub(crate) fn pay(
        &mut self,
        creator: Uuid,
        fan: Uuid,
        source: &'static str,
        gross: u64,
        message: Option<Uuid>,
        now: Moment,
    ) {
        let id = self.rng.uuid();
        self.payments.push(Payment {
            id,
            creator,
            fan,
            source,
            gross,
            net: gross * 4 / 5,
            paid_at: now,
            message,
            refunded: false,
        });
        self.emit(creator, fan, &EventKind::Paid { payment: id }, now);
    }
}

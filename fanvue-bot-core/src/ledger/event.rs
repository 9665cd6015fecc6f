//! From a proved event to the transaction that it tells of.

use super::{Reference, Telling, Transaction, TransactionKind, id_of};
use crate::fan::FanProfile;
use crate::id::{ConversationId, CreatorId, TransactionId};
use crate::money::{Cents, Currency};
use crate::time::Timestamp;
use crate::webhook::event::{Payment, PaymentSource, Reversal, Subscription, SubscriptionChange};
use crate::webhook::{Event, EventKind};

/// The fan of an event that tells of money. `None` for other events, and for those that name nobody.
pub(crate) fn fan_of(event: &Event) -> Option<&FanProfile> {
    match &event.kind {
        EventKind::Payment(payment) => payment.fan.as_ref(),
        EventKind::Subscription(told) if kind_of(told).is_some() => told.fan.as_ref(),
        EventKind::Refund(reversal) | EventKind::Dispute(reversal) => reversal.fan.as_ref(),
        _ => None,
    }
}

/// What an event about money tells. `None` for other events, and where [`fan_of`] finds nobody.
pub(crate) fn told_by(event: &Event, creator: CreatorId, now: Timestamp) -> Option<Transaction> {
    let conversation = ConversationId::new(creator, fan_of(event)?.id);
    let blank = Transaction {
        id: id_of(&[&"event", &event.key]),
        conversation,
        kind: TransactionKind::Purchase,
        telling: Telling::Unnamed,
        amount: None,
        net: None,
        currency: None,
        at: event.at.unwrap_or(now),
        stored_at: now,
        message: None,
        post: None,
        reference: None,
        reverses: None,
        same_as: None,
    };
    match &event.kind {
        EventKind::Payment(told) => Some(payment(told, &blank)),
        EventKind::Subscription(told) => Some(subscription(told, event.at, &blank)?),
        EventKind::Refund(told) => Some(reversal(told, TransactionKind::Refund, &blank)),
        EventKind::Dispute(told) => Some(reversal(told, TransactionKind::Dispute, &blank)),
        _ => None,
    }
}

fn payment(told: &Payment, blank: &Transaction) -> Transaction {
    let mut transaction = Transaction {
        kind: match told.source {
            PaymentSource::Tip => TransactionKind::Tip,
            PaymentSource::Subscription => TransactionKind::Subscription,
            PaymentSource::Renewal => TransactionKind::Renewal,
            // A word that is new here is still money for something.
            PaymentSource::Message
            | PaymentSource::Post
            | PaymentSource::MediaLink
            | PaymentSource::Other(_) => TransactionKind::Purchase,
        },
        amount: positive(told.gross),
        net: positive(told.net),
        currency: told.currency.as_deref().map(Currency::from_wire),
        at: told.paid_at.unwrap_or(blank.at),
        message: told.message,
        post: told.post,
        reference: told.id.as_deref().map(Reference::new),
        ..blank.clone()
    };
    match told.id.as_deref() {
        Some(id) => {
            transaction.telling = Telling::Payment;
            transaction.id = payment_id(id);
        }
        None => by_content(&mut transaction, told.paid_at),
    }
    transaction
}

fn subscription(
    told: &Subscription,
    at: Option<Timestamp>,
    blank: &Transaction,
) -> Option<Transaction> {
    let mut transaction = Transaction {
        kind: kind_of(told)?,
        amount: positive(told.price),
        reference: told.id.as_deref().map(Reference::new),
        ..blank.clone()
    };
    if told.id.is_some() {
        // One subscription has many events; each has the id of its own envelope.
        transaction.telling = Telling::Subscription;
    } else {
        by_content(&mut transaction, at);
    }
    Some(transaction)
}

/// `None` for a subscription that is no longer to end, which nothing was paid for.
fn kind_of(told: &Subscription) -> Option<TransactionKind> {
    match told.change {
        SubscriptionChange::Activated => Some(TransactionKind::Subscription),
        SubscriptionChange::Renewed => Some(TransactionKind::Renewal),
        SubscriptionChange::Deactivated => Some(TransactionKind::Expiry),
        SubscriptionChange::CancelAtPeriodEndChanged => {
            (told.cancel_at_period_end == Some(true)).then_some(TransactionKind::Cancellation)
        }
    }
}

fn reversal(told: &Reversal, kind: TransactionKind, blank: &Transaction) -> Transaction {
    Transaction {
        id: match told.id.as_deref() {
            Some(id) => id_of(&[&kind.as_str(), &id]),
            None => blank.id,
        },
        kind,
        telling: Telling::Reversal,
        amount: positive(told.amount),
        currency: told.currency.as_deref().map(Currency::from_wire),
        at: told.at.unwrap_or(blank.at),
        reference: told.id.as_deref().map(Reference::new),
        reverses: told.payment.as_deref().map(payment_id),
        ..blank.clone()
    }
}

fn payment_id(id: &str) -> TransactionId {
    id_of(&[&"payment", &id])
}

/// Knows what has no id by what it says, which no header changes; by the event's key where it does not even say when
/// it was.
fn by_content(transaction: &mut Transaction, at: Option<Timestamp>) {
    let Some(at) = at else { return };
    let subject = transaction.message.map(|message| message.as_uuid());
    transaction.id = id_of(&[
        &"unnamed",
        &transaction.kind.as_str(),
        &transaction.conversation.fan,
        &subject.or(transaction.post).unwrap_or_default(),
        &transaction.amount.map_or(-1, Cents::get),
        &at.as_micros(),
    ]);
}

fn positive(amount: Option<Cents>) -> Option<Cents> {
    amount.map(|amount| Cents::new(amount.get().saturating_abs()))
}

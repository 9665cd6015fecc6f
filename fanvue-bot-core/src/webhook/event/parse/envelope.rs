//! The newer family: `{"id","type","timestamp","data"}`.

use std::borrow::Cow;

use super::{Result, UNRECOGNIZED};
use crate::fan::FanProfile;
use crate::id::{AccountId, MessageId};
use crate::message::MessageType;
use crate::money::Cents;
use crate::time::Timestamp;
use crate::webhook::event::{
    Event, EventKey, EventKind, FanState, FanStatus, Follow, MessageDeleted, MessageEvent,
    MessageRead, ParseEventError, Payment, PaymentSource, Reaction, Reversal, Sender, Subscription,
    SubscriptionChange,
};
use crate::webhook::wire::{Body, Data, Source, Text};

pub(super) fn read(bytes: &[u8], body: &Body<'_>, at: Option<Timestamp>) -> Result<Event> {
    let name = body
        .name
        .map_or(Cow::Borrowed(UNRECOGNIZED.as_bytes()), |name| {
            body.source.bytes(name)
        });
    let account = match body.account()? {
        Some(account) => account,
        None if name.starts_with(b"creator.") => {
            return Err(ParseEventError::Missing {
                field: "data.creator.uuid",
            });
        }
        None => return Err(ParseEventError::Foreign),
    };
    let kind = match &body.data {
        Some(data) => kind(body.source, &name, data, account, at)?,
        None => other(&name),
    };
    let key = match body.id {
        Some(id) if *name != *b"creator.message.read" => {
            EventKey::of_envelope(&name, &body.source.bytes(id))
        }
        _ => EventKey::of_body(bytes),
    };
    Ok(Event {
        key,
        account,
        at,
        kind,
    })
}

fn kind(
    source: Source<'_>,
    name: &[u8],
    data: &Data,
    account: AccountId,
    at: Option<Timestamp>,
) -> Result<EventKind> {
    let happened_at = source.time(data.happened_at);
    let created_at = source.time(data.created_at);
    let subscription = |change| EventKind::Subscription(subscription_of(source, data, change));
    Ok(match name {
        b"creator.message.received" | b"creator.message.sent" => {
            let event = message(source, data, created_at.or(at))?;
            // `sender` says who wrote it; the event's name only where `sender` does not.
            let by_name = if name == b"creator.message.received" {
                Sender::Fan
            } else {
                Sender::Creator
            };
            match sender(source, data).unwrap_or(by_name) {
                Sender::Fan => EventKind::MessageReceived(event),
                Sender::Creator => EventKind::MessageSent(event),
            }
        }
        b"creator.message.deleted" => EventKind::MessageDeleted(MessageDeleted {
            fan: source.required_fan(&data.fan, "data.fan.uuid")?,
            message: source
                .required(data.uuid, "data.uuid")
                .map(MessageId::from_uuid)?,
            sender: sender(source, data),
            deleted_at: happened_at.or(at),
        }),
        b"creator.message.read" => EventKind::MessageRead(MessageRead {
            fan: source.fan(&data.fan),
            unread: source.count(data.unread),
            read: None,
        }),
        b"creator.message.reaction" => EventKind::Reaction(Reaction {
            message: source.optional(data.message_uuid).map(MessageId::from_uuid),
            fan: source
                .fan(if data.other.present {
                    &data.other
                } else {
                    &data.fan
                })
                .filter(|actor| actor.id.as_uuid() != account.as_uuid()),
            emoji: source.boxed(data.word),
        }),
        b"creator.fan.presence_changed" | b"creator.fan.status_changed" => {
            EventKind::FanStatus(FanStatus {
                fan: source.fan(&data.fan),
                state: FanState::from_wire(&source.word(data.word)),
                changed_at: happened_at.or(at),
            })
        }
        b"creator.follow.created" => EventKind::Follow(Follow {
            fan: source.fan(&data.other).or_else(|| source.fan(&data.fan)),
            followed_at: created_at.or(at),
        }),
        b"creator.subscription.activated" => subscription(SubscriptionChange::Activated),
        b"creator.subscription.renewed" => subscription(SubscriptionChange::Renewed),
        b"creator.subscription.deactivated" => subscription(SubscriptionChange::Deactivated),
        b"creator.subscription.cancel_at_period_end_changed" => {
            subscription(SubscriptionChange::CancelAtPeriodEndChanged)
        }
        b"creator.payment.succeeded" => EventKind::Payment(Payment {
            source: PaymentSource::from_wire(&source.word(data.money.source)),
            fan: payer(source, data),
            id: source.boxed(data.id),
            gross: source.cents(data.money.gross),
            net: source.cents(data.money.net),
            currency: source.boxed(data.money.currency),
            message: source.optional(data.message_uuid).map(MessageId::from_uuid),
            post: source.optional(data.post_uuid),
            paid_at: happened_at.or(created_at).or(at),
        }),
        b"creator.refund.created" => EventKind::Refund(reversal(source, data, created_at.or(at))),
        b"creator.dispute.created" => EventKind::Dispute(reversal(source, data, created_at.or(at))),
        b"creator.logout" => EventKind::Logout,
        _ => other(name),
    })
}

fn other(name: &[u8]) -> EventKind {
    EventKind::Other {
        name: String::from_utf8_lossy(name).into(),
    }
}

fn message(source: Source<'_>, data: &Data, sent_at: Option<Timestamp>) -> Result<MessageEvent> {
    let message_type = source.message_type(data.message_type);
    let mut content = source.content(data.text, &data.media);
    // A message without words that a person sent can only be media.
    if matches!(data.text, Text::Null)
        && data.media.has_media.is_none()
        && message_type == MessageType::SingleRecipient
    {
        content.has_media = true;
    }
    Ok(MessageEvent {
        fan: source.required_fan(&data.fan, "data.fan.uuid")?,
        message: source
            .required(data.uuid, "data.uuid")
            .map(MessageId::from_uuid)?,
        content,
        message_type,
        is_automated: data.is_automated.unwrap_or(false),
        is_muted: data.is_muted,
        sent_at,
    })
}

fn subscription_of(source: Source<'_>, data: &Data, change: SubscriptionChange) -> Subscription {
    Subscription {
        change,
        fan: payer(source, data),
        id: source.boxed(data.id),
        status: source.boxed(data.money.status),
        cancel_at_period_end: data.money.cancel_at_period_end,
        price: source.cents(data.media.price),
        period_started_at: source.time(data.money.period_start),
        expires_at: source.time(data.money.expires_at),
    }
}

fn reversal(source: Source<'_>, data: &Data, at: Option<Timestamp>) -> Reversal {
    let amount = source.cents(data.money.amount.or(data.money.gross));
    Reversal {
        fan: payer(source, data),
        id: source.boxed(data.id),
        payment: source.boxed(data.money.payment_id),
        amount: amount.map(|amount| Cents::new(amount.get().saturating_abs())),
        currency: source.boxed(data.money.currency),
        at,
    }
}

/// Who paid, under whichever key.
fn payer(source: Source<'_>, data: &Data) -> Option<FanProfile> {
    source
        .fan(&data.purchaser)
        .or_else(|| source.fan(&data.fan))
        .or_else(|| source.fan(&data.money.payer))
}

/// Who wrote the message that the event is about.
fn sender(source: Source<'_>, data: &Data) -> Option<Sender> {
    match source.bytes(data.sender?).as_ref() {
        b"fan" => Some(Sender::Fan),
        b"creator" => Some(Sender::Creator),
        _ => None,
    }
}

//! From a body's fields to an [`Event`].

use std::borrow::Cow;
use std::sync::Arc;

use super::{
    Event, EventKey, EventKind, FanProfile, FanState, FanStatus, Follow, Hints, MessageDeleted,
    MessageEvent, MessageRead, ParseEventError, Payment, PaymentSource, Reaction, Reversal,
    Subscription, SubscriptionChange,
};
use crate::id::{AccountId, FanId, MediaId, MessageId};
use crate::message::{Content, MessageType};
use crate::time::Timestamp;
use crate::webhook::json::RawStr;
use crate::webhook::wire::{self, Body, Data, Media, Person, Text};

type Result<T, E = ParseEventError> = std::result::Result<T, E>;

/// The name of an event that gives none.
const UNRECOGNIZED: &str = "unrecognized";

/// Reads a proved body.
pub(in crate::webhook) fn parse(bytes: &[u8], hints: &Hints<'_>) -> Result<Event> {
    let body = Body::read(bytes)?;
    let at = body.timestamp.and_then(wire::time);
    if body.data.is_some() || body.name.is_some() {
        envelope(bytes, &body, at)
    } else {
        flat(bytes, &body, at, hints)
    }
}

fn envelope(bytes: &[u8], body: &Body<'_>, at: Option<Timestamp>) -> Result<Event> {
    let name = body
        .name
        .map_or(Cow::Borrowed(UNRECOGNIZED.as_bytes()), RawStr::bytes);
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
        Some(data) => kind_of_data(&name, data, account, at)?,
        None => other(&name),
    };
    let key = match body.id {
        Some(id) if *name != *b"creator.message.read" => EventKey::of_envelope(&name, &id.bytes()),
        _ => EventKey::of_body(bytes),
    };
    Ok(Event {
        key,
        account,
        at,
        kind,
    })
}

fn kind_of_data(
    name: &[u8],
    data: &Data<'_>,
    account: AccountId,
    at: Option<Timestamp>,
) -> Result<EventKind> {
    let happened_at = data.happened_at.and_then(wire::time);
    let created_at = data.created_at.and_then(wire::time);
    let subscription = |change| EventKind::Subscription(subscription_of(data, change, payer(data)));
    Ok(match name {
        b"creator.message.received" | b"creator.message.sent" => {
            let event = message_of_data(data, created_at.or(at))?;
            // `sender` says who wrote it; the event's name only where `sender` does not.
            let by_fan = match data.sender.map(RawStr::bytes).as_deref() {
                Some(b"fan") => true,
                Some(b"creator") => false,
                _ => name == b"creator.message.received",
            };
            if by_fan {
                EventKind::MessageReceived(event)
            } else {
                EventKind::MessageSent(event)
            }
        }
        b"creator.message.deleted" => EventKind::MessageDeleted(MessageDeleted {
            fan: required_fan(&data.fan, "data.fan.uuid")?,
            message: required(data.uuid, "data.uuid").map(MessageId::from_uuid)?,
            deleted_at: happened_at.or(at),
        }),
        b"creator.message.read" => EventKind::MessageRead(MessageRead {
            fan: fan(&data.fan),
            unread: data.unread.and_then(wire::count),
            read: None,
        }),
        b"creator.message.reaction" => EventKind::Reaction(Reaction {
            message: optional(data.message_uuid).map(MessageId::from_uuid),
            fan: fan(if data.other.present {
                &data.other
            } else {
                &data.fan
            })
            .filter(|actor| actor.id.as_uuid() != account.as_uuid()),
            emoji: data.word.map(boxed),
        }),
        b"creator.fan.presence_changed" | b"creator.fan.status_changed" => {
            EventKind::FanStatus(FanStatus {
                fan: fan(&data.fan),
                state: FanState::from_wire(&data.word.map(RawStr::text).unwrap_or_default()),
                changed_at: happened_at.or(at),
            })
        }
        b"creator.follow.created" => EventKind::Follow(Follow {
            fan: fan(&data.other).or_else(|| fan(&data.fan)),
            followed_at: created_at.or(at),
        }),
        b"creator.subscription.activated" => subscription(SubscriptionChange::Activated),
        b"creator.subscription.renewed" => subscription(SubscriptionChange::Renewed),
        b"creator.subscription.deactivated" => subscription(SubscriptionChange::Deactivated),
        b"creator.subscription.cancel_at_period_end_changed" => {
            subscription(SubscriptionChange::CancelAtPeriodEndChanged)
        }
        b"creator.payment.succeeded" => EventKind::Payment(Payment {
            source: PaymentSource::from_wire(
                &data.money.source.map(RawStr::text).unwrap_or_default(),
            ),
            fan: payer(data),
            id: data.id.map(boxed),
            gross: data.money.gross.and_then(wire::cents),
            net: data.money.net.and_then(wire::cents),
            currency: data.money.currency.map(boxed),
            message: optional(data.message_uuid).map(MessageId::from_uuid),
            post: optional(data.post_uuid),
            paid_at: happened_at.or(created_at).or(at),
        }),
        b"creator.refund.created" => EventKind::Refund(reversal(data, created_at.or(at))),
        b"creator.dispute.created" => EventKind::Dispute(reversal(data, created_at.or(at))),
        b"creator.logout" => EventKind::Logout,
        _ => other(name),
    })
}

fn other(name: &[u8]) -> EventKind {
    EventKind::Other {
        name: String::from_utf8_lossy(name).into(),
    }
}

fn message_of_data(data: &Data<'_>, sent_at: Option<Timestamp>) -> Result<MessageEvent> {
    let message_type = message_type(data.message_type);
    let mut content = content(data.text, &data.media);
    // A message without words that a person sent can only be media.
    if matches!(data.text, Text::Null)
        && data.media.has_media.is_none()
        && message_type == MessageType::SingleRecipient
    {
        content.has_media = true;
    }
    Ok(MessageEvent {
        fan: required_fan(&data.fan, "data.fan.uuid")?,
        message: required(data.uuid, "data.uuid").map(MessageId::from_uuid)?,
        content,
        message_type,
        is_automated: data.is_automated.unwrap_or(false),
        is_muted: data.is_muted,
        sent_at,
    })
}

fn subscription_of(
    data: &Data<'_>,
    change: SubscriptionChange,
    fan: Option<FanProfile>,
) -> Subscription {
    Subscription {
        change,
        fan,
        id: data.id.map(boxed),
        status: data.money.status.map(boxed),
        cancel_at_period_end: data.money.cancel_at_period_end,
        price: data.media.price.and_then(wire::cents),
        period_started_at: data.money.period_start.and_then(wire::time),
        expires_at: data.money.expires_at.and_then(wire::time),
    }
}

fn reversal(data: &Data<'_>, at: Option<Timestamp>) -> Reversal {
    let amount = data.money.amount.or(data.money.gross).and_then(wire::cents);
    Reversal {
        fan: payer(data),
        id: data.id.map(boxed),
        payment: data.money.payment_id.map(boxed),
        amount: amount.map(|amount| crate::money::Cents::new(amount.get().saturating_abs())),
        currency: data.money.currency.map(boxed),
        at,
    }
}

/// Who paid, under whichever key.
fn payer(data: &Data<'_>) -> Option<FanProfile> {
    fan(&data.purchaser)
        .or_else(|| fan(&data.fan))
        .or_else(|| fan(&data.money.payer))
}

/// The events of the older family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flat {
    Message,
    Read,
    Tip,
    Purchase,
    Subscription,
    Follow,
    Logout,
}

impl Flat {
    fn from_topic(topic: &str) -> Option<Self> {
        Some(match topic {
            "message.received" => Self::Message,
            "message.read" => Self::Read,
            "tip.new" => Self::Tip,
            "purchase.new" => Self::Purchase,
            "subscription.new" => Self::Subscription,
            "follow.new" => Self::Follow,
            "creator.logout" => Self::Logout,
            _ => return None,
        })
    }

    /// Whether a body of this event may look like `body`.
    fn fits(self, body: &Body<'_>) -> bool {
        let from = body.sender.present || body.sender_uuid.is_some();
        let paid = body.price.is_some();
        let sold = body.post_uuid.is_some() || body.route_uuid.is_some();
        let read = body.read_count.is_some() || body.counterpart.is_some();
        match self {
            Self::Message => {
                from && !paid && (body.message.is_some() || body.message_uuid.is_some())
            }
            Self::Read => read,
            Self::Tip => from && paid,
            Self::Purchase => from && paid && body.context.is_none(),
            Self::Subscription => from && paid && !sold && body.context.is_none(),
            Self::Follow => from && !paid && body.message.is_none(),
            Self::Logout => !from && !paid && !read && body.message.is_none(),
        }
    }

    /// Which event the keys of `body` tell of. `None` when they fit none.
    fn from_keys(body: &Body<'_>) -> Option<Self> {
        let from = body.sender.present || body.sender_uuid.is_some();
        Some(if body.read_count.is_some() {
            Self::Read
        } else if !from {
            return None;
        } else if body.message.is_some() {
            Self::Message
        } else if body.context.is_some() {
            Self::Tip
        } else if body.post_uuid.is_some() || body.route_uuid.is_some() {
            Self::Purchase
        } else if body.price.is_some() {
            Self::Subscription
        } else if body.message_uuid.is_some() {
            Self::Message
        } else {
            Self::Follow
        })
    }
}

fn flat(bytes: &[u8], body: &Body<'_>, at: Option<Timestamp>, hints: &Hints<'_>) -> Result<Event> {
    let account = body.account()?.ok_or(ParseEventError::Missing {
        field: "recipientUuid",
    })?;
    let event = hints
        .topic
        .and_then(Flat::from_topic)
        .filter(|event| event.fits(body))
        .or_else(|| Flat::from_keys(body));
    let sender = || {
        let profile = fan(&body.sender);
        profile
            .or_else(|| optional(body.sender_uuid).map(|id| FanProfile::new(FanId::from_uuid(id))))
    };
    let kind = match event {
        Some(Flat::Message) => EventKind::MessageReceived(message_of_flat(body, at)?),
        Some(Flat::Read) => EventKind::MessageRead(MessageRead {
            fan: optional(body.counterpart).map(|id| FanProfile::new(FanId::from_uuid(id))),
            unread: None,
            read: body.read_count.and_then(wire::count),
        }),
        Some(event @ (Flat::Tip | Flat::Purchase)) => {
            let message = optional(body.message_uuid).or_else(|| optional(body.route_uuid));
            let post = optional(body.post_uuid);
            EventKind::Payment(Payment {
                source: match event {
                    Flat::Tip => PaymentSource::Tip,
                    _ if post.is_some() => PaymentSource::Post,
                    _ if message.is_some() => PaymentSource::Message,
                    _ => PaymentSource::Other(Box::default()),
                },
                fan: sender(),
                id: None,
                gross: body.price.and_then(wire::cents),
                net: None,
                currency: None,
                message: message.map(MessageId::from_uuid),
                post,
                paid_at: at,
            })
        }
        Some(Flat::Subscription) => EventKind::Subscription(Subscription {
            change: SubscriptionChange::Activated,
            fan: sender(),
            id: None,
            status: None,
            cancel_at_period_end: None,
            price: body.price.and_then(wire::cents),
            period_started_at: None,
            expires_at: None,
        }),
        Some(Flat::Follow) => EventKind::Follow(Follow {
            fan: sender(),
            followed_at: at,
        }),
        Some(Flat::Logout) => EventKind::Logout,
        None => EventKind::Other {
            name: UNRECOGNIZED.into(),
        },
    };
    let key = match (hints.event_id, &kind) {
        (Some(id), kind) if !id.is_empty() => EventKey::of_header(kind.label(), id),
        (_, EventKind::MessageReceived(message)) => EventKey::of_message(account, message.message),
        _ => EventKey::of_body(bytes),
    };
    Ok(Event {
        key,
        account,
        at,
        kind,
    })
}

fn message_of_flat(body: &Body<'_>, at: Option<Timestamp>) -> Result<MessageEvent> {
    let message = body.message.as_deref();
    let uuid = body
        .message_uuid
        .or_else(|| message.and_then(|message| message.uuid));
    let mut content = message.map_or_else(Content::default, |message| {
        content(message.text, &message.media)
    });
    // This family writes null for no words, but a body that at least tells of media is complete too.
    content.fetched |= content.has_media;
    let mut profile = fan(&body.sender);
    if profile.is_none() {
        let id = required(body.sender.uuid.or(body.sender_uuid), "sender.uuid")?;
        profile = Some(FanProfile::new(FanId::from_uuid(id)));
    }
    Ok(MessageEvent {
        fan: profile.ok_or(ParseEventError::Missing {
            field: "sender.uuid",
        })?,
        message: required(uuid, "messageUuid").map(MessageId::from_uuid)?,
        content,
        message_type: message_type(message.and_then(|message| message.message_type)),
        is_automated: false,
        is_muted: body.is_muted,
        sent_at: message
            .and_then(|message| message.created_at)
            .and_then(wire::time)
            .or(at),
    })
}

fn content(text: Text<'_>, media: &Media<'_>) -> Content {
    let (text, fetched) = match text {
        Text::Words(words) => (Some(shared(words)).filter(|text| !text.is_empty()), true),
        Text::Null => (None, true),
        Text::Absent => (None, false),
    };
    Content {
        text,
        media: media.ids.iter().copied().map(MediaId::from_uuid).collect(),
        has_media: media.has_media.unwrap_or(false) || !media.ids.is_empty(),
        price: media.price.and_then(wire::cents),
        fetched,
    }
}

fn message_type(raw: Option<RawStr<'_>>) -> MessageType {
    raw.map_or(MessageType::SingleRecipient, |name| {
        MessageType::from_wire(&name.text())
    })
}

/// The profile, if it has an id.
fn fan(person: &Person<'_>) -> Option<FanProfile> {
    required_fan(person, "").ok()
}

fn required_fan(person: &Person<'_>, field: &'static str) -> Result<FanProfile> {
    Ok(FanProfile {
        id: FanId::from_uuid(required(person.uuid, field)?),
        handle: person.handle.map(shared),
        display_name: person.display_name.map(shared),
    })
}

fn required(raw: Option<RawStr<'_>>, field: &'static str) -> Result<uuid::Uuid> {
    let raw = raw.ok_or(ParseEventError::Missing { field })?;
    wire::uuid(raw).ok_or(ParseEventError::NotAnId { field })
}

fn optional(raw: Option<RawStr<'_>>) -> Option<uuid::Uuid> {
    raw.and_then(wire::uuid)
}

fn shared(raw: RawStr<'_>) -> Arc<str> {
    raw.text().into()
}

fn boxed(raw: RawStr<'_>) -> Box<str> {
    raw.text().into()
}

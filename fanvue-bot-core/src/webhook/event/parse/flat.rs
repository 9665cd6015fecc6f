//! The older family: flat bodies that name neither themselves nor their event.

use super::{Result, UNRECOGNIZED};
use crate::fan::FanProfile;
use crate::id::{FanId, MessageId};
use crate::message::Content;
use crate::time::Timestamp;
use crate::webhook::event::{
    Event, EventKey, EventKind, Follow, Hints, MessageEvent, MessageRead, ParseEventError, Payment,
    PaymentSource, Subscription, SubscriptionChange,
};
use crate::webhook::wire::Body;

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

pub(super) fn read(
    bytes: &[u8],
    body: &Body<'_>,
    at: Option<Timestamp>,
    hints: &Hints<'_>,
) -> Result<Event> {
    let source = body.source;
    let account = body.account()?.ok_or(ParseEventError::Missing {
        field: "recipientUuid",
    })?;
    let event = hints
        .topic
        .and_then(Flat::from_topic)
        .filter(|event| event.fits(body))
        .or_else(|| Flat::from_keys(body));
    let sender = || {
        let profile = source.fan(&body.sender);
        profile.or_else(|| {
            source
                .optional(body.sender_uuid)
                .map(|id| FanProfile::new(FanId::from_uuid(id)))
        })
    };
    let kind = match event {
        Some(Flat::Message) => EventKind::MessageReceived(message(body, at)?),
        Some(Flat::Read) => EventKind::MessageRead(MessageRead {
            fan: source
                .optional(body.counterpart)
                .map(|id| FanProfile::new(FanId::from_uuid(id))),
            unread: None,
            read: source.count(body.read_count),
        }),
        Some(event @ (Flat::Tip | Flat::Purchase)) => {
            let message = source
                .optional(body.message_uuid)
                .or_else(|| source.optional(body.route_uuid));
            let post = source.optional(body.post_uuid);
            EventKind::Payment(Payment {
                source: match event {
                    Flat::Tip => PaymentSource::Tip,
                    _ if post.is_some() => PaymentSource::Post,
                    _ if message.is_some() => PaymentSource::Message,
                    _ => PaymentSource::Other(Box::default()),
                },
                fan: sender(),
                id: None,
                gross: source.cents(body.price),
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
            price: source.cents(body.price),
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

fn message(body: &Body<'_>, at: Option<Timestamp>) -> Result<MessageEvent> {
    let source = body.source;
    let message = body.message.as_deref();
    let uuid = body
        .message_uuid
        .or_else(|| message.and_then(|message| message.uuid));
    let mut content = message.map_or_else(Content::default, |message| {
        source.content(message.text, &message.media)
    });
    // This family writes null for no words, but a body that at least tells of media is complete too.
    content.fetched |= content.has_media;
    let mut profile = source.fan(&body.sender);
    if profile.is_none() {
        let id = source.required(body.sender.uuid.or(body.sender_uuid), "sender.uuid")?;
        profile = Some(FanProfile::new(FanId::from_uuid(id)));
    }
    Ok(MessageEvent {
        fan: profile.ok_or(ParseEventError::Missing {
            field: "sender.uuid",
        })?,
        message: source
            .required(uuid, "messageUuid")
            .map(MessageId::from_uuid)?,
        content,
        message_type: source.message_type(message.and_then(|message| message.message_type)),
        is_automated: false,
        is_muted: body.is_muted,
        sent_at: source
            .time(message.and_then(|message| message.created_at))
            .or(at),
    })
}

//! Webhook events: their topics, the scopes they need, and their bodies in both families.

use serde_json::{Value, json};
use uuid::Uuid;

use super::World;
use super::message::Message;
use super::time::Moment;

/// The two families of webhook bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum WebhookFamily {
    /// Flat bodies in camelCase without type or id: `message.received`, `tip.new`, ...
    Legacy,
    /// `{"id","type","timestamp","data"}` in snake_case: `creator.message.received`, ...
    Current,
}

/// Something that apps are told about. It concerns one creator and one fan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the field names say it")]
pub enum EventKind {
    /// The fan wrote.
    MessageReceived { message: Uuid },
    /// The creator wrote: by hand, by automation or through the API.
    MessageSent { message: Uuid },
    /// The creator deleted a message.
    MessageDeleted { message: Uuid },
    /// One side read the chat.
    MessagesRead { by_creator: bool, count: u64 },
    /// Someone reacted to a message.
    Reaction {
        message: Uuid,
        emoji: String,
        actor: Uuid,
    },
    /// The fan signed in or out.
    PresenceChanged { online: bool },
    /// The creator muted or unmuted the fan.
    MuteChanged { muted: bool },
    /// The fan follows.
    Followed,
    /// A subscription began.
    SubscriptionActivated,
    /// A subscription goes on for another period.
    SubscriptionRenewed,
    /// A subscription ended.
    SubscriptionDeactivated,
    /// A subscription will end, or no longer will.
    SubscriptionCancelAtPeriodEndChanged,
    /// The fan paid.
    Paid { payment: Uuid },
    /// The fan got money back.
    RefundCreated { payment: Uuid },
    /// The fan disputes a payment.
    DisputeCreated { payment: Uuid },
    /// The creator disconnected the app.
    LoggedOut,
}

/// Every topic with the scopes of which the grant must hold one.
pub const TOPICS: &[(&str, WebhookFamily, &[&str])] = &[
    ("message.received", WebhookFamily::Legacy, &["read:chat"]),
    ("message.read", WebhookFamily::Legacy, &["read:chat"]),
    ("tip.new", WebhookFamily::Legacy, &["read:creator"]),
    ("purchase.new", WebhookFamily::Legacy, &["read:creator"]),
    ("subscription.new", WebhookFamily::Legacy, &["read:creator"]),
    ("follow.new", WebhookFamily::Legacy, &["read:creator"]),
    ("creator.logout", WebhookFamily::Legacy, &["read:self"]),
    (
        "creator.message.received",
        WebhookFamily::Current,
        &["read:chat"],
    ),
    (
        "creator.message.sent",
        WebhookFamily::Current,
        &["read:chat"],
    ),
    (
        "creator.message.deleted",
        WebhookFamily::Current,
        &["read:chat"],
    ),
    (
        "creator.message.read",
        WebhookFamily::Current,
        &["read:chat"],
    ),
    (
        "creator.message.reaction",
        WebhookFamily::Current,
        &["read:chat"],
    ),
    (
        "creator.fan.presence_changed",
        WebhookFamily::Current,
        &["read:fan"],
    ),
    (
        "creator.fan.status_changed",
        WebhookFamily::Current,
        &["read:fan"],
    ),
    (
        "creator.follow.created",
        WebhookFamily::Current,
        &["read:creator", "read:fan"],
    ),
    (
        "creator.subscription.activated",
        WebhookFamily::Current,
        &["read:creator", "read:fan"],
    ),
    (
        "creator.subscription.renewed",
        WebhookFamily::Current,
        &["read:creator", "read:fan"],
    ),
    (
        "creator.subscription.deactivated",
        WebhookFamily::Current,
        &["read:creator", "read:fan"],
    ),
    (
        "creator.subscription.cancel_at_period_end_changed",
        WebhookFamily::Current,
        &["read:creator", "read:fan"],
    ),
    (
        "creator.payment.succeeded",
        WebhookFamily::Current,
        &["read:creator", "read:insights"],
    ),
    (
        "creator.refund.created",
        WebhookFamily::Current,
        &["read:creator", "read:insights"],
    ),
    (
        "creator.dispute.created",
        WebhookFamily::Current,
        &["read:creator", "read:insights"],
    ),
    ("creator.post.liked", WebhookFamily::Current, &["read:post"]),
    (
        "creator.post.commented",
        WebhookFamily::Current,
        &["read:post"],
    ),
];

/// The family and the scopes of a topic; `None` if Fanvue has no such topic.
pub fn topic(name: &str) -> Option<(WebhookFamily, &'static [&'static str])> {
    TOPICS
        .iter()
        .find(|(known, ..)| *known == name)
        .map(|(_, family, scopes)| (*family, *scopes))
}

/// A topic and the bytes to post.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventBody {
    /// The topic.
    pub topic: &'static str,
    /// The JSON body. Sign exactly these bytes.
    pub bytes: Vec<u8>,
}

impl World {
    /// The topic of an event in a family; `None` if the family has no such event.
    pub fn event_topic(&self, family: WebhookFamily, kind: &EventKind) -> Option<&'static str> {
        Some(match (family, kind) {
            (WebhookFamily::Current, kind) => match kind {
                EventKind::MessageReceived { .. } => "creator.message.received",
                EventKind::MessageSent { .. } => "creator.message.sent",
                EventKind::MessageDeleted { .. } => "creator.message.deleted",
                EventKind::MessagesRead { .. } => "creator.message.read",
                EventKind::Reaction { .. } => "creator.message.reaction",
                EventKind::PresenceChanged { .. } => "creator.fan.presence_changed",
                EventKind::MuteChanged { .. } => "creator.fan.status_changed",
                EventKind::Followed => "creator.follow.created",
                EventKind::SubscriptionActivated => "creator.subscription.activated",
                EventKind::SubscriptionRenewed => "creator.subscription.renewed",
                EventKind::SubscriptionDeactivated => "creator.subscription.deactivated",
                EventKind::SubscriptionCancelAtPeriodEndChanged => {
                    "creator.subscription.cancel_at_period_end_changed"
                }
                EventKind::Paid { .. } => "creator.payment.succeeded",
                EventKind::RefundCreated { .. } => "creator.refund.created",
                EventKind::DisputeCreated { .. } => "creator.dispute.created",
                EventKind::LoggedOut => return None,
            },
            (WebhookFamily::Legacy, kind) => match kind {
                EventKind::MessageReceived { .. } => "message.received",
                EventKind::MessagesRead {
                    by_creator: true, ..
                } => "message.read",
                EventKind::Followed => "follow.new",
                EventKind::SubscriptionActivated => "subscription.new",
                EventKind::Paid { payment } => match self.payment(*payment)?.source {
                    "tip" => "tip.new",
                    "message" => "purchase.new",
                    _ => return None,
                },
                EventKind::LoggedOut => "creator.logout",
                _ => return None,
            },
        })
    }

    /// The topic and bytes of an event, as an app would receive them; `None` if the family has
    /// no such event or the message, payment or subscription is unknown.
    ///
    /// `with_text` set to false leaves the text of a message out, as Fanvue may.
    #[expect(clippy::too_many_arguments, reason = "an event is all of these")]
    pub fn event_body(
        &self,
        family: WebhookFamily,
        event_id: &str,
        creator: Uuid,
        fan: Uuid,
        kind: &EventKind,
        with_text: bool,
        now: Moment,
    ) -> Option<EventBody> {
        let topic = self.event_topic(family, kind)?;
        let body = match family {
            WebhookFamily::Legacy => self.legacy(creator, fan, kind, with_text, now)?,
            WebhookFamily::Current => json!({
                "id": event_id,
                "type": topic,
                "timestamp": now.to_string(),
                "data": self.current(creator, fan, kind, with_text, now)?,
            }),
        };
        Some(EventBody {
            topic,
            bytes: body.to_string().into_bytes(),
        })
    }

    fn find(&self, creator: Uuid, fan: Uuid, uuid: Uuid) -> Option<&Message> {
        // Events follow their message at once, so the search from the end is short.
        self.chat(creator, fan)?
            .messages
            .iter()
            .rev()
            .find(|message| message.uuid == uuid)
    }

    fn legacy(
        &self,
        creator: Uuid,
        fan: Uuid,
        kind: &EventKind,
        with_text: bool,
        now: Moment,
    ) -> Option<Value> {
        let person = self.fan(fan);
        let sender = || {
            json!({
                "uuid": fan,
                "handle": person.map(|p| &p.handle),
                "displayName": person.map(|p| &p.display_name),
                "avatarUrl": person.and_then(|p| p.avatar_url.as_ref()),
            })
        };
        let timestamp = now.to_string();
        Some(match kind {
            EventKind::MessageReceived { message } => {
                let message = self.find(creator, fan, *message)?;
                json!({
                    "message": {
                        "uuid": message.uuid,
                        "text": message.text.as_ref().filter(|_| with_text),
                        "hasMedia": !message.media.is_empty(),
                        "mediaUuids": message.media,
                        "price": message.price,
                        "createdAt": message.sent_at.to_string(),
                    },
                    "messageUuid": message.uuid,
                    "sender": sender(),
                    "recipientUuid": creator,
                    "isMuted": self.chat(creator, fan)?.is_muted,
                    "timestamp": timestamp,
                })
            }
            EventKind::MessagesRead { count, .. } => json!({
                "counterpartUuid": fan,
                "readMessagesCount": count,
                "recipientUuid": creator,
                "timestamp": timestamp,
            }),
            EventKind::Followed => json!({
                "recipientUuid": creator,
                "sender": sender(),
                "timestamp": timestamp,
            }),
            EventKind::SubscriptionActivated => json!({
                "price": self.relation(creator, fan)?.subscription.as_ref()?.price,
                "recipientUuid": creator,
                "sender": sender(),
                "timestamp": timestamp,
            }),
            EventKind::Paid { payment } => {
                let payment = self.payment(*payment)?;
                if payment.source == "tip" {
                    json!({
                        "context": "message",
                        "messageUuid": payment.message,
                        "price": payment.gross,
                        "recipientUuid": creator,
                        "senderUuid": fan,
                        "sender": sender(),
                        "timestamp": timestamp,
                    })
                } else {
                    json!({
                        "routeUuid": payment.message,
                        "price": payment.gross,
                        "recipientUuid": creator,
                        "sender": sender(),
                        "timestamp": timestamp,
                    })
                }
            }
            EventKind::LoggedOut => json!({"recipientUuid": creator, "timestamp": timestamp}),
            _ => return None,
        })
    }

    fn current(
        &self,
        creator: Uuid,
        fan: Uuid,
        kind: &EventKind,
        with_text: bool,
        now: Moment,
    ) -> Option<Value> {
        let of_creator = json!({"uuid": creator});
        let of_fan = json!({"uuid": fan});
        Some(match kind {
            EventKind::MessageReceived { message }
            | EventKind::MessageSent { message }
            | EventKind::MessageDeleted { message } => {
                let message = self.find(creator, fan, *message)?;
                let chat = self.chat(creator, fan)?;
                let person = self.fan(fan);
                let mut data = json!({
                    "object": "message",
                    "uuid": message.uuid,
                    "sender": if message.from_fan() { "fan" } else { "creator" },
                    "created_at": message.sent_at.to_string(),
                    "deleted_at": message.deleted_at.map(|at| at.to_string()),
                    "message_type": message.kind.as_str(),
                    "is_automated": message.kind.is_automated(),
                    "is_muted": chat.is_muted,
                    "unread_messages_count": chat.unread,
                    "creator": of_creator,
                    "fan": {
                        "uuid": fan,
                        "handle": person.map(|p| &p.handle),
                        "display_name": person.map(|p| &p.display_name),
                    },
                });
                if with_text {
                    data["text"] = json!(message.text);
                }
                data
            }
            EventKind::MessagesRead { .. } => json!({
                "object": "fan_message_read",
                "unread_messages_count": self.chat(creator, fan)?.unread,
                "fan": of_fan,
                "creator": of_creator,
            }),
            EventKind::Reaction {
                message,
                emoji,
                actor,
            } => json!({
                "emoji": emoji,
                "message_uuid": message,
                "actor": {"uuid": actor},
                "creator": of_creator,
            }),
            EventKind::PresenceChanged { online } => json!({
                "object": "fan_status",
                "change_type": "presence",
                "state": if *online { "online" } else { "offline" },
                "changed_at": now.to_string(),
                "fan": of_fan,
                "creator": of_creator,
            }),
            EventKind::MuteChanged { muted } => json!({
                "object": "fan_status",
                "change_type": "mute",
                "state": if *muted { "muted" } else { "unmuted" },
                "changed_at": now.to_string(),
                "fan": of_fan,
                "creator": of_creator,
            }),
            EventKind::Followed => json!({
                "follower": {"uuid": fan, "handle": self.fan(fan).map(|p| &p.handle)},
                "created_at": now.to_string(),
                "creator": of_creator,
            }),
            EventKind::SubscriptionActivated
            | EventKind::SubscriptionRenewed
            | EventKind::SubscriptionDeactivated
            | EventKind::SubscriptionCancelAtPeriodEndChanged => {
                let subscription = self.relation(creator, fan)?.subscription.as_ref()?;
                json!({
                    "id": subscription.id,
                    "status": if subscription.active { "active" } else { "expired" },
                    "cancel_at_period_end": !subscription.auto_renewal,
                    "current_period_start": subscription.period_start.to_string(),
                    "created_at": subscription.created_at.to_string(),
                    "expires_at": subscription.period_end.to_string(),
                    "purchaser": of_fan,
                    "creator": of_creator,
                })
            }
            EventKind::Paid { payment } => {
                let payment = self.payment(*payment)?;
                json!({
                    "id": payment.id,
                    "source": payment.source,
                    "gross": payment.gross,
                    "net": payment.net,
                    "currency": "USD",
                    "paid_at": payment.paid_at.to_string(),
                    "created_at": payment.paid_at.to_string(),
                    "message_uuid": payment.message,
                    "post_uuid": null,
                    "purchaser": of_fan,
                    "creator": of_creator,
                })
            }
            EventKind::RefundCreated { payment } | EventKind::DisputeCreated { payment } => {
                let payment = self.payment(*payment)?;
                json!({
                    // One refund or dispute for each payment, so its id follows from it.
                    "id": Uuid::from_u128(payment.id.as_u128() ^ 1),
                    "payment_id": payment.id,
                    "amount": payment.gross,
                    "currency": "USD",
                    "created_at": now.to_string(),
                    "purchaser": of_fan,
                    "creator": of_creator,
                })
            }
            EventKind::LoggedOut => return None,
        })
    }
}

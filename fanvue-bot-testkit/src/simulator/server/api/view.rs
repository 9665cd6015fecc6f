//! The shapes of what is answered.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::simulator::server::call::Call;
use crate::simulator::world::{Chat, Creator, Fan, Media, Message, Moment, Origin, Subscription};

fn time(moment: Moment) -> String {
    moment.to_string()
}

fn maybe(moment: Option<Moment>) -> Option<String> {
    moment.map(time)
}

impl Call<'_> {
    /// The `user` object of a fan, without the creator's own name for them.
    pub(super) fn fan_view(&self, fan: &Fan) -> Value {
        let nickname = self
            .world
            .chat(self.creator, fan.uuid)
            .and_then(|c| c.nickname.clone());
        let spent = self.world.spending(self.creator, fan.uuid).gross;
        let shown = !fan.hides_presence;
        self.extend(json!({
            "uuid": fan.uuid,
            "handle": fan.handle,
            "displayName": fan.display_name,
            "nickname": nickname,
            "isTopSpender": spent > 10_000,
            "avatarUrl": fan.avatar_url,
            "registeredAt": time(fan.registered_at),
            "isCreator": fan.is_creator,
            "online": fan.online && shown,
            "lastSeenAt": maybe(fan.last_seen_at.filter(|_| shown)),
        }))
    }

    /// The `user` object of anyone, with whatever is known.
    pub(super) fn person_view(&self, uuid: Uuid) -> Value {
        match self.world.fan(uuid) {
            Some(fan) => self.fan_view(fan),
            None => json!({"uuid": uuid}),
        }
    }

    /// The `user` object of a creator, as agencies list them.
    pub(super) fn creator_view(&self, creator: &Creator) -> Value {
        self.extend(json!({
            "uuid": creator.uuid,
            "handle": creator.handle,
            "displayName": creator.display_name,
            "nickname": null,
            "isTopSpender": false,
            "avatarUrl": creator.avatar_url,
            "registeredAt": time(creator.created_at),
            "role": "creator",
        }))
    }

    /// A member of a list.
    pub(super) fn member_view(&self, uuid: Uuid) -> Value {
        let fan = self.world.fan(uuid);
        json!({
            "uuid": uuid,
            "displayName": fan.map(|f| &f.display_name),
            "handle": fan.map(|f| &f.handle),
            "isCreator": fan.is_some_and(|f| f.is_creator),
        })
    }

    /// An item of `GET /chats`.
    pub(super) fn chat_view(&self, fan: Uuid, chat: &Chat) -> Value {
        self.extend(json!({
            "createdAt": time(chat.created_at),
            "lastMessageAt": maybe(chat.last().map(|m| m.sent_at)),
            "isRead": chat.unread == 0,
            "isMuted": chat.is_muted,
            "unreadMessagesCount": chat.unread,
            "user": self.person_view(fan),
            "lastMessage": chat.last().map(|m| self.last_message_view(fan, m)),
        }))
    }

    fn last_message_view(&self, fan: Uuid, message: &Message) -> Value {
        let mut view = json!({
            "uuid": message.uuid,
            "text": message.text,
            "type": message.kind.as_str(),
            "sentAt": time(message.sent_at),
            "hasMedia": !message.media.is_empty(),
            "mediaType": self.media_type(message),
            "senderUuid": if message.from_fan() { fan } else { self.creator },
            "sentByUserId": message.sent_by_user,
            "status": status(message),
        });
        if self.is_v1() {
            view["hasGif"] = json!(false);
            view["senderRole"] = json!(match message.origin {
                Origin::Fan => "FAN",
                Origin::Automated => "SYSTEM",
                _ if message.sent_by_user.is_some_and(|by| by != self.creator) => "AGENCY",
                _ => "CREATOR",
            });
        }
        view
    }

    /// An item of `GET /chats/{fan}/messages`.
    pub(super) fn message_view(&self, fan: Uuid, message: &Message) -> Value {
        let fan_handle = self.world.fan(fan).map(|f| f.handle.clone());
        let creator_handle = self.world.creator(self.creator).map(|c| c.handle.clone());
        let fan = json!({"uuid": fan, "handle": fan_handle});
        let creator = json!({"uuid": self.creator, "handle": creator_handle});
        let (sender, recipient) = if message.from_fan() {
            (fan, creator)
        } else {
            (creator, fan)
        };
        let mut view = json!({
            "uuid": message.uuid,
            "text": message.text,
            "sentAt": time(message.sent_at),
            "sender": sender,
            "recipient": recipient,
            "hasMedia": !message.media.is_empty(),
            "mediaType": self.media_type(message),
            "mediaUuids": message.media,
            "type": message.kind.as_str(),
            "pricing": message.price.map(|price| json!({"USD": {"price": price}})),
            "purchasedAt": maybe(message.purchased_at),
            "sentByUserId": message.sent_by_user,
            "isRead": message.is_read,
        });
        if self.is_v1() {
            view["status"] = json!(status(message));
            view["gif"] = Value::Null;
            view["mediaPreviewUuid"] = json!(message.preview);
        }
        self.extend(view)
    }

    fn media_type(&self, message: &Message) -> Option<&'static str> {
        let first = message.media.first()?;
        Some(
            self.world
                .media(*first)
                .map_or("image", |media| media.media_type.as_str()),
        )
    }

    /// A medium of the vault. One that is not ready is little more than its uuid.
    pub(super) fn media_view(&self, media: &Media, for_fan: Option<Uuid>) -> Value {
        if !media.is_ready() {
            return json!({"uuid": media.uuid, "status": media.status.as_str()});
        }
        let mut view = json!({
            "uuid": media.uuid,
            "status": media.status.as_str(),
            "createdAt": time(media.created_at),
            "caption": media.caption,
            "description": media.description,
            "name": media.name,
            "mediaType": media.media_type.as_str(),
            "recommendedPrice": media.recommended_price,
        });
        if let Some(variants) = self.variants(media.uuid) {
            view["variants"] = variants;
        }
        if let Some(fan) = for_fan {
            view["purchasedByFan"] = json!(media.purchased_by.contains(&fan));
        }
        self.extend(view)
    }

    /// The variants that the query asks for; without asking there are none.
    pub(super) fn variants(&self, media: Uuid) -> Option<Value> {
        let asked = self.query.list("variants")?;
        let known = ["main", "thumbnail", "thumbnail_gallery", "blurred"];
        let variants: Vec<Value> = known
            .into_iter()
            .filter(|kind| asked.contains(kind))
            .map(|kind| {
                json!({
                    "variantType": kind,
                    "displayPosition": 0,
                    "url": format!("https://cdn.example.test/{media}/{kind}?sig=1"),
                    "width": 800,
                    "height": 600,
                    "lengthMs": null,
                })
            })
            .collect();
        Some(json!(variants))
    }

    /// An item of `GET /v1/subscribers`.
    pub(super) fn subscriber_view(&self, fan: Uuid) -> Value {
        let mut view = self.person_view(fan);
        let relation = self.world.relation(self.creator, fan);
        let subscription = relation.and_then(|r| r.subscription.as_ref());
        view["subscription"] = json!(subscription.map(subscription_view));
        view["firstSubscribedAt"] = json!(maybe(relation.and_then(|r| r.first_subscribed_at)));
        view
    }
}

fn subscription_view(subscription: &Subscription) -> Value {
    json!({
        "status": if subscription.auto_renewal { "active" } else { "cancelled" },
        "price": subscription.price,
        "amountPaid": subscription.price,
        "currentPeriodStart": time(subscription.period_start),
        "currentPeriodEnd": time(subscription.period_end),
        "autoRenewalEnabled": subscription.auto_renewal,
    })
}

fn status(message: &Message) -> Option<&'static str> {
    match (message.from_fan(), message.is_read) {
        (true, _) => None,
        (false, true) => Some("Read"),
        (false, false) => Some("Delivered"),
    }
}

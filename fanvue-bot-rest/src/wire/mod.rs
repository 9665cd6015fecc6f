//! The shapes on the wire, and how they become core's types. Private: a change at Fanvue ends here.

pub(crate) mod chat;
pub(crate) mod counts;
pub(crate) mod fan_list;
pub(crate) mod list;
pub(crate) mod loose;
pub(crate) mod message;
pub(crate) mod outgoing;
pub(crate) mod presence;
pub(crate) mod subscription;
pub(crate) mod token;
pub(crate) mod user;

use serde_json::Value;

/// What an answer becomes.
pub(crate) trait FromAnswer: Sized {
    /// Reads a JSON object, or says which field is not what was expected. Never quotes it.
    fn read(object: Value) -> Result<Self, &'static str>;
}

#[cfg(test)]
mod tests {
    use fanvue_bot_core::client::{RemoteMessage, SubscribedWebhook, TokenSet, UnreadCounts, User};
    use fanvue_bot_core::id::MessageId;
    use fanvue_bot_core::page::PageRequest;
    use proptest::prelude::*;

    use super::*;
    use crate::cursor::Step;

    /// JSON of any shape, often below the names that the readers look for.
    fn json() -> impl Strategy<Value = Value> {
        let name = prop::sample::select(vec![
            "uuid",
            "text",
            "sentAt",
            "sender",
            "mediaUuids",
            "type",
            "pricing",
            "USD",
            "price",
            "user",
            "lastMessage",
            "isRead",
            "unreadMessagesCount",
            "unreadChatsCount",
            "data",
            "pagination",
            "page",
            "size",
            "hasMore",
            "nextCursor",
            "dateFilter",
            "sentBefore",
            "access_token",
            "expires_in",
            "isOnline",
            "messageUuid",
            "id",
            "signingSecret",
            "events",
        ]);
        let text = prop_oneof![
            Just("fa000000-0000-4000-8000-000000000001".to_owned()),
            Just("2026-01-05T09:30:00.000Z".to_owned()),
            ".{0,20}",
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 8, move |inner| {
            let name = name.clone().prop_map(str::to_owned);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((name, inner), 0..8)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_is_read_or_refused_in_our_own_words(value in json()) {
            let _ = User::read(value.clone());
            let _ = UnreadCounts::read(value.clone());
            let _ = TokenSet::read(value.clone());
            let _ = MessageId::read(value.clone());
            let _ = SubscribedWebhook::read(value.clone());
            let _ = RemoteMessage::read(value.clone());
            let _ = presence::PresenceWire::read(value.clone()).map(|known| known.of(&[]));
            let step = Step::new(&PageRequest::first(20)).unwrap();
            if let Ok(list) = list::List::<message::MessageWire>::read(value.clone()) {
                let _ = list.page(&step, message::MessageWire::into_message);
            }
            if let Ok(list) = list::List::<user::UserWire>::read(value.clone()) {
                let _ = list.page(&step, user::UserWire::into_user);
            }
            if let Ok(list) = list::List::<subscription::SubscriptionWire>::read(value.clone()) {
                let _ = list.page(&step, subscription::SubscriptionWire::into_subscription);
            }
            if let Ok(list) = list::List::<chat::ChatWire>::read(value) {
                let page = list.page(&step, chat::ChatWire::into_summary);
                // Whatever a server says, the next request can be made.
                if let Some(cursor) = page.next {
                    prop_assert!(Step::new(&PageRequest::after(20, cursor)).is_ok());
                }
            }
        }
    }
}

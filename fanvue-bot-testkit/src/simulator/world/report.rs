//! What was said, as a test wants to know it: who was answered twice, and who not at all.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::World;
use super::message::{Message, Origin};

/// A text that was sent through the API in answer to one message of a fan, and how often.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct SentAnswer {
    /// The creator.
    pub creator: Uuid,
    /// The fan.
    pub fan: Uuid,
    /// The fan's newest message at the time; `None` if the fan had not written.
    pub inbound: Option<Uuid>,
    /// The words sent.
    pub text: String,
    /// How often.
    pub count: u64,
}

impl World {
    /// Every stored message, deleted ones included: creator, fan, message; oldest first in each
    /// chat.
    pub fn messages(&self) -> impl Iterator<Item = (Uuid, Uuid, &Message)> {
        self.chats().flat_map(|(creator, fan, chat)| {
            chat.messages
                .iter()
                .map(move |message| (creator, fan, message))
        })
    }

    /// How many messages were ever stored.
    pub const fn stored_messages(&self) -> u64 {
        self.stored
    }

    /// API sends counted by chat, inbound message and text. A count above 1 means that a fan read
    /// the same answer twice.
    pub fn sent_answers(&self) -> Vec<SentAnswer> {
        let mut counts: BTreeMap<(Uuid, Uuid, Option<Uuid>, &str), u64> = BTreeMap::new();
        for (creator, fan, chat) in self.chats() {
            let mut inbound = None;
            for message in &chat.messages {
                match message.origin {
                    Origin::Fan => inbound = Some(message.uuid),
                    Origin::Api => {
                        let text = message.text.as_deref().unwrap_or_default();
                        *counts.entry((creator, fan, inbound, text)).or_default() += 1;
                    }
                    _ => {}
                }
            }
        }
        counts
            .into_iter()
            .map(|((creator, fan, inbound, text), count)| SentAnswer {
                creator,
                fan,
                inbound,
                text: text.to_owned(),
                count,
            })
            .collect()
    }

    /// The chats whose newest message from a person is the fan's: creator, fan, message. What
    /// Fanvue's automation sent does not count as an answer.
    pub fn unanswered(&self) -> Vec<(Uuid, Uuid, Uuid)> {
        self.chats()
            .filter_map(|(creator, fan, chat)| {
                let last = chat
                    .visible()
                    .rev()
                    .find(|m| !matches!(m.origin, Origin::Automated | Origin::Broadcast))?;
                last.from_fan().then_some((creator, fan, last.uuid))
            })
            .collect()
    }
}

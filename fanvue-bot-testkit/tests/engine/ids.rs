//! Who takes part.

use fanvue_bot_core::id::{AccountId, ConversationId, CreatorId, FanId, MessageId};

pub(crate) fn creator() -> CreatorId {
    "5b0f3c1e-0000-4000-8000-00000000c0de".parse().unwrap()
}

pub(crate) fn account() -> AccountId {
    "c0de0000-0000-4000-8000-000000000001".parse().unwrap()
}

pub(crate) fn fan() -> FanId {
    "fa000000-0000-4000-8000-000000000001".parse().unwrap()
}

pub(crate) fn chat() -> ConversationId {
    ConversationId::new(creator(), fan())
}

pub(crate) fn message(number: u32) -> MessageId {
    format!("3e550000-0000-4000-8000-{number:012x}")
        .parse()
        .unwrap()
}

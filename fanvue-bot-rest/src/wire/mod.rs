//! The shapes on the wire, and how they become core's types. Private: a change at Fanvue ends here.

pub(crate) mod chat;
pub(crate) mod counts;
pub(crate) mod list;
pub(crate) mod loose;
pub(crate) mod message;
pub(crate) mod outgoing;
pub(crate) mod presence;
pub(crate) mod token;
pub(crate) mod user;

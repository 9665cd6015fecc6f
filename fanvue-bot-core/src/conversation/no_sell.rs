//! A time in which a fan is offered nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// That nothing is sold to a fan for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plain state, matched by tests and tools"
)]
pub struct NoSell {
    /// Why. Of several causes the one that lasts longest.
    pub cause: NoSellCause,
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// What makes an offer out of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "each cause has its window and its words"
)]
pub enum NoSellCause {
    /// The fan was angry or disappointed.
    Upset,
    /// They got money back.
    Refund,
    /// They dispute a payment.
    Dispute,
    /// They said goodbye.
    Goodbye,
    /// They spoke of harming themselves.
    Crisis,
}

impl fmt::Display for NoSellCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Upset => "the fan was upset",
            Self::Refund => "the fan got money back",
            Self::Dispute => "the fan disputes a payment",
            Self::Goodbye => "the fan said goodbye",
            Self::Crisis => "the fan was in a crisis",
        })
    }
}

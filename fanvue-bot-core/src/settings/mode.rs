//! How far the bot may go by itself.

use serde::{Deserialize, Serialize};

/// How far the bot may go by itself. The stricter is the smaller.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// Messages are stored, nothing is written.
    Off,
    /// Every reply waits for an operator's approval. Where a new creator starts, so that nothing goes
    /// out in somebody's name before they have read a few replies.
    #[default]
    Draft,
    /// Replies are sent.
    Auto,
}

//! Broadcasts as columns.

use fanvue_bot_core::broadcast::{Broadcast, Standing};
use fanvue_bot_core::store::StoreError;

use super::{CorruptField, rejected};

/// A broadcast as it is stored.
pub(crate) struct BroadcastRow {
    pub(crate) created_at: i64,
    pub(crate) due_at: Option<i64>,
    pub(crate) broadcast: String,
}

impl BroadcastRow {
    pub(crate) fn from_domain(broadcast: &Broadcast) -> Result<Self, StoreError> {
        Ok(Self {
            created_at: broadcast.created_at.as_micros(),
            due_at: broadcast.due_at.map(|at| at.as_micros()),
            broadcast: serde_json::to_string(broadcast)
                .map_err(|_| rejected("broadcast", "cannot be written as JSON"))?,
        })
    }

    pub(crate) fn into_domain(json: &str) -> Result<Broadcast, CorruptField> {
        serde_json::from_str(json)
            .map_err(|_| CorruptField::new("broadcasts", "broadcast", "a broadcast"))
    }
}

/// A standing by its name.
pub(crate) fn standing(name: &str) -> Result<Standing, CorruptField> {
    Standing::from_name(name)
        .ok_or_else(|| CorruptField::new("recipients", "standing", "a standing"))
}

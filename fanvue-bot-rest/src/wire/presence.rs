//! Who is online.

use std::collections::HashMap;

use fanvue_bot_core::client::Presence;
use fanvue_bot_core::id::FanId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::FromAnswer;
use super::loose::{Loose, Time};

/// The question.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PresenceQuestion<'a> {
    pub(crate) user_uuids: &'a [FanId],
}

/// The answer: a map by user.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct PresenceWire(HashMap<String, Loose<Status>>);

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    is_online: Loose<bool>,
    last_seen_at: Loose<Time>,
}

impl FromAnswer for PresenceWire {
    fn read(object: Value) -> Result<Self, &'static str> {
        Self::deserialize(object).map_err(|_| "expected a map by user")
    }
}

impl PresenceWire {
    /// What it says of `fans`, in their order.
    pub(crate) fn of(self, fans: &[FanId]) -> Vec<Presence> {
        let mut known: HashMap<FanId, Status> = self
            .0
            .into_iter()
            .filter_map(|(id, status)| Some((id.parse().ok()?, status.0?)))
            .collect();
        fans.iter()
            .filter_map(|fan| {
                let status = known.remove(fan)?;
                Some(Presence {
                    fan: *fan,
                    online: status.is_online.0.unwrap_or(false),
                    last_seen_at: status.last_seen_at.0.map(|time| time.0),
                })
            })
            .collect()
    }
}

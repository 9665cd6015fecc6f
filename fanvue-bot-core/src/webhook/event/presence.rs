//! Events about a fan's state and their tie to the creator.

use crate::fan::FanProfile;
use crate::time::Timestamp;

/// A fan's state changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FanStatus {
    /// Whose, if given.
    pub fan: Option<FanProfile>,
    /// The state now.
    pub state: FanState,
    /// Since when; the event's own time when not given.
    pub changed_at: Option<Timestamp>,
}

/// A fan's presence, or whether the creator muted them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FanState {
    /// Online.
    Online,
    /// Offline.
    Offline,
    /// Muted by the creator.
    Muted,
    /// No longer muted.
    Unmuted,
    /// Any other word; empty when none is given.
    Other(Box<str>),
}

impl FanState {
    /// The state with this name on the wire.
    #[must_use]
    pub fn from_wire(name: &str) -> Self {
        match name {
            "online" => Self::Online,
            "offline" => Self::Offline,
            "muted" => Self::Muted,
            "unmuted" => Self::Unmuted,
            _ => Self::Other(name.into()),
        }
    }
}

/// A fan followed the creator.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Follow {
    /// Who, if given.
    pub fan: Option<FanProfile>,
    /// When; the event's own time when not given.
    pub followed_at: Option<Timestamp>,
}

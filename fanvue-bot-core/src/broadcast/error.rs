//! Why something about a broadcast could not be done.

use super::BroadcastState;
use crate::client::ClientError;
use crate::engine::EngineError;
use crate::oauth::TokenError;
use crate::retry::Retry;
use crate::settings::{Fault, Faults, Nearest};
use crate::store::StoreError;
use crate::time::Timestamp;

/// A broadcast that cannot be: everything that is wrong with it, at least one thing.
///
/// `Display` says each fault in a sentence of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", crate::settings::sentences(.faults))]
pub struct InvalidBroadcast {
    faults: Vec<Fault>,
}

impl InvalidBroadcast {
    pub(super) fn of(faults: Faults) -> Result<(), Self> {
        match faults.into_result() {
            Ok(()) => Ok(()),
            Err(invalid) => Err(Self {
                faults: invalid.faults().to_vec(),
            }),
        }
    }

    /// All faults, in the order of the fields.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

/// Why something about a broadcast could not be done. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BroadcastError {
    /// There is no such creator.
    #[error("there is no such creator")]
    UnknownCreator,
    /// There is no such broadcast of this creator.
    #[error("there is no such broadcast")]
    UnknownBroadcast,
    /// The broadcast contradicts itself, or what Fanvue takes.
    #[error(transparent)]
    Invalid(#[from] InvalidBroadcast),
    /// Where it stands, it cannot be done.
    #[error("the broadcast is {}", state.as_str())]
    NotNow {
        /// Where it stands.
        state: BroadcastState,
    },
    /// Somebody reads the lists of its old segment just now.
    #[error("the broadcast is being seen to; try again in a moment")]
    Busy,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A conversation could not be seen to.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Fanvue refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There is no token for the creator's account.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl BroadcastError {
    /// Whether and how to try again.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::UnknownCreator
            | Self::UnknownBroadcast
            | Self::Invalid(_)
            | Self::NotNow { .. } => Retry::Never,
            Self::Busy => Retry::Backoff,
            Self::Store(error) => error.retry(),
            Self::Engine(error) => error.retry(),
            Self::Client(error) => error.retry(),
            Self::Token(error) => error.retry(),
        }
    }
}

/// A schedule before `now`.
pub(super) fn past(now: Timestamp) -> InvalidBroadcast {
    let mut faults = Faults::default();
    let nearest = Nearest::Text(now.to_string().into());
    faults.push("at", "the time is past", Some(nearest));
    InvalidBroadcast {
        faults: faults
            .into_result()
            .err()
            .map_or_else(Vec::new, |invalid| invalid.faults().to_vec()),
    }
}

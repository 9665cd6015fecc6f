//! How far a broadcast is.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Broadcast, Standing};
use crate::conversation::Skip;

/// How far a broadcast is, in fans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Progress {
    /// The broadcast.
    pub broadcast: Broadcast,
    /// Who got it.
    pub sent: u64,
    /// Who does not get it, by the cause.
    pub skipped: BTreeMap<Skip, u64>,
    /// For whom it failed.
    pub failed: u64,
    /// To whom it is going out, or may have gone out, now.
    pub placed: u64,
    /// Whose turn has not come.
    pub left: u64,
}

impl Progress {
    pub(super) fn new(broadcast: Broadcast, counts: Vec<(Standing, u64)>) -> Self {
        let mut progress = Self {
            broadcast,
            sent: 0,
            skipped: BTreeMap::new(),
            failed: 0,
            placed: 0,
            left: 0,
        };
        for (standing, count) in counts {
            match standing {
                Standing::Waiting => progress.left += count,
                Standing::Placed => progress.placed += count,
                Standing::Sent => progress.sent += count,
                Standing::Skipped(skip) => *progress.skipped.entry(skip).or_default() += count,
                Standing::Failed => progress.failed += count,
            }
        }
        progress
    }
}

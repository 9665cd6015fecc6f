//! Who would get a broadcast, before anybody does.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Broadcast, Standing};
use crate::conversation::Skip;

/// How many fans would get a broadcast, and how many would not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Preview {
    /// Whether all lists are read. While they are not, the numbers grow.
    pub complete: bool,
    /// How many fans are in the lists that are included.
    pub listed: u64,
    /// How many of them would get it.
    pub reached: u64,
    /// How many would not, by the cause.
    pub skipped: BTreeMap<Skip, u64>,
}

impl Preview {
    /// Of those whose turn has come the standing is known; the others are still to be added.
    pub(super) fn begun(broadcast: &Broadcast, counts: &[(Standing, u64)]) -> Self {
        let mut preview = Self {
            complete: broadcast.gathering.finished_at.is_some(),
            listed: 0,
            reached: 0,
            skipped: BTreeMap::new(),
        };
        for (standing, count) in counts {
            preview.listed += count;
            match standing {
                Standing::Waiting | Standing::Failed => {}
                Standing::Placed | Standing::Sent => preview.reached += count,
                Standing::Skipped(skip) => *preview.skipped.entry(*skip).or_default() += count,
            }
        }
        preview
    }

    pub(super) fn add(&mut self, skip: Option<Skip>) {
        match skip {
            None => self.reached += 1,
            Some(skip) => *self.skipped.entry(skip).or_default() += 1,
        }
    }
}

//! A job as a row. The kind is JSON, so that new kinds need no new columns.

use std::time::Duration;

use fanvue_bot_core::queue::{JobKind, NewJob, QueueError};
use uuid::Uuid;

use super::CorruptField;

#[derive(Clone)]
pub(crate) struct JobRow {
    pub(crate) creator: Uuid,
    pub(crate) lane: Uuid,
    pub(crate) key: String,
    pub(crate) kind: String,
    pub(crate) priority: i64,
    pub(crate) due: i64,
}

impl JobRow {
    pub(crate) fn from_domain(job: &NewJob) -> Result<Self, QueueError> {
        Ok(Self {
            creator: job.ordering_key.creator.as_uuid(),
            lane: job.ordering_key.lane,
            key: job.idempotency_key.as_str().to_owned(),
            kind: serde_json::to_string(&job.kind).map_err(QueueError::unavailable)?,
            priority: i64::from(job.priority.rank()),
            due: job.due.as_micros(),
        })
    }
}

pub(crate) fn kind_from_json(kind: &str) -> Result<JobKind, CorruptField> {
    serde_json::from_str(kind)
        .map_err(|_| CorruptField::new("jobs", "kind", "a kind of job known to this version"))
}

/// A job that does not read back may have been written by a newer version, whose workers can do it:
/// it is left to them for a while, and given up when nobody could.
pub(crate) const SET_ASIDE: Duration = Duration::from_secs(60);
pub(crate) const SET_ASIDE_ATTEMPTS: u32 = 10;

//! A job as a row. The kind is JSON, so that new kinds need no new columns.

use std::time::Duration;

use fanvue_bot_core::id::JobId;
use fanvue_bot_core::queue::{
    FailureNote, IdempotencyKey, JobKind, JobRecord, JobStanding, NewJob, OrderingKey, Priority,
    QueueError,
};
use fanvue_bot_core::time::Timestamp;
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

/// A job as it stands, or one that was given up.
pub(crate) struct StandingRow {
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    pub(crate) priority: i64,
    pub(crate) due: i64,
    pub(crate) attempt: i64,
    /// Why it failed last.
    pub(crate) cause: Option<String>,
    /// When it was given up.
    pub(crate) failed_at: Option<i64>,
}

impl StandingRow {
    pub(crate) fn into_domain(self) -> Result<JobRecord, CorruptField> {
        let corrupt = |field, expected| CorruptField::new("jobs", field, expected);
        let note = self.cause.map(FailureNote::new);
        Ok(JobRecord {
            job: JobId::from_uuid(self.id),
            kind: kind_from_json(&self.kind)?,
            due: Timestamp::from_micros(self.due),
            priority: Priority::from_rank(
                u8::try_from(self.priority).map_err(|_| corrupt("priority", "a rank"))?,
            ),
            attempts: u32::try_from(self.attempt).map_err(|_| corrupt("attempt", "a count"))?,
            standing: match (self.failed_at, note) {
                (None, last_error) => JobStanding::Open { last_error },
                (Some(at), Some(cause)) => JobStanding::GivenUp {
                    at: Timestamp::from_micros(at),
                    cause,
                },
                (Some(_), None) => return Err(corrupt("cause", "there")),
            },
        })
    }
}

/// The range of keys that stand in a lane: from the first on, before the second.
pub(crate) fn keys_of_lane(lane: &OrderingKey) -> (String, String) {
    let prefix = IdempotencyKey::prefix_of(lane);
    // The separator's successor: whatever begins with the prefix comes before it.
    let end = format!("{}0", prefix.trim_end_matches('/'));
    (prefix, end)
}

/// A job that does not read back may have been written by a newer version, whose workers can do it:
/// it is left to them for a while, and given up when nobody could.
pub(crate) const SET_ASIDE: Duration = Duration::from_secs(60);
pub(crate) const SET_ASIDE_ATTEMPTS: u32 = 10;

//! Claiming: lanes of all tenants in turn, with all their due jobs.

use std::collections::BTreeMap;
use std::time::Duration;

use fanvue_bot_core::id::{CreatorId, JobId};
use fanvue_bot_core::queue::{
    Claim, ClaimLimits, ClaimedJob, ClaimedLane, FailureNote, OrderingKey, WorkerId,
};
use fanvue_bot_core::time::Timestamp;
use uuid::Uuid;

use super::PostgresBackend;
use super::fault::Fault;
use super::options::LeaseClock;
use super::sql::{Columns, Values};
use crate::fair::{ReadyLane, pick};
use crate::row::{CorruptField, SET_ASIDE, SET_ASIDE_ATTEMPTS, kind_from_json};
use crate::settings::micros;

const CLAIM: &str = "SELECT seq, id, creator_id, lane, priority, kind, due_at, attempt, token, leased_until \
    FROM fanvue_bot.claim($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

const UPKEEP: &str = "SELECT forgotten, snapshot FROM fanvue_bot.upkeep($1, $2)";

/// The most lanes of one claim, so that no transaction takes long.
const MOST_LANES: usize = 1_000;

/// Ended keys are looked for again after this much of the callers' time, and at most so many at once; at the next
/// claim if there were as many.
const UPKEEP_EVERY: Duration = Duration::from_secs(10);
const FORGET_MOST: i32 = 10_000;

/// The longest lease, far below the end of time as a column holds it.
const LONGEST_LEASE: Duration = Duration::from_secs(366 * 86_400);

/// How long a lease is, as a column holds it.
pub(super) fn lease_micros(lease: Duration) -> i64 {
    i64::try_from(lease.min(LONGEST_LEASE).as_micros()).unwrap_or(i64::MAX)
}

impl PostgresBackend {
    /// The time by which leases lapse, if the server's clock does not decide that. A lease from the end of time
    /// on would have no end.
    pub(super) fn lease_now(&self, now: Timestamp, lease: Duration) -> Option<i64> {
        match self.options().lease_clock {
            LeaseClock::Server => None,
            LeaseClock::Caller => Some(now.as_micros().min(i64::MAX - lease_micros(lease))),
        }
    }

    pub(super) async fn claim_lanes(
        &self,
        worker: &WorkerId,
        limits: &ClaimLimits,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<ClaimedLane>, Fault> {
        if limits.is_nothing() {
            return Ok(Vec::new());
        }
        let limit = limits.lanes.min(MOST_LANES);
        let of_one = limits.of_one_creator.min(limit);
        let except: Vec<Uuid> = limits.except.iter().map(|id| id.as_uuid()).collect();
        let cursor = self.shared().claimed.get();
        let look = self.shared().low_water.look(now);
        let values = Values::default()
            .text(worker.as_str())?
            .add(i32::try_from(limit).unwrap_or(i32::MAX))?
            .add(i32::try_from(self.options().queue.lane_cap).unwrap_or(i32::MAX))?
            .add(now.as_micros())?
            .add(lease_micros(lease))?
            .add(self.lease_now(now, lease))?
            .add(cursor)?
            .add(look.from())?
            .add(i32::try_from(of_one).unwrap_or(i32::MAX))?
            .add(except)?;
        let rows = self.database().call(CLAIM, values).await?;
        let mut taken = Taken::default();
        for row in &rows {
            let columns = Columns::new(row, "jobs");
            if columns.get::<Option<i64>>(0, "seq")?.is_some() {
                taken.add(columns)?;
                continue;
            }
            // What there is beside the jobs that were claimed.
            self.shared().set_next_due(columns.get(6, "due_at")?);
            self.shared()
                .low_water
                .found(&look, columns.get(9, "leased_until")?);
        }
        for job in std::mem::take(&mut taken.unreadable) {
            self.set_aside(job, now).await?;
        }
        let (lanes, cursor) = taken.into_lanes(cursor, limit);
        self.shared().claimed.set(cursor);
        if let Err(fault) = self.keep_up(now).await {
            // The lanes are claimed all the same.
            tracing::warn!(%fault, "upkeep of the queue failed and is tried again");
        }
        Ok(lanes)
    }

    /// A job that does not read back may have been written by a newer version, whose workers can do it: it is left
    /// to them for a while, and given up when nobody could.
    async fn set_aside(&self, job: Unreadable, now: Timestamp) -> Result<(), Fault> {
        tracing::error!(
            job.id = %job.claim.job,
            attempt = job.attempt,
            "a stored job does not read back and was set aside: {}", job.fault
        );
        let cause = FailureNote::new(job.fault.to_string());
        // Somebody else may have it by now, and sees to it.
        let _: bool = if job.attempt >= SET_ASIDE_ATTEMPTS {
            self.bury(&job.claim, now, &cause).await?
        } else {
            self.put_back(&job.claim, now + SET_ASIDE, &cause).await?
        };
        Ok(())
    }

    /// Forgets keys whose retention is over, now and then, and warns of what keeps the server from doing the same
    /// with dead rows.
    async fn keep_up(&self, now: Timestamp) -> Result<(), Fault> {
        if !self.shared().upkeep_is_due(now, UPKEEP_EVERY) {
            return Ok(());
        }
        let values = Values::default().add(now.as_micros())?.add(FORGET_MOST)?;
        let rows = self.database().call(UPKEEP, values).await?;
        let Some(row) = rows.first() else {
            return Ok(());
        };
        let columns = Columns::new(row, "job_keys");
        if columns.get::<i64>(0, "forgotten")? >= i64::from(FORGET_MOST) {
            self.shared().upkeep_is_not_over();
        }
        let held: Option<i64> = columns.get(1, "snapshot")?;
        if let Some(held) = held
            && held >= micros(self.options().old_snapshot)
            && self.shared().may_warn(now)
        {
            tracing::warn!(
                seconds = held / 1_000_000,
                "a session holds an old snapshot, so that dead rows pile up and claims become slow: end its transaction"
            );
        }
        Ok(())
    }
}

/// The jobs that a claim took.
#[derive(Default)]
struct Taken {
    lanes: BTreeMap<(Uuid, Uuid), Vec<Row>>,
    unreadable: Vec<Unreadable>,
}

struct Row {
    number: i64,
    priority: i64,
    job: ClaimedJob,
}

struct Unreadable {
    claim: Claim,
    attempt: u32,
    fault: CorruptField,
}

impl Taken {
    fn add(&mut self, columns: Columns<'_>) -> Result<(), Fault> {
        let token: i64 = columns.get(8, "token")?;
        let claim = Claim {
            job: JobId::from_uuid(columns.get(1, "id")?),
            token: u64::try_from(token).map_err(|_| columns.corrupt("token", "a fence"))?,
            leased_until: Timestamp::from_micros(columns.get(9, "leased_until")?),
        };
        let attempt = u32::try_from(columns.get::<i32>(7, "attempt")?).unwrap_or(u32::MAX);
        match kind_from_json(columns.get(5, "kind")?) {
            Ok(kind) => {
                let lane = (columns.get(2, "creator_id")?, columns.get(3, "lane")?);
                self.lanes.entry(lane).or_default().push(Row {
                    number: columns.get(0, "seq")?,
                    priority: i64::from(columns.get::<i16>(4, "priority")?),
                    job: ClaimedJob {
                        claim,
                        kind,
                        due: Timestamp::from_micros(columns.get(6, "due_at")?),
                        attempt,
                    },
                });
            }
            Err(fault) => self.unreadable.push(Unreadable {
                claim,
                attempt,
                fault,
            }),
        }
        Ok(())
    }

    /// The lanes in turn, each with its jobs in order, and the creator that had the last turn.
    fn into_lanes(
        mut self,
        cursor: Option<Uuid>,
        limit: usize,
    ) -> (Vec<ClaimedLane>, Option<Uuid>) {
        let mut ready = Vec::with_capacity(self.lanes.len());
        for ((creator, key), rows) in &mut self.lanes {
            rows.sort_by_key(|row| (row.job.due, row.number));
            if let Some(head) = rows.first() {
                ready.push(ReadyLane {
                    lane: head.number,
                    creator: *creator,
                    key: *key,
                    priority: head.priority,
                    due: head.job.due.as_micros(),
                });
            }
        }
        let (order, cursor) = pick(ready, cursor, limit, limit);
        let lanes = order
            .into_iter()
            .filter_map(|lane| {
                let rows = self.lanes.remove(&(lane.creator, lane.key))?;
                Some(ClaimedLane {
                    ordering_key: OrderingKey {
                        creator: CreatorId::from_uuid(lane.creator),
                        lane: lane.key,
                    },
                    jobs: rows.into_iter().map(|row| row.job).collect(),
                })
            })
            .collect();
        (lanes, cursor)
    }
}

//! What becomes of a claimed job: completed, extended, handed back, given up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fanvue_bot_core::id::JobId;
use fanvue_bot_core::queue::{Claim, FailureNote, QueueError};
use fanvue_bot_core::time::Timestamp;
use uuid::Uuid;

use super::{Call, Transaction};
use crate::job_id;
use crate::settings::micros;
use crate::sqlite::fault::Fault;
use crate::sqlite::sql::{Columns, Values, execute, fetch, json_numbers};

pub(in crate::sqlite) struct Completing {
    pub(in crate::sqlite) claims: Vec<Claim>,
    pub(in crate::sqlite) now: Timestamp,
}

pub(in crate::sqlite) struct Extending {
    pub(in crate::sqlite) claims: Vec<Claim>,
    pub(in crate::sqlite) now: Timestamp,
    pub(in crate::sqlite) lease: Duration,
}

pub(in crate::sqlite) struct Rescheduling {
    pub(in crate::sqlite) claim: Claim,
    pub(in crate::sqlite) due: Timestamp,
    pub(in crate::sqlite) cause: FailureNote,
}

pub(in crate::sqlite) struct DeadLettering {
    pub(in crate::sqlite) claim: Claim,
    pub(in crate::sqlite) now: Timestamp,
    pub(in crate::sqlite) cause: FailureNote,
}

const HELD: &str = "\
    SELECT seq, id, token, lane_id FROM jobs \
    WHERE seq IN (SELECT value FROM json_each(?1)) AND token <> 0";

const RETAIN_KEYS: &str = "\
    UPDATE OR FAIL job_keys SET expires_at = ?2 WHERE seq IN (SELECT value FROM json_each(?1))";

const DELETE: &str = "DELETE FROM jobs WHERE seq IN (SELECT value FROM json_each(?1))";

const EXTEND: &str = "\
    UPDATE OR FAIL jobs SET blocked_until = ?2 WHERE seq IN (SELECT value FROM json_each(?1))";

const RESCHEDULE: &str = "\
    UPDATE jobs SET token = 0, worker = NULL, due_at = ?2, blocked_until = ?2, last_error = ?3 \
    WHERE seq = ?1";

const BURY: &str = "\
    INSERT INTO dead_letters (seq, id, creator_id, lane, idempotency_key, kind, priority, due_at, \
        attempt, cause, failed_at) \
    SELECT seq, id, creator_id, lane, idempotency_key, kind, priority, due_at, attempt, ?2, ?3 \
    FROM jobs WHERE seq = ?1";

/// Jobs that are in somebody's hands: their tokens and lanes, by number.
type Held = BTreeMap<i64, HeldJob>;

struct HeldJob {
    id: Uuid,
    token: u64,
    lane: i64,
}

fn holds(held: &Held, claim: &Claim) -> bool {
    held.get(&job_id::sequence(claim.job))
        .is_some_and(|job| job.id == claim.job.as_uuid() && job.token == claim.token)
}

fn lost(jobs: Vec<JobId>) -> QueueError {
    QueueError::ClaimLost { jobs }
}

impl Transaction<'_> {
    async fn held<'a>(
        &mut self,
        claims: impl IntoIterator<Item = &'a Claim>,
    ) -> Result<Held, Fault> {
        let numbers = json_numbers(claims.into_iter().map(|claim| job_id::sequence(claim.job)));
        let rows = fetch(
            &mut *self.connection,
            HELD,
            Values::default().text(numbers)?,
        )
        .await?;
        let mut held = Held::new();
        for row in &rows {
            let columns = Columns::new(row, "jobs");
            let token = u64::try_from(columns.int(2, "token")?)
                .map_err(|_| crate::row::CorruptField::new("jobs", "token", "a fence"))?;
            held.insert(
                columns.int(0, "seq")?,
                HeldJob {
                    id: columns.id(1, "id")?,
                    token,
                    lane: columns.int(3, "lane_id")?,
                },
            );
        }
        Ok(held)
    }

    /// Removes jobs; their keys stay taken for the retention time from `now`.
    async fn end(&mut self, jobs: &BTreeSet<i64>, now: i64) -> Result<(), Fault> {
        let numbers = json_numbers(jobs.iter().copied());
        let until = now.saturating_add(micros(self.options.queue.idempotency_retention));
        let values = Values::default().text(numbers.as_str())?.int(until)?;
        execute(self.connection, RETAIN_KEYS, values).await?;
        execute(self.connection, DELETE, Values::default().text(numbers)?).await?;
        self.state.purge.see(now);
        self.state.purge.ended(jobs.len());
        Ok(())
    }

    /// Hands a job back. The caller has made sure that it is held.
    pub(super) async fn put_back(
        &mut self,
        job: i64,
        due: i64,
        cause: &FailureNote,
    ) -> Result<(), Fault> {
        let values = Values::default().int(job)?.int(due)?.text(cause.as_str())?;
        execute(self.connection, RESCHEDULE, values).await.map(drop)
    }

    /// Gives a job up. The caller has made sure that it is held.
    pub(super) async fn bury(
        &mut self,
        job: i64,
        now: i64,
        cause: &FailureNote,
    ) -> Result<(), Fault> {
        let values = Values::default().int(job)?.text(cause.as_str())?.int(now)?;
        execute(self.connection, BURY, values).await?;
        self.end(&BTreeSet::from([job]), now).await
    }
}

/// Completes the jobs of all calls together.
pub(super) async fn complete(
    transaction: &mut Transaction<'_>,
    calls: &mut [&mut Call<Completing, (), QueueError>],
) -> Result<(), Fault> {
    if calls.is_empty() {
        return Ok(());
    }
    let held = transaction
        .held(calls.iter().flat_map(|call| &call.args.claims))
        .await?;
    let mut ended = BTreeSet::new();
    let mut lanes = BTreeSet::new();
    let mut now = i64::MIN;
    for call in calls {
        let mut gone = Vec::new();
        for claim in &call.args.claims {
            let number = job_id::sequence(claim.job);
            match held.get(&number) {
                // The second handle on a claim finds the job ended.
                Some(job) if holds(&held, claim) && ended.insert(number) => {
                    lanes.insert(job.lane);
                }
                _ => gone.push(claim.job),
            }
        }
        now = now.max(call.args.now.as_micros());
        call.outcome = Some(if gone.is_empty() {
            Ok(())
        } else {
            Err(lost(gone))
        });
    }
    if ended.is_empty() {
        return Ok(());
    }
    transaction.end(&ended, now).await?;
    transaction.refresh_lanes(&lanes).await
}

impl Call<Extending, Vec<Claim>, QueueError> {
    pub(super) async fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
        let held = transaction.held(&self.args.claims).await?;
        let until = self.args.now + self.args.lease;
        let mut kept = Vec::new();
        let mut numbers = BTreeSet::new();
        let mut lanes = BTreeSet::new();
        for claim in &self.args.claims {
            let number = job_id::sequence(claim.job);
            if let Some(job) = held.get(&number)
                && holds(&held, claim)
            {
                numbers.insert(number);
                lanes.insert(job.lane);
                kept.push(Claim {
                    job: claim.job,
                    token: claim.token,
                    leased_until: until,
                });
            }
        }
        if !numbers.is_empty() {
            let values = Values::default()
                .text(json_numbers(numbers))?
                .int(until.as_micros())?;
            execute(transaction.connection, EXTEND, values).await?;
            transaction.refresh_lanes(&lanes).await?;
        }
        self.outcome = Some(Ok(kept));
        Ok(())
    }
}

impl Call<Rescheduling, (), QueueError> {
    pub(super) async fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
        let claim = &self.args.claim;
        let held = transaction.held([claim]).await?;
        let number = job_id::sequence(claim.job);
        let Some(job) = held.get(&number).filter(|_| holds(&held, claim)) else {
            self.outcome = Some(Err(lost(vec![claim.job])));
            return Ok(());
        };
        transaction
            .put_back(number, self.args.due.as_micros(), &self.args.cause)
            .await?;
        transaction
            .refresh_lanes(&BTreeSet::from([job.lane]))
            .await?;
        self.outcome = Some(Ok(()));
        Ok(())
    }
}

impl Call<DeadLettering, (), QueueError> {
    pub(super) async fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
        let claim = &self.args.claim;
        let held = transaction.held([claim]).await?;
        let number = job_id::sequence(claim.job);
        let Some(job) = held.get(&number).filter(|_| holds(&held, claim)) else {
            self.outcome = Some(Err(lost(vec![claim.job])));
            return Ok(());
        };
        transaction
            .bury(number, self.args.now.as_micros(), &self.args.cause)
            .await?;
        transaction
            .refresh_lanes(&BTreeSet::from([job.lane]))
            .await?;
        self.outcome = Some(Ok(()));
        Ok(())
    }
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[HELD, RETAIN_KEYS, DELETE, EXTEND, RESCHEDULE, BURY];

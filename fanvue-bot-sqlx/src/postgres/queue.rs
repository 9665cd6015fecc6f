//! The queue: every method is one call of a function, alone or with others of its kind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot_core::backend::BackendError;
use fanvue_bot_core::id::{CreatorId, JobId};
use fanvue_bot_core::page::{Page, PageRequest};
use fanvue_bot_core::queue::{
    Claim, ClaimLimits, ClaimedLane, Enqueued, FailureNote, JobQueue, JobRecord, NewJob,
    OrderingKey, QueueError, WorkerId,
};
use fanvue_bot_core::store::Erased;
use fanvue_bot_core::time::Timestamp;
use sqlx::postgres::PgRow;

use super::PostgresBackend;
use super::claim::lease_micros;
use super::fault::Fault;
use super::group::{Batcher, Call};
use super::options::PostgresBuilder;
use super::sql::{Columns, Database, Values};
use super::store::{MOST_ITEMS, erase_of};
use super::wake::{self, Shared};
use crate::cursor::JobCursor;
use crate::job_id;
use crate::page::{none_of, one_more_than, page_of};
use crate::row::{CorruptField, StandingRow, keys_of_lane};
use crate::settings::micros;
use crate::signal::Found;

const EXTEND: &str = "SELECT seq, token, leased_until FROM fanvue_bot.extend($1, $2, $3, $4)";
const COMPLETE: &str = "SELECT seq, token FROM fanvue_bot.complete($1, $2, $3)";
const JOBS: &str = "\
    SELECT seq, id, kind, priority, due_at, attempt, cause, failed_at \
    FROM fanvue_bot.jobs_after($1, $2, $3, $4)";
const ERASE: &str = "SELECT fanvue_bot.erase_lane($1, $2, $3, $4)";
const ERASE_CREATOR: &str = "SELECT fanvue_bot.erase_jobs_of($1, $2)";
const RESCHEDULE: &str = "SELECT fanvue_bot.reschedule($1, $2, $3, $4)";
const DEAD_LETTER: &str = "SELECT fanvue_bot.dead_letter($1, $2, $3, $4, $5)";

#[async_trait]
impl JobQueue for PostgresBackend {
    async fn enqueue(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, QueueError> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        match self.intake(None, jobs).await {
            Ok(written) => Ok(written.enqueued),
            Err(BackendError::Queue(error)) => Err(error),
            Err(other) => Err(QueueError::unavailable(other)),
        }
    }

    async fn claim(
        &self,
        worker: &WorkerId,
        limits: &ClaimLimits,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<ClaimedLane>, QueueError> {
        self.shared().see(now);
        let seen = self.signal().seen();
        let lanes = self.claim_lanes(worker, limits, now, lease).await?;
        let found = Found::by(limits, &lanes);
        self.signal().claimed(seen, now, found);
        Ok(lanes)
    }

    async fn extend(
        &self,
        claims: &[Claim],
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<Claim>, QueueError> {
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        let (seqs, tokens) = arrays(claims);
        let values = Values::default()
            .add(seqs)?
            .add(tokens)?
            .add(lease_micros(lease))?
            .add(self.lease_now(now, lease))?;
        let rows = self.database().call(EXTEND, values).await?;
        let mut held = BTreeMap::new();
        for row in &rows {
            let columns = Columns::new(row, "jobs");
            let until = columns.get(2, "leased_until").map_err(Fault::from)?;
            held.insert(
                pair_of_row(columns).map_err(Fault::from)?,
                Timestamp::from_micros(until),
            );
        }
        Ok(claims
            .iter()
            .filter_map(|claim| {
                let until = held.get(&pair(claim))?;
                Some(Claim {
                    leased_until: *until,
                    ..claim.duplicate()
                })
            })
            .collect())
    }

    async fn complete(&self, claims: Vec<Claim>, now: Timestamp) -> Result<(), QueueError> {
        if claims.is_empty() {
            return Ok(());
        }
        self.shared().see(now);
        let completing = Completing { claims, now };
        match self.completions().ask(completing).await {
            Some(outcome) => outcome,
            None => Err(Fault::Closed.into()),
        }
    }

    async fn reschedule(
        &self,
        claim: Claim,
        due: Timestamp,
        cause: &FailureNote,
    ) -> Result<(), QueueError> {
        held(self.put_back(&claim, due, cause).await?, &claim)
    }

    async fn dead_letter(
        &self,
        claim: Claim,
        now: Timestamp,
        cause: &FailureNote,
    ) -> Result<(), QueueError> {
        held(self.bury(&claim, now, cause).await?, &claim)?;
        self.signal().raise();
        Ok(())
    }

    async fn jobs(
        &self,
        lane: &OrderingKey,
        page: &PageRequest,
    ) -> Result<Page<JobRecord>, QueueError> {
        let after = match &page.after {
            Some(cursor) => JobCursor::decode(cursor, lane)?.seq,
            None => i64::MIN,
        };
        let limit = page.limit.min(MOST_ITEMS);
        if limit == 0 {
            return Ok(none_of(page));
        }
        let values = Values::default()
            .add(lane.creator.as_uuid())?
            .add(lane.lane)?
            .add(after)?
            .add(one_more_than(limit))?;
        let rows = self.database().call(JOBS, values).await?;
        let item = |row: &_| Ok(standing(row)?.into_domain()?);
        page_of(&rows, limit, item, |last: &JobRecord| {
            let seq = job_id::sequence(last.job);
            JobCursor { seq }.encode(lane)
        })
    }

    async fn erase_lane(&self, lane: &OrderingKey) -> Result<(), QueueError> {
        let (from, to) = keys_of_lane(lane);
        let values = Values::default()
            .add(lane.creator.as_uuid())?
            .add(lane.lane)?
            .add(from)?
            .add(to)?;
        self.database().call(ERASE, values).await?;
        Ok(())
    }

    async fn erase_lanes_of(&self, creator: CreatorId, limit: usize) -> Result<Erased, QueueError> {
        let erased = erase_of(self.database(), ERASE_CREATOR, creator, limit).await?;
        Ok(erased.unwrap_or(Erased::All))
    }

    async fn ready(&self) -> Result<(), QueueError> {
        let poll = self.options().queue.poll_interval;
        wake::ready(self.shared(), poll).await;
        Ok(())
    }
}

fn standing(row: &PgRow) -> Result<StandingRow, CorruptField> {
    let columns = Columns::new(row, "jobs");
    Ok(StandingRow {
        id: columns.get(1, "id")?,
        kind: columns.get(2, "kind")?,
        priority: columns.get::<i16>(3, "priority")?.into(),
        due: columns.get(4, "due_at")?,
        attempt: columns.get::<i32>(5, "attempt")?.into(),
        cause: columns.text_or_null(6, "last_error")?,
        failed_at: columns.get(7, "failed_at")?,
    })
}

fn held(found: bool, claim: &Claim) -> Result<(), QueueError> {
    if found {
        Ok(())
    } else {
        Err(QueueError::ClaimLost {
            jobs: vec![claim.job],
        })
    }
}

/// A token as a column holds it; one that none holds was never granted.
fn token(claim: &Claim) -> i64 {
    i64::try_from(claim.token)
        .ok()
        .filter(|token| *token > 0)
        .unwrap_or(-1)
}

/// A claim as columns hold it: the job's number, and the token.
fn pair(claim: &Claim) -> (i64, i64) {
    (job_id::sequence(claim.job), token(claim))
}

fn pair_of_row(columns: Columns<'_>) -> Result<(i64, i64), CorruptField> {
    Ok((columns.get(0, "seq")?, columns.get(1, "token")?))
}

/// The claims in the order of their jobs, each once: rows are locked in this order, so that calls which name the
/// same jobs wait for each other and never for both.
fn arrays<'c>(claims: impl IntoIterator<Item = &'c Claim>) -> (Vec<i64>, Vec<i64>) {
    let pairs: BTreeSet<(i64, i64)> = claims.into_iter().map(pair).collect();
    pairs.into_iter().unzip()
}

impl PostgresBackend {
    /// Hands a job back; answers whether the claim held it.
    pub(super) async fn put_back(
        &self,
        claim: &Claim,
        due: Timestamp,
        cause: &FailureNote,
    ) -> Result<bool, Fault> {
        let values = Values::default()
            .add(job_id::sequence(claim.job))?
            .add(token(claim))?
            .add(due.as_micros())?
            .text(cause.as_str())?;
        let held = flag(&self.database().call(RESCHEDULE, values).await?)?;
        if held {
            self.shared().added(due.as_micros());
        }
        Ok(held)
    }

    /// Gives a job up; answers whether the claim held it.
    pub(super) async fn bury(
        &self,
        claim: &Claim,
        now: Timestamp,
        cause: &FailureNote,
    ) -> Result<bool, Fault> {
        let values = Values::default()
            .add(job_id::sequence(claim.job))?
            .add(token(claim))?
            .add(now.as_micros())?
            .add(expiry(self.options(), now))?
            .text(cause.as_str())?;
        flag(&self.database().call(DEAD_LETTER, values).await?)
    }
}

fn flag(rows: &[sqlx::postgres::PgRow]) -> Result<bool, Fault> {
    match rows.first() {
        Some(row) => Ok(Columns::new(row, "jobs").get(0, "seq")?),
        None => Ok(false),
    }
}

/// Until when the key of a job that ends now stays taken.
fn expiry(options: &PostgresBuilder, now: Timestamp) -> i64 {
    now.as_micros()
        .saturating_add(micros(options.queue.idempotency_retention))
}

/// Claims on jobs that are done.
pub(super) struct Completing {
    claims: Vec<Claim>,
    now: Timestamp,
}

pub(super) type Completions = Batcher<Completing, Result<(), QueueError>>;

/// Where completions are handed in.
pub(super) fn completions(
    database: &Database,
    options: &Arc<PostgresBuilder>,
    shared: &Arc<Shared>,
) -> Completions {
    let (database, options, shared) = (database.clone(), Arc::clone(options), Arc::clone(shared));
    Batcher::new(options.max_group, move |group| {
        let (database, options, shared) =
            (database.clone(), Arc::clone(&options), Arc::clone(&shared));
        async move {
            match complete(&database, &options, &group).await {
                Ok(mut ended) => {
                    for call in group {
                        let outcome = settle(&call.args.claims, &mut ended);
                        call.answer(outcome);
                    }
                    shared.signal.raise();
                }
                Err(fault) => {
                    tracing::warn!(%fault, operations = group.len(), "completing jobs failed");
                    for call in group {
                        call.answer(Err(fault.clone().into()));
                    }
                }
            }
        }
    })
}

/// Ends the jobs of all calls; answers with the claims that held them.
async fn complete(
    database: &Database,
    options: &PostgresBuilder,
    group: &[Call<Completing, Result<(), QueueError>>],
) -> Result<BTreeSet<(i64, i64)>, Fault> {
    let (seqs, tokens) = arrays(group.iter().flat_map(|call| &call.args.claims));
    let now = group.iter().map(|call| call.args.now).max();
    let expires = now.map_or(i64::MIN, |now| expiry(options, now));
    let values = Values::default().add(seqs)?.add(tokens)?.add(expires)?;
    let rows = database.call(COMPLETE, values).await?;
    let ended = rows
        .iter()
        .map(|row| pair_of_row(Columns::new(row, "jobs")))
        .collect::<Result<_, _>>()?;
    Ok(ended)
}

/// Which of the claims ended their jobs. The second handle on a claim finds the job ended.
fn settle(claims: &[Claim], ended: &mut BTreeSet<(i64, i64)>) -> Result<(), QueueError> {
    let lost: Vec<JobId> = claims
        .iter()
        .filter(|claim| !ended.remove(&pair(claim)))
        .map(|claim| claim.job)
        .collect();
    if lost.is_empty() {
        Ok(())
    } else {
        Err(QueueError::ClaimLost { jobs: lost })
    }
}

//! Claiming: lanes of all tenants in turn, with all their due jobs. The one place that reads across
//! tenants, since a worker serves them all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fanvue_bot_core::id::{CreatorId, JobId};
use fanvue_bot_core::queue::{
    Claim, ClaimLimits, ClaimedJob, ClaimedLane, FailureNote, OrderingKey, QueueError, WorkerId,
};
use fanvue_bot_core::time::Timestamp;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{Call, Transaction};
use crate::fair::{ReadyLane, pick};
use crate::row::{CorruptField, SET_ASIDE, SET_ASIDE_ATTEMPTS, kind_from_json};
use crate::settings::micros;
use crate::sqlite::fault::Fault;
use crate::sqlite::sql::{Columns, Values, execute, fetch, json_numbers};

pub(in crate::sqlite) struct Claiming {
    pub(in crate::sqlite) worker: WorkerId,
    pub(in crate::sqlite) limits: ClaimLimits,
    pub(in crate::sqlite) now: Timestamp,
    pub(in crate::sqlite) lease: Duration,
}

/// The most lanes of one claim, so that no transaction takes long.
const MOST_LANES: usize = 1_000;

/// As long as so few lanes are ready, all are read and the choice is made in memory.
const FEW: usize = 256;

const READY: &str = "\
    SELECT lane_id, creator_id, lane, head_priority, head_due FROM lanes \
    WHERE ready_at <= ?1 ORDER BY ready_at LIMIT ?2";

/// Hops from one creator and priority to the next in the index, and keeps those with a lane that is
/// ready, but for creators who are left out: one step for each pair, however many lanes a pair has.
const TURNS: &str = "\
    WITH RECURSIVE turn (creator_id, head_priority, ready_at) AS (\
        SELECT * FROM (SELECT creator_id, head_priority, ready_at FROM lanes \
            WHERE creator_id > ?1 AND creator_id <= ?2 \
            ORDER BY creator_id, head_priority, ready_at LIMIT 1) \
        UNION ALL \
        SELECT l.creator_id, l.head_priority, l.ready_at \
        FROM turn AS t CROSS JOIN lanes AS l \
        WHERE l.creator_id <= ?2 AND l.lane_id = coalesce(\
            (SELECT n.lane_id FROM lanes AS n \
            WHERE n.creator_id = t.creator_id AND n.head_priority > t.head_priority \
            ORDER BY n.head_priority, n.ready_at LIMIT 1), \
            (SELECT n.lane_id FROM lanes AS n WHERE n.creator_id > t.creator_id \
            ORDER BY n.creator_id, n.head_priority, n.ready_at LIMIT 1))\
    ) SELECT creator_id, head_priority FROM turn \
    WHERE ready_at <= ?3 AND creator_id NOT IN (SELECT unhex(value) FROM json_each(?5)) LIMIT ?4";

/// The lanes of some creators and priorities that have been ready the longest.
const LANES_OF: &str = "\
    SELECT l.lane_id, l.creator_id, l.lane, l.head_priority, l.head_due \
    FROM json_each(?1) AS k CROSS JOIN lanes AS l \
    WHERE l.lane_id IN (\
        SELECT r.lane_id FROM lanes AS r \
        WHERE r.creator_id = unhex(substr(k.value, 1, 32)) \
        AND r.head_priority = CAST(substr(k.value, 33) AS INTEGER) \
        AND r.ready_at <= ?2 ORDER BY r.ready_at LIMIT ?3)";

/// All due jobs of the lanes that have few, the first of those that have more: the latter alone need a
/// list of their own for each lane, which costs more than a job.
const TAKE: &str = "\
    UPDATE OR FAIL jobs SET token = ?2, worker = ?3, blocked_until = ?4, attempt = attempt + 1 \
    WHERE seq IN (\
        SELECT d.seq FROM json_each(?1) AS k CROSS JOIN jobs AS d \
        WHERE d.lane_id = k.value AND d.due_at <= ?5 \
        AND (SELECT f.seq FROM jobs AS f WHERE f.lane_id = k.value AND f.due_at <= ?5 \
            ORDER BY f.due_at, f.seq LIMIT 1 OFFSET ?6) IS NULL \
        UNION ALL \
        SELECT d.seq FROM json_each(?1) AS k CROSS JOIN jobs AS d \
        WHERE (SELECT f.seq FROM jobs AS f WHERE f.lane_id = k.value AND f.due_at <= ?5 \
            ORDER BY f.due_at, f.seq LIMIT 1 OFFSET ?6) IS NOT NULL \
        AND d.seq IN (\
            SELECT f.seq FROM jobs AS f WHERE f.lane_id = k.value AND f.due_at <= ?5 \
            ORDER BY f.due_at, f.seq LIMIT ?6)) \
    RETURNING seq, id, lane_id, kind, due_at, attempt";

const BLOCK: &str = "\
    UPDATE OR FAIL lanes SET blocked_until = ?2, ready_at = max(head_due, ?2) \
    WHERE lane_id IN (SELECT value FROM json_each(?1))";

/// What a claim is to take, with bounds that hold.
struct Wanted {
    lanes: usize,
    /// At most `lanes`.
    of_one: usize,
    except: BTreeSet<Uuid>,
}

impl Wanted {
    fn of(limits: &ClaimLimits) -> Self {
        let lanes = limits.lanes.min(MOST_LANES);
        Self {
            lanes,
            of_one: limits.of_one_creator.min(lanes),
            except: limits.except.iter().map(|id| id.as_uuid()).collect(),
        }
    }
}

impl Call<Claiming, Vec<ClaimedLane>, QueueError> {
    pub(super) async fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
        let lanes = transaction.claim(&self.args).await?;
        self.outcome = Some(Ok(lanes));
        Ok(())
    }
}

impl Transaction<'_> {
    pub(super) async fn claim(&mut self, args: &Claiming) -> Result<Vec<ClaimedLane>, Fault> {
        let now = args.now.as_micros();
        self.state.purge.see(now);
        let wanted = Wanted::of(&args.limits);
        let ready = self.ready_lanes(now, &wanted).await?;
        let (lanes, cursor) = pick(ready, self.state.cursor, wanted.lanes, wanted.of_one);
        if lanes.is_empty() {
            return Ok(Vec::new());
        }
        self.state.cursor = cursor;

        let token = self.number()?;
        let until = args.now + args.lease;
        let numbers = json_numbers(lanes.iter().map(|lane| lane.lane));
        let cap = i64::try_from(self.options.queue.lane_cap).unwrap_or(i64::MAX);
        let values = Values::default()
            .text(numbers.as_str())?
            .int(token)?
            .text(args.worker.as_str())?
            .int(until.as_micros())?
            .int(now)?
            .int(cap)?;
        let rows = fetch(&mut *self.connection, TAKE, values).await?;
        let values = Values::default().text(numbers)?.int(until.as_micros())?;
        execute(self.connection, BLOCK, values).await?;

        let token = u64::try_from(token).map_err(|_| Fault::OutOfRange("the sequence"))?;
        let mut taken = Taken::default();
        for row in &rows {
            taken.add(row, token, until)?;
        }
        self.set_aside(&taken, now).await?;
        Ok(taken.into_lanes(&lanes))
    }

    /// Lanes that could be claimed: all if they are few, else enough of each creator that is to have a
    /// turn.
    async fn ready_lanes(&mut self, now: i64, wanted: &Wanted) -> Result<Vec<ReadyLane>, Fault> {
        if wanted.of_one == 0 {
            return Ok(Vec::new());
        }
        let most = wanted.lanes.max(FEW);
        let values = Values::default().int(now)?.int(count(most))?;
        let rows = fetch(&mut *self.connection, READY, values).await?;
        if rows.len() < most {
            let mut lanes: Vec<ReadyLane> =
                rows.iter().map(ready_lane).collect::<Result<_, _>>()?;
            lanes.retain(|lane| !wanted.except.contains(&lane.creator));
            return Ok(lanes);
        }

        let mut pairs = self.turns(now, wanted).await?;
        let creators: BTreeSet<_> = pairs.iter().map(|(creator, _)| *creator).collect();
        let mut each = wanted.lanes.div_ceil(creators.len().max(1));
        each = each.min(wanted.of_one);
        let mut lanes: BTreeMap<(Uuid, i64), Vec<ReadyLane>> = BTreeMap::new();
        loop {
            for pair in &pairs {
                lanes.remove(pair);
            }
            for lane in self.lanes_of(&pairs, now, each).await? {
                lanes
                    .entry((lane.creator, lane.priority))
                    .or_default()
                    .push(lane);
            }
            let mut found: BTreeMap<Uuid, usize> = BTreeMap::new();
            for ((creator, _), lanes) in &lanes {
                *found.entry(*creator).or_default() += lanes.len();
            }
            let found: usize = found.values().map(|found| wanted.of_one.min(*found)).sum();
            pairs.retain(|pair| lanes.get(pair).is_some_and(|lanes| lanes.len() >= each));
            if found >= wanted.lanes || pairs.is_empty() || each >= wanted.of_one {
                return Ok(lanes.into_values().flatten().collect());
            }
            // Some creators have fewer: what they leave is for those that have more.
            each = each.saturating_mul(4).min(wanted.of_one);
        }
    }

    /// The creators that are to have a turn, from the one after the cursor on, each with the priorities
    /// that it has lanes of.
    async fn turns(&mut self, now: i64, wanted: &Wanted) -> Result<Vec<(Uuid, i64)>, Fault> {
        let cursor = self.state.cursor.map(|cursor| cursor.into_bytes().to_vec());
        let (limit, except) = (wanted.lanes, &wanted.except);
        let mut pairs = self
            .turns_between(cursor.clone(), None, now, limit, except)
            .await?;
        if cursor.is_some() && pairs.len() < limit {
            let rest = limit - pairs.len();
            pairs.extend(self.turns_between(None, cursor, now, rest, except).await?);
        }
        Ok(pairs)
    }

    async fn turns_between(
        &mut self,
        after: Option<Vec<u8>>,
        up_to: Option<Vec<u8>>,
        now: i64,
        limit: usize,
        except: &BTreeSet<Uuid>,
    ) -> Result<Vec<(Uuid, i64)>, Fault> {
        let except: Vec<String> = except
            .iter()
            .map(|creator| format!("\"{}\"", creator.as_simple()))
            .collect();
        let values = Values::default()
            .bytes(after.unwrap_or_default())?
            .bytes(up_to.unwrap_or_else(|| vec![0xff; 16]))?
            .int(now)?
            .int(count(limit))?
            .text(format!("[{}]", except.join(",")))?;
        let rows = fetch(&mut *self.connection, TURNS, values).await?;
        rows.iter()
            .map(|row| {
                let columns = Columns::new(row, "lanes");
                Ok((
                    columns.id(0, "creator_id")?,
                    columns.int(1, "head_priority")?,
                ))
            })
            .collect()
    }

    async fn lanes_of(
        &mut self,
        pairs: &[(Uuid, i64)],
        now: i64,
        each: usize,
    ) -> Result<Vec<ReadyLane>, Fault> {
        let pairs: Vec<String> = pairs
            .iter()
            .map(|(creator, priority)| format!("\"{}{priority}\"", creator.as_simple()))
            .collect();
        let values = Values::default()
            .text(format!("[{}]", pairs.join(",")))?
            .int(now)?
            .int(count(each))?;
        let rows = fetch(&mut *self.connection, LANES_OF, values).await?;
        rows.iter().map(ready_lane).collect()
    }

    async fn set_aside(&mut self, taken: &Taken, now: i64) -> Result<(), Fault> {
        if taken.unreadable.is_empty() {
            return Ok(());
        }
        let mut lanes = BTreeSet::new();
        for job in &taken.unreadable {
            tracing::error!(
                job.id = %JobId::from_uuid(job.id),
                attempt = job.attempt,
                "a stored job does not read back and was set aside: {}", job.fault
            );
            let cause = FailureNote::new(job.fault.to_string());
            if job.attempt >= SET_ASIDE_ATTEMPTS {
                self.bury(job.number, now, &cause).await?;
            } else {
                let due = now.saturating_add(micros(SET_ASIDE));
                self.put_back(job.number, due, &cause).await?;
            }
            lanes.insert(job.lane);
        }
        self.refresh_lanes(&lanes).await
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn ready_lane(row: &SqliteRow) -> Result<ReadyLane, Fault> {
    let columns = Columns::new(row, "lanes");
    Ok(ReadyLane {
        lane: columns.int(0, "lane_id")?,
        creator: columns.id(1, "creator_id")?,
        key: columns.id(2, "lane")?,
        priority: columns.int(3, "head_priority")?,
        due: columns.int(4, "head_due")?,
    })
}

/// The jobs that a claim took.
#[derive(Default)]
struct Taken {
    lanes: BTreeMap<i64, Vec<(i64, ClaimedJob)>>,
    unreadable: Vec<Unreadable>,
}

struct Unreadable {
    number: i64,
    id: Uuid,
    lane: i64,
    attempt: u32,
    fault: CorruptField,
}

impl Taken {
    fn add(&mut self, row: &SqliteRow, token: u64, until: Timestamp) -> Result<(), Fault> {
        let columns = Columns::new(row, "jobs");
        let number = columns.int(0, "seq")?;
        let id = columns.id(1, "id")?;
        let lane = columns.int(2, "lane_id")?;
        let attempt = u32::try_from(columns.int(5, "attempt")?).unwrap_or(u32::MAX);
        match kind_from_json(&columns.text(3, "kind")?) {
            Ok(kind) => {
                let job = ClaimedJob {
                    claim: Claim {
                        job: JobId::from_uuid(id),
                        token,
                        leased_until: until,
                    },
                    kind,
                    due: Timestamp::from_micros(columns.int(4, "due_at")?),
                    attempt,
                };
                self.lanes.entry(lane).or_default().push((number, job));
            }
            Err(fault) => self.unreadable.push(Unreadable {
                number,
                id,
                lane,
                attempt,
                fault,
            }),
        }
        Ok(())
    }

    /// The lanes in the order in which they were picked, each with its jobs in order.
    fn into_lanes(mut self, picked: &[ReadyLane]) -> Vec<ClaimedLane> {
        picked
            .iter()
            .filter_map(|lane| {
                let mut jobs = self.lanes.remove(&lane.lane)?;
                jobs.sort_by_key(|(number, job)| (job.due, *number));
                Some(ClaimedLane {
                    ordering_key: OrderingKey {
                        creator: CreatorId::from_uuid(lane.creator),
                        lane: lane.key,
                    },
                    jobs: jobs.into_iter().map(|(_, job)| job).collect(),
                })
            })
            .collect()
    }
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[READY, TURNS, LANES_OF, TAKE, BLOCK];

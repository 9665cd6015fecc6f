//! Writing the rows of many changes and jobs with few statements.
//!
//! `OR FAIL`, because whatever fails rolls the whole transaction back: SQLite then keeps no journal for
//! undoing a single statement, which would copy every page that it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use fanvue_bot_core::queue::Enqueued;
use fanvue_bot_core::time::Timestamp;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::{Rows, first_of_each_key};
use crate::job_id;
use crate::row::{ContentRow, DecisionRow, JobRow};
use crate::sqlite::fault::Fault;
use crate::sqlite::sql::{Bulk, Columns, Values};
use crate::sqlite::write::Transaction;

static CREATORS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT OR FAIL INTO creators (creator_id, account_id, revision, profile)",
        4,
        "ON CONFLICT (creator_id) DO UPDATE SET account_id = excluded.account_id, \
         revision = excluded.revision, profile = excluded.profile",
    )
});

static CONVERSATIONS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT OR FAIL INTO conversations (creator_id, fan_id, revision, wake_at, state)",
        5,
        "ON CONFLICT (creator_id, fan_id) DO UPDATE SET revision = excluded.revision, \
         wake_at = excluded.wake_at, state = excluded.state",
    )
});

/// Most messages tell nothing new of their fan; such a row is left as it is, so that its page is not
/// written again.
static FANS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT OR FAIL INTO fans (creator_id, fan_id, handle, display_name, nickname)",
        5,
        "ON CONFLICT (creator_id, fan_id) DO UPDATE SET \
         handle = coalesce(excluded.handle, handle), \
         display_name = coalesce(excluded.display_name, display_name), \
         nickname = coalesce(excluded.nickname, nickname) \
         WHERE coalesce(excluded.handle, handle) IS NOT handle \
         OR coalesce(excluded.display_name, display_name) IS NOT display_name \
         OR coalesce(excluded.nickname, nickname) IS NOT nickname",
    )
});

static MESSAGES: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT OR FAIL INTO messages (creator_id, fan_id, id, sent_at, stored_at, author, kind, text, \
         media, has_media, price_cents, fetched, tokenizer, tokens, turn, outcome, decision, \
         decided_at, deleted_at)",
        19,
        "",
    )
});

/// The tuple form, because SQLite would read all messages to join them with the values.
static CONTENTS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "WITH known (creator_id, fan_id, id, text, media, has_media, price_cents, fetched, \
         tokenizer, tokens) AS (",
        10,
        ") UPDATE OR FAIL messages SET (text, media, has_media, price_cents, fetched, tokenizer, tokens) = (\
            SELECT k.text, k.media, k.has_media, k.price_cents, k.fetched, k.tokenizer, k.tokens \
            FROM known AS k WHERE k.id = messages.id AND k.fan_id = messages.fan_id \
            AND k.creator_id = messages.creator_id) \
         WHERE (creator_id, fan_id, id) IN (SELECT creator_id, fan_id, id FROM known) \
         AND deleted_at IS NULL",
    )
});

static DECISIONS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "WITH known (creator_id, fan_id, id, outcome, decision, decided_at) AS (",
        6,
        ") UPDATE OR FAIL messages SET (outcome, decision, decided_at) = (\
            SELECT k.outcome, k.decision, k.decided_at \
            FROM known AS k WHERE k.id = messages.id AND k.fan_id = messages.fan_id \
            AND k.creator_id = messages.creator_id) \
         WHERE (creator_id, fan_id, id) IN (SELECT creator_id, fan_id, id FROM known)",
    )
});

static DELETIONS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "WITH known (creator_id, fan_id, id, at) AS (",
        4,
        ") UPDATE OR FAIL messages SET text = NULL, media = NULL, has_media = 0, price_cents = NULL, \
         fetched = 1, tokenizer = NULL, tokens = NULL, deleted_at = (\
            SELECT min(k.at, coalesce(messages.deleted_at, k.at)) \
            FROM known AS k WHERE k.id = messages.id AND k.fan_id = messages.fan_id \
            AND k.creator_id = messages.creator_id) \
         WHERE (creator_id, fan_id, id) IN (SELECT creator_id, fan_id, id FROM known)",
    )
});

static TRANSACTIONS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT OR FAIL INTO transactions (creator_id, fan_id, id, kind, telling, amount_cents, net_cents, \
         currency, at, stored_at, message_id, post_id, reference, reverses, same_as)",
        15,
        "",
    )
});

/// What is stored of each job's key and lane. Read before anything is written rather than answered by the
/// writes with `RETURNING`, for which SQLite keeps all rows of a statement twice.
static KNOWN: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "WITH present (at) AS (VALUES (?)), known (seq, creator_id, lane, idempotency_key) AS (",
        4,
        ") SELECT k.seq, t.seq IS NOT NULL AND coalesce(t.expires_at > (SELECT at FROM present), 1), \
            l.lane_id, l.head_due \
         FROM known AS k \
         LEFT JOIN job_keys AS t \
            ON t.creator_id = k.creator_id AND t.idempotency_key = k.idempotency_key \
         LEFT JOIN lanes AS l ON l.creator_id = k.creator_id AND l.lane = k.lane",
    )
});

/// Takes keys that are free; one that is stored is one whose retention is over.
static KEYS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT OR FAIL INTO job_keys (seq, creator_id, idempotency_key)",
        3,
        "ON CONFLICT (creator_id, idempotency_key) DO UPDATE SET seq = excluded.seq, \
         expires_at = NULL",
    )
});

/// A job that becomes the first of its lane makes the lane claimable earlier, unless it is blocked.
static LANES: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT OR FAIL INTO lanes \
         (lane_id, creator_id, lane, head_due, head_priority, blocked_until, ready_at)",
        7,
        "ON CONFLICT (lane_id) DO UPDATE SET head_due = excluded.head_due, \
         head_priority = excluded.head_priority, \
         ready_at = max(excluded.head_due, blocked_until)",
    )
});

static JOBS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT OR FAIL INTO jobs (seq, id, lane_id, creator_id, lane, idempotency_key, kind, priority, \
         due_at)",
        9,
        "",
    )
});

impl Rows<'_> {
    pub(super) async fn write(&self, connection: &mut SqliteConnection) -> Result<(), Fault> {
        for row in &self.creators {
            // One at a time: an account may pass from one creator to another within a group.
            CREATORS
                .run(
                    connection,
                    none,
                    std::slice::from_ref(row),
                    |values, (row, revision)| {
                        values.push_id(row.creator)?;
                        values.push(row.account.map(|id| id.into_bytes().to_vec()))?;
                        values.push(*revision)?;
                        values.push(row.profile.as_str())
                    },
                )
                .await?;
        }
        let conversations: Vec<_> = self.conversations.values().collect();
        CONVERSATIONS
            .run(
                connection,
                none,
                &conversations,
                |values, (row, revision)| {
                    values.push_id(row.creator)?;
                    values.push_id(row.fan)?;
                    values.push(*revision)?;
                    values.push(row.wake_at)?;
                    values.push(row.state.as_str())
                },
            )
            .await?;
        let fans: Vec<_> = self.fans.values().collect();
        FANS.run(connection, none, &fans, |values, row| {
            values.push_id(row.creator)?;
            values.push_id(row.fan)?;
            values.push(row.handle.as_deref())?;
            values.push(row.display_name.as_deref())?;
            values.push(row.nickname.as_deref())
        })
        .await?;
        MESSAGES
            .run(connection, none, &self.messages, |values, row| {
                values.push_id(row.creator)?;
                values.push_id(row.fan)?;
                values.push_id(row.id)?;
                values.push(row.sent_at)?;
                values.push(row.stored_at)?;
                values.push(&*row.author)?;
                values.push(row.kind.as_str())?;
                push_content(values, &row.content)?;
                values.push(row.turn)?;
                push_decision(values, row.decision.as_ref())?;
                values.push(row.deleted_at)
            })
            .await?;
        let contents: Vec<_> = self.contents.iter().collect();
        CONTENTS
            .run(connection, none, &contents, |values, (key, row)| {
                push_key(values, key)?;
                push_content(values, row)
            })
            .await?;
        let decisions: Vec<_> = self.decisions.iter().collect();
        DECISIONS
            .run(connection, none, &decisions, |values, (key, row)| {
                push_key(values, key)?;
                push_decision(values, Some(row))
            })
            .await?;
        let deletions: Vec<_> = self.deletions.iter().collect();
        DELETIONS
            .run(connection, none, &deletions, |values, (key, at)| {
                push_key(values, key)?;
                values.push(**at)
            })
            .await?;
        TRANSACTIONS
            .run(
                connection,
                none,
                &self.transactions,
                |values, (conversation, row)| {
                    let id = |id: Option<Uuid>| id.map(|id| id.into_bytes().to_vec());
                    values.push_id(conversation.creator)?;
                    values.push_id(conversation.fan)?;
                    values.push_id(row.id)?;
                    values.push(&*row.kind)?;
                    values.push(&*row.telling)?;
                    values.push(row.amount_cents)?;
                    values.push(row.net_cents)?;
                    values.push(row.currency.as_deref())?;
                    values.push(row.at)?;
                    values.push(row.stored_at)?;
                    values.push(id(row.message))?;
                    values.push(id(row.post))?;
                    values.push(row.reference.as_deref())?;
                    values.push(id(row.reverses))?;
                    values.push(id(row.same_as))
                },
            )
            .await?;
        Ok(())
    }
}

impl Transaction<'_> {
    /// Adds jobs whose keys are free; answers in their order.
    pub(super) async fn enqueue(&mut self, jobs: Vec<&JobRow>) -> Result<Vec<Enqueued>, Fault> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let mut numbered = Vec::with_capacity(jobs.len());
        for job in first_of_each_key(&jobs) {
            numbered.push((job, self.number()?));
        }
        let lanes = self.known(&mut numbered).await?;
        let clock = self.options.clock.now();
        self.insert_jobs(&numbered, lanes, clock).await?;

        let mut new = numbered.into_iter().peekable();
        Ok(jobs
            .into_iter()
            .map(
                |job| match new.next_if(|(first, _)| std::ptr::eq(*first, job)) {
                    Some((_, number)) => Enqueued::New(job_id::new(number, clock)),
                    None => Enqueued::Duplicate,
                },
            )
            .collect())
    }

    /// Leaves the jobs whose keys are free; answers with the lanes among theirs that exist.
    async fn known(&mut self, jobs: &mut Vec<(&JobRow, i64)>) -> Result<Lanes, Fault> {
        let now = self.state.purge.now;
        let rows = KNOWN
            .run(
                self.connection,
                |values| values.push(now),
                jobs,
                |values, (job, number)| {
                    values.push(*number)?;
                    values.push_id(job.creator)?;
                    values.push_id(job.lane)?;
                    values.push(job.key.as_str())
                },
            )
            .await?;
        let mut taken = BTreeSet::new();
        let mut lanes = BTreeMap::new();
        for row in &rows {
            let number = Columns::new(row, "jobs").int(0, "seq")?;
            if Columns::new(row, "job_keys").flag(1, "seq")? {
                taken.insert(number);
            }
            let lane = Columns::new(row, "lanes");
            if let Some(id) = lane.int_or_null(2, "lane_id")? {
                lanes.insert(number, (id, lane.int(3, "head_due")?));
            }
        }
        let lanes = jobs
            .iter()
            .filter_map(|(job, number)| Some(([job.creator, job.lane], *lanes.get(number)?)))
            .collect();
        jobs.retain(|(_, number)| !taken.contains(number));
        Ok(lanes)
    }

    async fn insert_jobs(
        &mut self,
        new: &[(&JobRow, i64)],
        mut lanes: Lanes,
        clock: Timestamp,
    ) -> Result<(), Fault> {
        if new.is_empty() {
            return Ok(());
        }
        KEYS.run(self.connection, none, new, |values, (job, number)| {
            values.push(*number)?;
            values.push_id(job.creator)?;
            values.push(job.key.as_str())
        })
        .await?;

        // A lane that keeps its first job stays as it is: its row stands in three indexes.
        let mut moved = BTreeMap::new();
        for (job, number) in new {
            let lane = lanes
                .entry([job.creator, job.lane])
                .and_modify(|(id, head)| {
                    if job.due < *head {
                        *head = job.due;
                        moved.insert(*id, *job);
                    }
                })
                .or_insert_with(|| (*number, job.due));
            if lane.0 == *number {
                moved.insert(*number, *job);
            }
        }
        let moved: Vec<_> = moved.into_iter().collect();
        LANES
            .run(self.connection, none, &moved, |values, (id, job)| {
                values.push(*id)?;
                values.push_id(job.creator)?;
                values.push_id(job.lane)?;
                values.push(job.due)?;
                values.push(job.priority)?;
                values.push(i64::MIN)?;
                values.push(job.due)
            })
            .await?;
        JOBS.run(self.connection, none, new, |values, (job, number)| {
            values.push(*number)?;
            values.push_id(job_id::new(*number, clock).as_uuid())?;
            values.push(lanes.get(&[job.creator, job.lane]).map(|(id, _)| *id))?;
            values.push_id(job.creator)?;
            values.push_id(job.lane)?;
            values.push(job.key.as_str())?;
            values.push(job.kind.as_str())?;
            values.push(job.priority)?;
            values.push(job.due)
        })
        .await?;
        self.lanes_moved |= !moved.is_empty();
        Ok(())
    }
}

/// The number and the first due time of each lane, by creator and lane. A lane has the number of the job
/// that opened it.
type Lanes = BTreeMap<[Uuid; 2], (i64, i64)>;

#[expect(clippy::unnecessary_wraps, reason = "the shape that `Bulk::run` takes")]
const fn none(_: &mut Values) -> Result<(), Fault> {
    Ok(())
}

fn push_key(values: &mut Values, key: &[Uuid; 3]) -> Result<(), Fault> {
    key.iter().try_for_each(|id| values.push_id(*id))
}

fn push_content(values: &mut Values, row: &ContentRow) -> Result<(), Fault> {
    values.push(row.text.clone())?;
    values.push(row.media.as_deref())?;
    values.push(i64::from(row.has_media))?;
    values.push(row.price_cents)?;
    values.push(i64::from(row.fetched))?;
    values.push(row.tokenizer)?;
    values.push(row.tokens)
}

fn push_decision(values: &mut Values, row: Option<&DecisionRow>) -> Result<(), Fault> {
    values.push(row.map(|row| &*row.outcome))?;
    values.push(row.map(|row| row.detail.as_str()))?;
    values.push(row.map(|row| row.decided_at))
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    [
        &CREATORS,
        &CONVERSATIONS,
        &FANS,
        &MESSAGES,
        &CONTENTS,
        &DECISIONS,
        &DELETIONS,
        &TRANSACTIONS,
        &KNOWN,
        &KEYS,
        &JOBS,
        &LANES,
    ]
    .into_iter()
    .flat_map(|bulk| bulk.texts())
    .collect()
}

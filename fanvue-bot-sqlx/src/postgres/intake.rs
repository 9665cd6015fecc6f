//! Commits and enqueues: what waits is one call, which makes each change that is not refused.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fanvue_bot_core::backend::BackendError;
use fanvue_bot_core::queue::Enqueued;
use fanvue_bot_core::revision::Revision;
use fanvue_bot_core::store::StoreError;
use serde::Serialize;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::fault::{Cause, Fault};
use super::group::{Batcher, Call};
use super::options::PostgresBuilder;
use super::sql::{Columns, Database, Values};
use super::text;
use super::wake::Shared;
use crate::change::{ChangeRows, ConversationRows};
use crate::job_id;
use crate::row::{ContentRow, CreatorRow, DecisionRow, FanRow, JobRow, MessageRow, TransactionRow};

const WRITE: &str = "SELECT verdict, revision, missing, numbers, added \
    FROM fanvue_bot.write($1::text::json, $2::text::json, $3, $4)";

/// How often an operation on its own is tried when another transaction is in its way.
const TRIES: usize = 4;

/// A change, the jobs that follow from it, or both.
pub(super) struct Intake {
    pub(super) change: Option<(ChangeRows, Option<Revision>)>,
    pub(super) jobs: Vec<JobRow>,
}

/// What came of an [`Intake`].
pub(super) struct Written {
    /// The revision that the change made.
    pub(super) revision: Option<Revision>,
    /// What became of the jobs, in their order.
    pub(super) enqueued: Vec<Enqueued>,
}

pub(super) type Outcome = Result<Written, BackendError>;

pub(super) type Intakes = Batcher<Intake, Outcome>;

/// Where intakes are handed in.
pub(super) fn intakes(
    database: &Database,
    options: &Arc<PostgresBuilder>,
    shared: &Arc<Shared>,
) -> Intakes {
    let writer = Writer {
        database: database.clone(),
        options: Arc::clone(options),
        shared: Arc::clone(shared),
    };
    Batcher::new(options.max_group, move |group| {
        let writer = writer.clone();
        async move { writer.work(group).await }
    })
}

#[derive(Clone)]
struct Writer {
    database: Database,
    options: Arc<PostgresBuilder>,
    shared: Arc<Shared>,
}

impl Writer {
    /// Makes the calls in one transaction and answers. If that fails in a way that one of them may have caused,
    /// each is made on its own.
    async fn work(&self, mut group: Vec<Call<Intake, Outcome>>) {
        match self.write(&group).await {
            Ok(outcomes) => {
                for (call, outcome) in group.into_iter().zip(outcomes) {
                    call.answer(outcome);
                }
            }
            Err(fault) if fault.concerns_one_operation() => {
                if group.len() > 1 {
                    tracing::debug!(%fault, "a group of commits failed; each is tried on its own");
                }
                for call in group {
                    let outcome = self.write_alone(&call).await;
                    call.answer(outcome);
                }
            }
            Err(fault) => {
                tracing::warn!(%fault, operations = group.len(), "writing to the database failed");
                for call in group.drain(..) {
                    call.answer(Err(fault.clone().into()));
                }
            }
        }
    }

    async fn write_alone(&self, call: &Call<Intake, Outcome>) -> Outcome {
        let mut tries = 0;
        let fault = loop {
            tries += 1;
            match self.write(std::slice::from_ref(call)).await {
                Ok(outcomes) => {
                    let closed = || Err(Fault::Closed.into());
                    return outcomes.into_iter().next().unwrap_or_else(closed);
                }
                // The index has the last word on whose account it is.
                Err(fault) if fault.violates("creators_account") => {
                    return Err(StoreError::Conflict.into());
                }
                Err(fault) if fault.cause() == Cause::Collision && tries < TRIES => {}
                Err(fault) => break fault,
            }
        };
        tracing::warn!(%fault, "writing to the database failed");
        Err(if call.args.change.is_none() {
            BackendError::Queue(fault.into())
        } else {
            fault.into()
        })
    }

    /// Makes the calls in one transaction: all, but for those whose change is refused.
    async fn write(&self, group: &[Call<Intake, Outcome>]) -> Result<Vec<Outcome>, Fault> {
        let batch = Batch::of(group);
        let clock = self.options.clock.now();
        let jobs = if batch.jobs.is_empty() {
            None
        } else {
            Some(json(&batch.jobs)?)
        };
        let values = Values::default()
            .add(json(&batch.changes)?)?
            .add(jobs)?
            .add(self.shared.keys_now(&self.options))?
            .add(clock.as_micros().max(0) / 1_000)?;
        let rows = self.database.call(WRITE, values).await?;

        let mut outcomes: Vec<Option<Outcome>> = group.iter().map(|_| None).collect();
        for (row, call) in rows.iter().zip(&batch.changed) {
            let outcome = verdict(row)?.map(|revision| written(group, *call, Some(revision)));
            if let Some(place) = outcomes.get_mut(*call) {
                *place = Some(outcome.map_err(Into::into));
            }
        }
        if let Some(row) = rows.get(batch.changed.len()) {
            let columns = Columns::new(row, "jobs");
            let numbers: Vec<i64> = columns.get(3, "numbers")?;
            let added: Option<Vec<i64>> = columns.get(4, "added")?;
            let added: BTreeSet<i64> = added.into_iter().flatten().collect();
            let first = batch.jobs.iter().map(|job| job.due).min();
            if let Some(first) = first.filter(|_| !added.is_empty()) {
                self.shared.added(first);
            }
            for (number, (call, index)) in numbers.iter().zip(&batch.places) {
                let Some(outcome) = outcomes.get_mut(*call) else {
                    continue;
                };
                if let Ok(written) = outcome.get_or_insert_with(|| Ok(written(group, *call, None)))
                    && added.contains(number)
                    && let Some(enqueued) = written.enqueued.get_mut(*index)
                {
                    *enqueued = Enqueued::New(job_id::new(*number, clock));
                }
            }
        }
        Ok(outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or_else(|| Err(Fault::Closed.into())))
            .collect())
    }
}

fn json(value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::from(sqlx::Error::Encode(error.into())))
}

/// What became of a call, as long as no job of it is known to be new.
fn written(group: &[Call<Intake, Outcome>], call: usize, revision: Option<Revision>) -> Written {
    let jobs = group.get(call).map_or(0, |call| call.args.jobs.len());
    Written {
        revision,
        enqueued: vec![Enqueued::Duplicate; jobs],
    }
}

/// The revision that a change made, or why it was refused.
fn verdict(row: &PgRow) -> Result<Result<Revision, StoreError>, Fault> {
    let columns = Columns::new(row, "conversations");
    match columns.get::<Option<&str>>(0, "verdict")? {
        None => {
            let revision: i64 = columns.get(1, "revision")?;
            let revision =
                u64::try_from(revision).map_err(|_| columns.corrupt("revision", "a revision"))?;
            Ok(Ok(Revision::new(revision)))
        }
        Some("missing") => {
            let missing: Uuid = columns.get(2, "missing")?;
            Ok(Err(StoreError::Rejected {
                reason: format!("message {missing} does not exist in this conversation"),
            }))
        }
        Some(_) => Ok(Err(StoreError::Conflict)),
    }
}

/// What one statement writes.
struct Batch<'g> {
    changes: Vec<Element<'g>>,
    /// Whose the changes are, in their order: the places of calls in the group.
    changed: Vec<usize>,
    jobs: Vec<JobElement<'g>>,
    /// Whose the jobs are, in their order: which call, and which of its jobs.
    places: Vec<(usize, usize)>,
}

impl<'g> Batch<'g> {
    /// The changes are in an order that all processes keep to, so that two statements wait for each other and never
    /// for both; those of one conversation stay in the order in which they came.
    fn of(group: &'g [Call<Intake, Outcome>]) -> Self {
        let mut changes = Vec::new();
        for (call, Call { args, .. }) in group.iter().enumerate() {
            let Some((change, expected)) = &args.change else {
                continue;
            };
            changes.push(match change {
                ChangeRows::Creator(row) => {
                    let element = Element::of_creator(row, *expected);
                    ((row.creator, None), call, element)
                }
                ChangeRows::Conversation(rows) => {
                    let row = &rows.conversation;
                    let element = Element::of_conversation(rows, *expected);
                    ((row.creator, Some(row.fan)), call, element)
                }
            });
        }
        changes.sort_by_key(|(key, _, _)| *key);

        let mut batch = Self {
            changes: Vec::with_capacity(changes.len()),
            changed: Vec::with_capacity(changes.len()),
            jobs: Vec::new(),
            places: Vec::new(),
        };
        // From 1 on, as the database counts.
        let mut place_of = BTreeMap::new();
        for (_, call, element) in changes {
            batch.changes.push(element);
            batch.changed.push(call);
            place_of.insert(call, batch.changed.len());
        }
        for (call, Call { args, .. }) in group.iter().enumerate() {
            for (index, job) in args.jobs.iter().enumerate() {
                batch.jobs.push(JobElement {
                    change: place_of.get(&call).copied(),
                    creator: job.creator,
                    lane: job.lane,
                    key: text::encode(&job.key),
                    kind: &job.kind,
                    priority: job.priority,
                    due: job.due,
                });
                batch.places.push((call, index));
            }
        }
        batch
    }
}

/// A change, as the database reads it.
#[derive(Serialize)]
struct Element<'g> {
    creator: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<CreatorElement<'g>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<ConversationElement<'g>>,
}

#[derive(Serialize)]
struct CreatorElement<'g> {
    expected: Option<i64>,
    account: Option<Uuid>,
    profile: &'g str,
}

#[derive(Serialize)]
struct ConversationElement<'g> {
    fan: Uuid,
    expected: Option<i64>,
    wake_at: Option<i64>,
    state: &'g str,
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<KnownElement<'g>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<MessageElement<'g>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    contents: Vec<ContentElement<'g>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    decisions: Vec<DecisionElement<'g>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deletions: Vec<DeletionElement>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    transactions: Vec<TransactionElement<'g>>,
}

#[derive(Serialize)]
struct KnownElement<'g> {
    handle: Option<Cow<'g, str>>,
    display_name: Option<Cow<'g, str>>,
    nickname: Option<Cow<'g, str>>,
}

#[derive(Serialize)]
struct MessageElement<'g> {
    sent_at: i64,
    stored_at: i64,
    author: &'g str,
    kind: Cow<'g, str>,
    turn: Option<i64>,
    deleted_at: Option<i64>,
    #[serde(flatten)]
    content: ContentElement<'g>,
    outcome: Option<&'g str>,
    decision: Option<&'g str>,
    decided_at: Option<i64>,
}

#[derive(Serialize)]
struct ContentElement<'g> {
    id: Uuid,
    text: Option<Cow<'g, str>>,
    media: Option<&'g str>,
    has_media: bool,
    price_cents: Option<i64>,
    fetched: bool,
    tokenizer: Option<i64>,
    tokens: Option<i64>,
}

#[derive(Serialize)]
struct DecisionElement<'g> {
    id: Uuid,
    outcome: &'g str,
    decision: &'g str,
    decided_at: i64,
}

#[derive(Serialize)]
struct DeletionElement {
    id: Uuid,
    deleted_at: i64,
}

#[derive(Serialize)]
struct TransactionElement<'g> {
    id: Uuid,
    kind: &'g str,
    telling: &'g str,
    amount_cents: Option<i64>,
    net_cents: Option<i64>,
    currency: Option<&'g str>,
    at: i64,
    stored_at: i64,
    message: Option<Uuid>,
    post: Option<Uuid>,
    reference: Option<Cow<'g, str>>,
    reverses: Option<Uuid>,
    same_as: Option<Uuid>,
}

#[derive(Serialize)]
struct JobElement<'g> {
    change: Option<usize>,
    creator: Uuid,
    lane: Uuid,
    key: Cow<'g, str>,
    kind: &'g str,
    priority: i64,
    due: i64,
}

/// A revision as a column holds it; one that none holds was never given.
fn stored(expected: Option<Revision>) -> Option<i64> {
    expected.map(|revision| i64::try_from(revision.number()).unwrap_or(-1))
}

impl<'g> Element<'g> {
    fn of_creator(row: &'g CreatorRow, expected: Option<Revision>) -> Self {
        Self {
            profile: Some(CreatorElement {
                expected: stored(expected),
                account: row.account,
                profile: &row.profile,
            }),
            creator: row.creator,
            conversation: None,
        }
    }

    fn of_conversation(rows: &'g ConversationRows, expected: Option<Revision>) -> Self {
        let row = &rows.conversation;
        Self {
            conversation: Some(ConversationElement {
                fan: row.fan,
                expected: stored(expected),
                wake_at: row.wake_at,
                state: &row.state,
                known: rows.fan.as_ref().map(known),
                messages: rows.messages.iter().map(message).collect(),
                contents: rows
                    .contents
                    .iter()
                    .map(|(id, row)| content(*id, row))
                    .collect(),
                decisions: rows
                    .decisions
                    .iter()
                    .map(|(id, row)| decision(*id, row))
                    .collect(),
                deletions: rows
                    .deletions
                    .iter()
                    .map(|(id, at)| DeletionElement {
                        id: *id,
                        deleted_at: *at,
                    })
                    .collect(),
                transactions: rows.transactions.iter().map(transaction).collect(),
            }),
            creator: row.creator,
            profile: None,
        }
    }
}

fn known(row: &FanRow) -> KnownElement<'_> {
    KnownElement {
        handle: row.handle.as_deref().map(text::encode),
        display_name: row.display_name.as_deref().map(text::encode),
        nickname: row.nickname.as_deref().map(text::encode),
    }
}

fn message(row: &MessageRow) -> MessageElement<'_> {
    MessageElement {
        sent_at: row.sent_at,
        stored_at: row.stored_at,
        author: &row.author,
        kind: text::encode(&row.kind),
        turn: row.turn,
        deleted_at: row.deleted_at,
        content: content(row.id, &row.content),
        outcome: row.decision.as_ref().map(|row| &*row.outcome),
        decision: row.decision.as_ref().map(|row| row.detail.as_str()),
        decided_at: row.decision.as_ref().map(|row| row.decided_at),
    }
}

fn transaction(row: &TransactionRow) -> TransactionElement<'_> {
    TransactionElement {
        id: row.id,
        kind: &row.kind,
        telling: &row.telling,
        amount_cents: row.amount_cents,
        net_cents: row.net_cents,
        currency: row.currency.as_deref(),
        at: row.at,
        stored_at: row.stored_at,
        message: row.message,
        post: row.post,
        reference: row.reference.as_deref().map(text::encode),
        reverses: row.reverses,
        same_as: row.same_as,
    }
}

fn content(id: Uuid, row: &ContentRow) -> ContentElement<'_> {
    ContentElement {
        id,
        text: row.text.as_deref().map(text::encode),
        media: row.media.as_deref(),
        has_media: row.has_media,
        price_cents: row.price_cents,
        fetched: row.fetched,
        tokenizer: row.tokenizer,
        tokens: row.tokens,
    }
}

fn decision(id: Uuid, row: &DecisionRow) -> DecisionElement<'_> {
    DecisionElement {
        id,
        outcome: &row.outcome,
        decision: &row.detail,
        decided_at: row.decided_at,
    }
}

//! Commits and enqueues: any number of them in a handful of statements.
//!
//! What they depend on is read first, under the write lock. Each is then checked against it in memory,
//! in the order in which they came, so one that is refused has written nothing. The rows of all others
//! are written together.

mod facts;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use fanvue_bot_core::backend::BackendError;
use fanvue_bot_core::queue::Enqueued;
use fanvue_bot_core::revision::Revision;
use fanvue_bot_core::store::StoreError;
use uuid::Uuid;

use self::facts::Facts;
use super::{Call, Transaction};
use crate::change::{ChangeRows, ConversationRows, earliest};
use crate::row::{
    ContentRow, ConversationRow, CreatorRow, DecisionRow, FanRow, JobRow, MessageRow,
    TransactionRow,
};
use crate::sqlite::fault::Fault;

/// A change, the jobs that follow from it, or both.
pub(in crate::sqlite) struct Intake {
    pub(in crate::sqlite) change: Option<(ChangeRows, Option<Revision>)>,
    pub(in crate::sqlite) jobs: Vec<JobRow>,
}

/// What came of an [`Intake`].
pub(in crate::sqlite) struct Written {
    /// The revision that the change made.
    pub(in crate::sqlite) revision: Option<Revision>,
    /// What became of the jobs, in their order.
    pub(in crate::sqlite) enqueued: Vec<Enqueued>,
}

/// A conversation, then a message or a transaction of it.
type MessageKey = [Uuid; 3];

/// What is to be written for all operations together. A deletion is written last and erases whatever the
/// others brought, so their order among each other does not matter.
#[derive(Default)]
struct Rows<'c> {
    creators: Vec<(&'c CreatorRow, i64)>,
    conversations: BTreeMap<[Uuid; 2], (&'c ConversationRow, i64)>,
    fans: BTreeMap<[Uuid; 2], FanRow>,
    messages: Vec<&'c MessageRow>,
    contents: BTreeMap<MessageKey, &'c ContentRow>,
    decisions: BTreeMap<MessageKey, &'c DecisionRow>,
    deletions: BTreeMap<MessageKey, i64>,
    transactions: Vec<(&'c ConversationRow, &'c TransactionRow)>,
}

pub(super) async fn commit(
    transaction: &mut Transaction<'_>,
    calls: &mut [&mut Call<Intake, Written, BackendError>],
) -> Result<(), Fault> {
    if calls.is_empty() {
        return Ok(());
    }
    let mut facts = Facts::read(transaction.connection, calls).await?;
    let mut rows = Rows::default();
    let mut verdicts = Vec::with_capacity(calls.len());
    for call in calls.iter() {
        verdicts.push(match &call.args.change {
            None => Ok(None),
            Some((change, expected)) => accept(change, *expected, &mut facts, &mut rows).map(Some),
        });
    }
    rows.write(transaction.connection).await?;

    let accepted = calls
        .iter()
        .zip(&verdicts)
        .filter(|(_, verdict)| verdict.is_ok())
        .flat_map(|(call, _)| &call.args.jobs);
    let mut enqueued = transaction.enqueue(accepted.collect()).await?.into_iter();
    for (call, verdict) in calls.iter_mut().zip(verdicts) {
        call.outcome = Some(match verdict {
            Ok(revision) => Ok(Written {
                revision,
                enqueued: enqueued.by_ref().take(call.args.jobs.len()).collect(),
            }),
            Err(refused) => Err(refused.into()),
        });
    }
    Ok(())
}

/// Checks a change against what is stored and what was accepted before it; notes its rows.
fn accept<'c>(
    change: &'c ChangeRows,
    expected: Option<Revision>,
    facts: &mut Facts,
    rows: &mut Rows<'c>,
) -> Result<Revision, StoreError> {
    if expected.is_none() && !facts.may_add(change.creator()) {
        return Err(StoreError::Conflict);
    }
    match change {
        ChangeRows::Creator(row) => {
            let next = successor(facts.creator(row.creator), expected)?;
            facts.claim_account(row.creator, row.account)?;
            facts.creators.insert(row.creator, next);
            rows.creators.push((row, next));
            revision(next)
        }
        ChangeRows::Conversation(change) => accept_conversation(change, expected, facts, rows),
    }
}

fn accept_conversation<'c>(
    change: &'c ConversationRows,
    expected: Option<Revision>,
    facts: &mut Facts,
    rows: &mut Rows<'c>,
) -> Result<Revision, StoreError> {
    let row = &change.conversation;
    let id = [row.creator, row.fan];
    let key = |message: Uuid| [row.creator, row.fan, message];
    let next = successor(facts.conversations.get(&id).copied(), expected)?;
    if change
        .messages
        .iter()
        .any(|message| facts.messages.contains(&key(message.id)))
    {
        return Err(StoreError::Conflict);
    }
    if change
        .transactions
        .iter()
        .any(|transaction| facts.transactions.contains(&key(transaction.id)))
    {
        return Err(StoreError::Conflict);
    }
    if let Some(missing) = change
        .presupposed()
        .find(|message| !facts.messages.contains(&key(*message)))
    {
        return Err(StoreError::Rejected {
            reason: format!("message {missing} does not exist in this conversation"),
        });
    }
    facts.conversations.insert(id, next);
    facts
        .messages
        .extend(change.messages.iter().map(|message| key(message.id)));
    facts
        .transactions
        .extend(change.transactions.iter().map(|new| key(new.id)));
    rows.conversations.insert(id, (row, next));
    if let Some(fan) = &change.fan {
        let merged = match rows.fans.remove(&id) {
            Some(known) => known.merged(fan),
            None => fan.clone(),
        };
        rows.fans.insert(id, merged);
    }
    rows.messages.extend(&change.messages);
    rows.transactions
        .extend(change.transactions.iter().map(|new| (row, new)));
    rows.contents.extend(
        change
            .contents
            .iter()
            .map(|(message, row)| (key(*message), row)),
    );
    rows.decisions.extend(
        change
            .decisions
            .iter()
            .map(|(message, row)| (key(*message), row)),
    );
    for (message, at) in &change.deletions {
        earliest(&mut rows.deletions, key(*message), *at);
    }
    revision(next)
}

/// The revision after `stored`, if `expected` names that one.
fn successor(stored: Option<i64>, expected: Option<Revision>) -> Result<i64, StoreError> {
    let expected = expected
        .map(|revision| i64::try_from(revision.number()))
        .transpose()
        .map_err(|_| StoreError::Conflict)?;
    if stored != expected {
        return Err(StoreError::Conflict);
    }
    Ok(stored.map_or(1, |stored| stored.saturating_add(1)))
}

fn revision(number: i64) -> Result<Revision, StoreError> {
    u64::try_from(number)
        .map(Revision::new)
        .map_err(|_| StoreError::Corrupt {
            reason: "a revision is negative".to_owned(),
        })
}

/// The jobs among `jobs` that name a key first, in order.
fn first_of_each_key<'j>(jobs: &[&'j JobRow]) -> Vec<&'j JobRow> {
    let mut seen = BTreeSet::new();
    jobs.iter()
        .copied()
        .filter(|job| seen.insert((job.creator, job.key.as_str())))
        .collect()
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    let mut statements = facts::STATEMENTS
        .iter()
        .map(|sql| (*sql).to_owned())
        .collect::<Vec<_>>();
    statements.extend(rows::statements());
    statements
}

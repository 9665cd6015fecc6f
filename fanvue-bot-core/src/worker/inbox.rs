//! Takes kept events in beside the lanes, which they take no hand from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::trouble::{Trouble, Words};
use crate::engine::Engine;
use crate::id::ConversationId;
use crate::inbox::{Inbox, KeptId, WaitingEvent};
use crate::intake::{Intake, IntakeError};
use crate::queue::{FailureNote, WorkerId};
use crate::retry::Retry;
use crate::store::{HolderId, LeaseName, StoreError};

/// How many events one look brings: enough that their commits share transactions.
const AT_ONCE: usize = 512;
/// An event that cannot be taken in is put off for this long, then twice as long each time.
const FIRST_PUT_OFF: Duration = Duration::from_secs(5);
const LONGEST_PUT_OFF: Duration = Duration::from_secs(3_600);
/// For how long one process is the one that takes events in; what another must wait for if it dies.
const TERM: Duration = Duration::from_secs(5);
/// How often to look for events that nothing announced.
const POLL: Duration = Duration::from_secs(2);

/// What a look at the inbox came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TakenIn {
    /// So many events were taken in.
    pub taken_in: usize,
    /// So many cannot be taken in as things are, and were put off.
    pub put_off: usize,
}

/// Takes in kept events: those that one look at the inbox brings, at most `limit`, those of different conversations
/// at once. Without an inbox there are none.
///
/// Safe to call at once and from many places: taking an event in twice changes nothing. May be dropped at any point.
///
/// # Errors
/// The first error after which the same event may be tried again. What was taken in until then is settled.
pub async fn take_in_waiting(intake: &Intake, limit: usize) -> Result<TakenIn, IntakeError> {
    let Some(inbox) = intake.backend().kept_in() else {
        return Ok(TakenIn::default());
    };
    let mut conversations: BTreeMap<ConversationId, Vec<WaitingEvent>> = BTreeMap::new();
    for event in inbox.waiting(intake.now(), limit).await? {
        let those = conversations.entry(event.event.conversation).or_default();
        those.push(event);
    }
    let mut tasks = JoinSet::new();
    for events in conversations.into_values() {
        let (intake, inbox) = (intake.clone(), Arc::clone(inbox));
        tasks.spawn(async move { take_in_each(&intake, &*inbox, events).await });
    }
    let (mut settled, mut report, mut failed) = (Vec::new(), TakenIn::default(), None);
    while let Some(ended) = tasks.join_next().await {
        // One that panicked is listed again.
        let Ok(ended) = ended else { continue };
        report.put_off += ended.put_off;
        settled.extend(ended.settled);
        failed = failed.or(ended.failed);
    }
    if !settled.is_empty() {
        inbox.settle(&settled).await?;
        report.taken_in = settled.len();
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(report),
    }
}

#[derive(Default)]
struct Ended {
    settled: Vec<KeptId>,
    put_off: usize,
    failed: Option<IntakeError>,
}

/// One conversation's events, in the order in which they came.
async fn take_in_each(intake: &Intake, inbox: &dyn Inbox, events: Vec<WaitingEvent>) -> Ended {
    let mut ended = Ended::default();
    for waiting in events {
        match intake.take_in(&waiting).await {
            Ok(()) => ended.settled.push(waiting.id),
            Err(error) if error.retry() == Retry::Never => {
                let doublings = waiting.put_off.min(20);
                let wait = FIRST_PUT_OFF
                    .saturating_mul(1 << doublings)
                    .min(LONGEST_PUT_OFF);
                tracing::error!(
                    creator.id = %waiting.id.creator,
                    error = %FailureNote::from_error(&error),
                    put_off = waiting.put_off + 1,
                    "a kept event cannot be taken in; it is tried again later"
                );
                match inbox.put_off(waiting.id, intake.now() + wait).await {
                    Ok(()) => ended.put_off += 1,
                    Err(error) => {
                        ended.failed = Some(error.into());
                        break;
                    }
                }
            }
            Err(error) => {
                ended.failed = Some(error);
                break;
            }
        }
    }
    ended
}

const WORDS: Words = Words {
    fails: "acknowledged events cannot be taken in, and wait",
    works: "acknowledged events are taken in again",
};

/// Takes in what waits, but for what comes after `until`. What fails waits for the next time.
pub(super) async fn take_in_until(engine: &Engine, until: Instant) {
    while Instant::now() < until {
        let taken_in = timeout_at(until, take_in_waiting(engine.intake(), AT_ONCE)).await;
        match taken_in {
            Ok(Ok(TakenIn { taken_in: 0, .. })) | Err(_) => return,
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::error!(error = %FailureNote::from_error(&error), "{}", WORDS.fails);
                return;
            }
        }
    }
}

/// Takes events in for ever, while no other process does. May be dropped at any point.
pub(super) async fn take_in_for_ever(engine: Engine, worker: WorkerId, retry: Duration) {
    let Some(inbox) = engine.backend().kept_in().map(Arc::clone) else {
        return std::future::pending().await;
    };
    let mut term = Term::new(&worker);
    let mut trouble: Option<Trouble> = None;
    loop {
        let taken_in = match term.is_ours(&engine).await {
            Ok(true) => take_in_waiting(engine.intake(), AT_ONCE).await.map(Some),
            Ok(false) => Ok(None),
            Err(error) => Err(error.into()),
        };
        if taken_in.is_ok()
            && let Some(trouble) = trouble.take()
        {
            trouble.end(&worker);
        }
        match taken_in {
            Ok(Some(TakenIn { taken_in: 0, .. })) => {
                let _elapsed = timeout(POLL, inbox.kept()).await;
            }
            Ok(Some(_)) => {}
            Ok(None) => tokio::time::sleep(TERM).await,
            Err(error) => {
                let trouble = trouble.get_or_insert_with(|| Trouble::begin(WORDS));
                trouble.put_off(&worker, &error, retry);
                tokio::time::sleep_until(trouble.until()).await;
            }
        }
    }
}

/// Which of the workers takes events in. More than one would do no harm, and each event twice.
struct Term {
    name: LeaseName,
    holder: HolderId,
    /// To be extended then.
    extend_at: Option<Instant>,
}

impl Term {
    fn new(worker: &WorkerId) -> Self {
        Self {
            name: LeaseName::new("inbox"),
            holder: HolderId::new(format!("{worker}/inbox")),
            extend_at: None,
        }
    }

    async fn is_ours(&mut self, engine: &Engine) -> Result<bool, StoreError> {
        let now = Instant::now();
        if self.extend_at.is_some_and(|at| now < at) {
            return Ok(true);
        }
        self.extend_at = None;
        let store = engine.backend().store();
        let lease = store
            .acquire_lease(&self.name, &self.holder, engine.now(), TERM)
            .await?;
        self.extend_at = lease.is_some().then(|| now + TERM / 2);
        Ok(lease.is_some())
    }
}

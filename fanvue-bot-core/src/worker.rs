//! The loop that claims, renews and drains. Brings tokio, and is the one place of core that sleeps.

mod batch;
mod broadcasts;
mod erasures;
mod inbox;
mod polls;
mod share;
mod trouble;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};

pub use self::batch::{Batch, BatchReport};
pub use self::inbox::{TakenIn, take_in_waiting};
pub use self::share::Shares;
use self::trouble::{Trouble, Words};
use crate::engine::{Engine, EngineError, RunOutcome};
use crate::id::CreatorId;
use crate::queue::{Claim, ClaimedLane, FailureNote, JobQueue, QueueError, WorkerId};

/// How a [`Worker`] works.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorkerOptions {
    /// Names this process; unique among those that share a queue.
    pub id: WorkerId,
    /// How many lanes are worked on at once, at least one. Default: 64; a lane mostly waits for a model.
    pub concurrency: usize,
    /// How many lanes of one creator are worked on at once, at least one and at most `concurrency`. The other hands
    /// stay free while only one creator has work, so that another's message is not kept waiting; a worker for one
    /// creator alone does well with as many as `concurrency`. Default, for `None`: three quarters of `concurrency`,
    /// which is one for a worker of two hands.
    pub of_one_creator: Option<usize>,
    /// How long a claim holds unless it is renewed: how long a dead worker's lanes wait. Default: 30 s; at
    /// least 300 ms.
    pub lease: Duration,
    /// How often to look for work that nothing announced, and how long to leave a queue alone that failed.
    /// Default: 1 s; at least 10 ms.
    pub poll: Duration,
    /// How long a drain waits for what is being done before it hands the rest back. Default: 20 s.
    pub drain: Duration,
    /// How many creators' chats are polled at once for what webhooks missed; 0 leaves that to other processes.
    /// Default: 8, which is enough for a thousand creators: a poll takes about half a second a minute.
    pub polls: usize,
}

impl WorkerOptions {
    /// The defaults, for the process of this name.
    #[must_use]
    pub const fn new(id: WorkerId) -> Self {
        Self {
            id,
            concurrency: 64,
            of_one_creator: None,
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(1),
            drain: Duration::from_secs(20),
            polls: 8,
        }
    }

    /// Working on this many lanes at once.
    #[must_use]
    pub const fn concurrency(mut self, lanes: usize) -> Self {
        self.concurrency = lanes;
        self
    }

    /// Working on this many lanes of one creator at once.
    #[must_use]
    pub const fn of_one_creator(mut self, lanes: usize) -> Self {
        self.of_one_creator = Some(lanes);
        self
    }

    /// Holding claims for this long.
    #[must_use]
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Looking for unannounced work this often.
    #[must_use]
    pub const fn poll(mut self, poll: Duration) -> Self {
        self.poll = poll;
        self
    }

    /// Waiting this long in a drain.
    #[must_use]
    pub const fn drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// Polling the chats of this many creators at once.
    #[must_use]
    pub const fn polls(mut self, at_once: usize) -> Self {
        self.polls = at_once;
        self
    }

    /// The share of one creator.
    fn share(&self) -> usize {
        let share = self.of_one_creator;
        share.map_or_else(
            || Shares::usual(self.concurrency),
            |share| share.min(self.concurrency),
        )
    }

    /// With what a worker cannot work with raised to the least that it can.
    fn workable(self) -> Self {
        Self {
            concurrency: self.concurrency.max(1),
            lease: self.lease.max(SHORTEST_LEASE),
            poll: self.poll.max(SHORTEST_POLL),
            ..self
        }
    }
}

/// Shorter claims lapse while the call that renews them is under way.
const SHORTEST_LEASE: Duration = Duration::from_millis(300);
/// A queue that has nothing, or is in trouble, is not asked without a pause.
const SHORTEST_POLL: Duration = Duration::from_millis(10);

/// How long the end of a drain waits for token refreshes that are under way: longer than a request takes.
const FINISH: Duration = Duration::from_secs(20);
/// How often it is noted that the worker is at it.
const BEAT: Duration = Duration::from_secs(5);
/// How long that may take.
const BEAT_PATIENCE: Duration = Duration::from_secs(2);
/// How often a page of what is overdue is looked at.
const SWEEP: Duration = Duration::from_secs(30);

/// What a worker has done when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WorkerReport {
    /// Lanes brought to rest.
    pub done: u64,
    /// Lanes that failed and come back.
    pub retrying: u64,
    /// Lanes given up.
    pub given_up: u64,
    /// Lanes lost to another worker, or whose end could not be stored; they come back by themselves.
    pub lost: u64,
    /// Lanes handed back by the drain.
    pub handed_back: u64,
}

const CLAIMS: Words = Words {
    fails: "no jobs can be claimed",
    works: "jobs can be claimed again",
};

/// Works on a queue until it is told to stop.
#[derive(Debug)]
pub struct Worker {
    engine: Engine,
    options: WorkerOptions,
}

/// A lane in work: what is needed to renew it, drop it, or hand it back.
#[derive(Debug)]
struct InWork {
    creator: CreatorId,
    claims: Vec<Claim>,
    task: AbortHandle,
    /// Its work is over and it ends its jobs: that they are gone no longer means that they were lost.
    ending: Arc<AtomicBool>,
}

type Finished = Result<RunOutcome, EngineError>;

impl Worker {
    /// A worker for `engine`.
    #[must_use]
    pub const fn new(engine: Engine, options: WorkerOptions) -> Self {
        Self { engine, options }
    }

    /// Works until `shutdown` resolves; then claims nothing more, finishes what it can within the drain
    /// time, and hands the rest back. Nothing is dropped: what is handed back goes on where it stood.
    ///
    /// Dropping the future stops at once; the lanes then come back when their leases lapse.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> WorkerReport {
        let Self { engine, options } = self;
        let options = options.workable();
        let queue = Arc::clone(engine.backend().queue());
        let mut state = Running::new(Shares::new(options.share()));
        let mut renew = tokio::time::interval(options.lease / 3);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut swept_to = None;
        // Kept here, so that no other event restarts the wait.
        let mut trouble: Option<Trouble> = None;
        // All begin anew where they stood, whenever they are dropped.
        let mut beside = JoinSet::new();
        beside.spawn(polls::poll_chats(engine.clone(), options.polls));
        beside.spawn(inbox::take_in_for_ever(
            engine.clone(),
            options.id.clone(),
            options.poll,
        ));
        beside.spawn(broadcasts::see_to_broadcasts(engine.clone()));
        beside.spawn(erasures::erase_creators(engine.clone()));
        tokio::pin!(shutdown);

        tracing::info!(worker.id = %options.id, concurrency = options.concurrency, "worker started");
        loop {
            // All that have ended meanwhile, so that one claim fills their hands.
            while let Some(finished) = state.tasks.try_join_next_with_id() {
                state.finish(finished);
            }
            let free = options.concurrency.saturating_sub(state.lanes.len());
            let (mut claimed, mut some_left_out) = (0, false);
            if free > 0 && trouble.as_ref().is_none_or(Trouble::is_over) {
                let limits = state.shares.limits(free);
                some_left_out = !limits.except.is_empty();
                match queue
                    .claim(&options.id, &limits, engine.now(), options.lease)
                    .await
                {
                    Ok(lanes) => {
                        if let Some(trouble) = trouble.take() {
                            trouble.end(&options.id);
                        }
                        claimed = lanes.len();
                        for lane in lanes {
                            state.start(&engine, lane);
                        }
                    }
                    Err(error) => trouble
                        .get_or_insert_with(|| Trouble::begin(CLAIMS))
                        .put_off(&options.id, &error, options.poll),
                }
            }
            if claimed > 0 && claimed == free {
                // All hands are full; go on when one is free.
            } else if claimed > 0 {
                // There may be more by now.
                tokio::task::yield_now().await;
            }
            let idle = claimed == 0 || claimed == free;
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                _ = renew.tick() => state.renew(&*queue, &engine, &options).await,
                Some(finished) = state.tasks.join_next_with_id(), if !state.tasks.is_empty() => state.finish(finished),
                _ = sweep.tick() => match engine.wake_overdue(swept_to.take()).await {
                    Ok(next) => swept_to = next,
                    Err(error) => tracing::warn!(worker.id = %options.id, error = %FailureNote::from_error(&error), "overdue conversations could not be woken"),
                },
                _ = beat.tick() => note_beat(&engine).await,
                () = wait(&*queue, free > claimed, some_left_out, trouble.as_ref().map(Trouble::until), options.poll), if idle => {}
                () = std::future::ready(()), if !idle => {}
            }
        }
        beside.shutdown().await;
        let deadline = after(options.drain);
        state
            .drain(&*queue, &engine, &options, renew, deadline)
            .await;
        finish_refreshes(&engine, &options.id).await;
        note_beat(&engine).await;
        tracing::info!(worker.id = %options.id, report = ?state.report, "worker stopped");
        state.report
    }
}

/// Notes that the worker is at it. A store that is slow with that must not keep leases from being renewed.
async fn note_beat(engine: &Engine) {
    let _unwritten = tokio::time::timeout(BEAT_PATIENCE, engine.beat()).await;
}

/// Ends the token refreshes that dropped lanes may have left under way, whose pairs are lost with this process
/// unless they are stored.
async fn finish_refreshes(engine: &Engine, worker: &WorkerId) {
    let refreshes = tokio::time::timeout(FINISH, engine.finish_refreshes());
    if !matches!(refreshes.await, Ok(Ok(()))) {
        tracing::error!(worker.id = %worker, "a token refresh was not ended; the account may have to be connected again");
    }
}

/// Until a claim may find work: announced, or after the poll time. With no hand free, for ever.
///
/// While some are left out, what they get is announced as well. So there is a pause between claims then, or a worker
/// whose creator is flooded would ask the queue without one.
async fn wait(
    queue: &dyn JobQueue,
    hands_free: bool,
    some_left_out: bool,
    trouble_until: Option<Instant>,
    poll: Duration,
) {
    if !hands_free {
        std::future::pending().await
    }
    if let Some(until) = trouble_until {
        tokio::time::sleep_until(until).await;
    } else {
        // An error of `ready` is an error of the next claim, which reports it.
        let announced = async {
            if some_left_out {
                tokio::time::sleep(SHORTEST_POLL).await;
            }
            if queue.ready().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let _elapsed = tokio::time::timeout(poll, announced).await;
    }
}

/// The time after this wait; one that is too long to be told ends in a year.
fn after(wait: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 86_400);
    Instant::now() + wait.min(YEAR)
}

#[derive(Debug)]
struct Running {
    report: WorkerReport,
    shares: Shares,
    /// By task and not by job: a job that was handed back may be claimed again before its first task is
    /// seen to have ended.
    lanes: HashMap<Id, InWork>,
    tasks: JoinSet<Finished>,
}

impl Running {
    fn new(shares: Shares) -> Self {
        Self {
            report: WorkerReport::default(),
            shares,
            lanes: HashMap::new(),
            tasks: JoinSet::new(),
        }
    }

    fn start(&mut self, engine: &Engine, lane: ClaimedLane) {
        let creator = lane.ordering_key.creator;
        self.shares.take(creator);
        let claims = lane.jobs.iter().map(|job| job.claim.duplicate()).collect();
        let engine = engine.clone();
        let ending = Arc::new(AtomicBool::new(false));
        let task = self.tasks.spawn({
            let ending = Arc::clone(&ending);
            async move {
                let worked = engine.work(lane).await;
                ending.store(true, Ordering::Release);
                engine.end(worked).await
            }
        });
        let lane = InWork {
            creator,
            claims,
            task,
            ending,
        };
        self.lanes.insert(lane.task.id(), lane);
    }

    fn finish(&mut self, finished: Result<(Id, Finished), tokio::task::JoinError>) {
        let task = match &finished {
            Ok((task, _)) => *task,
            Err(error) => error.id(),
        };
        if let Some(lane) = self.lanes.remove(&task) {
            self.shares.give_back(lane.creator);
        }
        match finished {
            Ok((_, outcome)) => match outcome {
                Ok(RunOutcome::Done { .. }) => self.report.done += 1,
                Ok(RunOutcome::Retrying { .. }) => self.report.retrying += 1,
                Ok(RunOutcome::GaveUp { .. }) => self.report.given_up += 1,
                Err(EngineError::Queue(QueueError::ClaimLost { .. })) => {
                    self.report.lost += 1;
                    tracing::warn!("a lane was lost to another worker before its jobs were ended");
                }
                Err(error) => {
                    self.report.lost += 1;
                    tracing::warn!(error = %FailureNote::from_error(&error), "a lane's jobs could not be ended and come back");
                }
            },
            Err(error) => {
                self.report.lost += 1;
                if error.is_panic() {
                    tracing::error!("a lane panicked and comes back when its lease lapses");
                }
            }
        }
    }

    /// Renews all leases with one call, and drops the lanes that were lost.
    async fn renew(&mut self, queue: &dyn JobQueue, engine: &Engine, options: &WorkerOptions) {
        let claims: Vec<Claim> = self
            .lanes
            .values()
            .flat_map(|lane| lane.claims.iter().map(Claim::duplicate))
            .collect();
        if claims.is_empty() {
            return;
        }
        match queue.extend(&claims, engine.now(), options.lease).await {
            Ok(held) => {
                for lane in self.lanes.values() {
                    // A lane that ends has fewer jobs than it began with, in the end none. While it
                    // works all are held, or it is lost.
                    if lane
                        .claims
                        .iter()
                        .all(|claim| held.iter().all(|held| held.job != claim.job))
                        && !lane.ending.load(Ordering::Acquire)
                    {
                        tracing::warn!(
                            job.id = lane
                                .claims
                                .first()
                                .map(|claim| tracing::field::display(claim.job)),
                            "a lane was lost to another worker"
                        );
                        lane.task.abort();
                    }
                }
            }
            Err(error) => {
                tracing::error!(error = %FailureNote::from_error(&error), "leases could not be renewed");
            }
        }
    }

    async fn drain(
        &mut self,
        queue: &dyn JobQueue,
        engine: &Engine,
        options: &WorkerOptions,
        mut renew: tokio::time::Interval,
        deadline: Instant,
    ) {
        while !self.tasks.is_empty() {
            tokio::select! {
                Some(finished) = self.tasks.join_next_with_id() => self.finish(finished),
                _ = renew.tick() => self.renew(queue, engine, options).await,
                () = tokio::time::sleep_until(deadline) => break,
            }
        }
        self.tasks.abort_all();
        while let Some(finished) = self.tasks.join_next_with_id().await {
            if finished.is_ok() {
                self.finish(finished);
            }
        }
        let note = FailureNote::new("handed back by a worker that stopped");
        for (_, lane) in self.lanes.drain() {
            self.report.handed_back += 1;
            for claim in lane.claims {
                // What cannot be handed back comes back when its lease lapses.
                if let Err(error) = queue.reschedule(claim, engine.now(), &note).await {
                    tracing::debug!(error = %FailureNote::from_error(&error), "a job was not handed back");
                }
            }
        }
    }
}

//! A bounded share of the queue's work, for hosts that run only as long as a request lasts.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::{Running, Shares, Worker, WorkerReport, after, finish_refreshes, inbox, note_beat};
use crate::queue::{ClaimLimits, FailureNote, QueueError};

/// How much a [`Worker::run_batch`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a batch is bounded by this pair")]
pub struct Batch {
    /// At most this many lanes, at least one.
    pub lanes: usize,
    /// For at most this long. Nothing is claimed in its second half, so that what was claimed can end.
    pub time: Duration,
}

/// What a [`Worker::run_batch`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BatchReport {
    /// Lanes claimed.
    pub claimed: u64,
    /// What became of them.
    pub work: WorkerReport,
    /// Whether more may be due already: the last claim got all that it asked for, or a lane was handed back.
    pub more_due: bool,
}

impl Worker {
    /// Takes kept events in, claims due lanes and works on them until the batch is full, nothing more is due, or the time is up;
    /// what is not done by then is handed back and goes on where it stood.
    ///
    /// Safe to call at once, in one process or many: each lane is in one hand. Ends within the time, but for
    /// a token refresh that is under way then: it is waited for, up to 20 s, or the account might have to
    /// be connected again. [`WorkerOptions::drain`](super::WorkerOptions::drain) is not used.
    ///
    /// Give it at least twice the time that a reply takes to be written: a lane that is handed back counts an
    /// attempt, and [`Backoff`](crate::retry::Backoff) bounds those.
    ///
    /// Dropping the future stops at once; the lanes then come back when their leases lapse.
    ///
    /// # Errors
    /// The queue's, if nothing could be claimed. Trouble with a later claim ends the batch early.
    pub async fn run_batch(self, batch: Batch) -> Result<BatchReport, QueueError> {
        let Self { engine, options } = self;
        let options = options.workable();
        let queue = Arc::clone(engine.backend().queue());
        let (claim_until, end) = (after(batch.time / 2), after(batch.time));
        // A batch takes what is due now, creators in turn, and keeps no hand free for what comes later: that is for
        // the next batch.
        let mut state = Running::new(Shares::new(usize::MAX));
        let mut renew = tokio::time::interval(options.lease / 3);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut left, mut more_due) = (batch.lanes.max(1), true);
        let mut claimed = 0;
        inbox::take_in_until(&engine, claim_until).await;
        while left > 0 && more_due && Instant::now() <= claim_until {
            let free = options.concurrency.saturating_sub(state.lanes.len());
            if free == 0 {
                tokio::select! {
                    Some(finished) = state.tasks.join_next_with_id() => state.finish(finished),
                    _ = renew.tick() => state.renew(&*queue, &engine, &options).await,
                    () = tokio::time::sleep_until(claim_until) => break,
                }
                continue;
            }
            let limit = free.min(left);
            match queue
                .claim(
                    &options.id,
                    &ClaimLimits::lanes(limit),
                    engine.now(),
                    options.lease,
                )
                .await
            {
                Ok(lanes) => {
                    more_due = lanes.len() == limit;
                    left = left.saturating_sub(lanes.len());
                    for lane in lanes {
                        claimed += 1;
                        state.start(&engine, lane);
                    }
                }
                Err(error) if claimed == 0 => return Err(error),
                Err(error) => {
                    tracing::error!(worker.id = %options.id, error = %FailureNote::from_error(&error), "no further jobs could be claimed");
                    break;
                }
            }
        }
        state.drain(&*queue, &engine, &options, renew, end).await;
        finish_refreshes(&engine, &options.id).await;
        note_beat(&engine).await;
        let report = BatchReport {
            claimed,
            more_due: more_due || state.report.handed_back > 0,
            work: state.report,
        };
        tracing::info!(worker.id = %options.id, ?report, "batch done");
        Ok(report)
    }
}

//! How a run ends: its jobs are completed, handed back or given up, and the next wake-up is enqueued.

use super::failure::{Failure, Remedy};
use super::{Engine, EngineError, Performed};
use crate::conversation::Conversation;
use crate::decision::WaitCause;
use crate::entropy::Seed;
use crate::flow::Input;
use crate::id::ConversationId;
use crate::pulse::{Part, Trouble};
use crate::queue::{Claim, FailureNote, IdempotencyKey, NewJob, Priority};
use crate::retry::Retry;
use crate::time::Timestamp;

/// How a run of a lane ended. All are normal: failures are stored with the job and the messages.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunOutcome {
    /// The conversation rests; its next wake-up, if any, is enqueued and its jobs are ended.
    Done {
        /// When it is looked at next, if nothing happens before.
        wake_at: Option<Timestamp>,
    },
    /// Something failed; the job comes back.
    Retrying {
        /// When.
        at: Timestamp,
        /// What failed.
        cause: FailureNote,
    },
    /// Something failed for good: the messages are decided as failed, the job is a dead letter.
    GaveUp {
        /// What failed.
        cause: FailureNote,
    },
}

/// A lane whose work is over and whose jobs are not ended yet.
#[derive(Debug)]
pub(crate) struct Worked {
    pub(super) id: ConversationId,
    /// The one that was tried most first.
    pub(super) claims: Vec<Claim>,
    pub(super) attempt: u32,
    /// When the conversation is looked at next.
    pub(super) result: Result<Rest, Failure>,
}

/// How a conversation rests.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rest {
    /// When it is looked at next, if nothing happens before.
    wake_at: Option<Timestamp>,
    /// The wake-up that it needs for it, and before which others.
    job: Option<(Timestamp, Priority)>,
}

impl Rest {
    pub(super) fn of(conversation: &Conversation) -> Self {
        Self {
            wake_at: conversation.wake_at(),
            job: conversation.job_at(),
        }
    }
}

impl Engine {
    /// The second half of [`Engine::run`]: from the first poll on, the lane's jobs may be gone from the
    /// queue without having been lost.
    pub(crate) async fn end(&self, worked: Worked) -> Result<RunOutcome, EngineError> {
        let Worked {
            id,
            claims,
            attempt,
            result,
        } = worked;
        match result {
            Ok(rest) => {
                self.wake_later(id, rest, &claims).await?;
                self.backend().queue().complete(claims, self.now()).await?;
                let wake_at = rest.wake_at;
                Ok(RunOutcome::Done { wake_at })
            }
            Err(failure) => self.fail(id, claims, attempt, failure).await,
        }
    }

    /// Enqueues the wake-up that a resting conversation needs, named after the taking of the job that ends
    /// with it: a job that is taken again after a crash may need another one than the time before.
    async fn wake_later(
        &self,
        id: ConversationId,
        rest: Rest,
        claims: &[Claim],
    ) -> Result<(), EngineError> {
        if let (Some((due, priority)), Some(claim)) = (rest.job, claims.first()) {
            let name = format!("after/{}/{}", claim.job, claim.token);
            let key = IdempotencyKey::in_lane(&id.into(), &name);
            self.backend()
                .queue()
                .enqueue(&[NewJob::wake(id, due, key).priority(priority)])
                .await?;
        }
        Ok(())
    }

    /// Ends the jobs of a run that failed, as its failure asks for.
    async fn fail(
        &self,
        id: ConversationId,
        mut claims: Vec<Claim>,
        attempt: u32,
        failure: Failure,
    ) -> Result<RunOutcome, EngineError> {
        let now = self.now();
        let queue = self.backend().queue();
        let Failure {
            note: cause,
            remedy,
            attempts,
            symptom,
            limited,
            ..
        } = failure;
        if let Some((part, trouble)) = symptom {
            self.fails(id.creator, part, trouble);
        }
        let put_off = match remedy {
            // Neither is a failure of the job, and neither counts as an attempt.
            Remedy::Retry(Retry::After(wait)) => Input::PutOff {
                until: now + wait,
                cause: if limited {
                    WaitCause::RateLimited
                } else {
                    WaitCause::Retrying
                },
            },
            Remedy::Person(cause) => Input::Park { cause },
            Remedy::Retry(Retry::Backoff | Retry::Reconcile)
                if attempt < attempts.min(self.shared.backoff.attempts) =>
            {
                let seed = Seed::draw(&*self.shared.entropy)?;
                let at = now + self.shared.backoff.delay(attempt, seed);
                return self.back_off(id, claims, attempt, at, cause).await;
            }
            Remedy::Retry(Retry::Backoff | Retry::Reconcile | Retry::Never) => {
                tracing::error!(creator.id = %id.creator, cause = %cause, attempt, "turn given up");
                self.fails(id.creator, Part::Turns, Trouble::GivenUp);
                let given_up = Performed::from(Input::GiveUp {
                    cause: cause.as_str().into(),
                });
                let rest = match self.commit(id, &given_up, None).await {
                    // Not even that can be stored, now or ever: only a person can mend it, and the job
                    // must not come back for ever meanwhile.
                    Err(error) if error.retry() == Retry::Never => Rest::default(),
                    stepped => stepped?
                        .map_or_else(Rest::default, |stepped| Rest::of(&stepped.conversation)),
                };
                self.wake_later(id, rest, &claims).await?;
                if !claims.is_empty() {
                    queue.dead_letter(claims.remove(0), now, &cause).await?;
                }
                queue.complete(claims, now).await?;
                return Ok(RunOutcome::GaveUp { cause });
            }
        };
        let conversation = self
            .commit(id, &put_off.into(), None)
            .await?
            .map(|stepped| stepped.conversation);
        let rest = conversation.as_ref().map_or_else(Rest::default, Rest::of);
        match (remedy, conversation.and_then(|found| found.hold)) {
            // Once for each time that something breaks: what is held since then was not held before.
            (Remedy::Person(_), Some(hold)) if hold.since >= now => {
                tracing::error!(creator.id = %id.creator, cause = %cause, "a turn waits for a person");
            }
            _ => {
                tracing::info!(creator.id = %id.creator, cause = %cause, "turn put off");
            }
        }
        self.wake_later(id, rest, &claims).await?;
        queue.complete(claims, now).await?;
        Ok(RunOutcome::Retrying {
            at: rest.wake_at.unwrap_or(now),
            cause,
        })
    }

    /// Hands the job back until `at`, one attempt older.
    async fn back_off(
        &self,
        id: ConversationId,
        mut claims: Vec<Claim>,
        attempt: u32,
        at: Timestamp,
        cause: FailureNote,
    ) -> Result<RunOutcome, EngineError> {
        tracing::warn!(creator.id = %id.creator, cause = %cause, attempt, "turn failed and is tried again");
        let put_off = Performed::from(Input::PutOff {
            until: at,
            cause: WaitCause::Retrying,
        });
        // What failed may be the store. The job comes back all the same; only the decisions do not say so.
        if let Err(error) = self.commit(id, &put_off, None).await {
            tracing::warn!(creator.id = %id.creator, error = %FailureNote::from_error(&error), "it could not be stored that a turn is put off");
        }
        let queue = self.backend().queue();
        if !claims.is_empty() {
            queue.reschedule(claims.remove(0), at, &cause).await?;
        }
        queue.complete(claims, self.now()).await?;
        Ok(RunOutcome::Retrying { at, cause })
    }
}

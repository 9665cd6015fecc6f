//! How a creator and a deployment are doing, and what to do about what is wrong.
//!
//! A [`Checkup`] looks at what the store, the vault and the [pulse](crate::pulse) know. It asks neither Fanvue nor
//! a model, and changes nothing, so it can be asked at any time and from any process that shares the store.
//!
//! ```
//! # use std::sync::Arc;
//! # use fanvue_bot_core::engine::Engine;
//! use fanvue_bot_core::health::{Checkup, Verdict};
//!
//! # async fn example(engine: Engine) -> Result<(), Box<dyn std::error::Error>> {
//! let deployment = Checkup::new(&engine).deployment().await;
//! if deployment.verdict() > Verdict::Ok {
//!     println!("{deployment}"); // Each line with its cause and the action to take.
//! }
//! for creator in &deployment.unwell {
//!     println!("{}: {:?}", creator.creator, creator.causes());
//! }
//! # Ok(())
//! # }
//! ```

mod cause;
mod report;
mod token;

use std::sync::Arc;
use std::time::Duration;

pub use self::cause::Cause;
pub use self::report::{CreatorHealth, DeploymentHealth, Finding, Line, Topic, Verdict};
use crate::conversation::Conversation;
use crate::creator::{Creator, CreatorStatus};
use crate::engine::Engine;
use crate::id::CreatorId;
use crate::page::PageRequest;
use crate::pulse::{Failing, Part, Trouble, Vital, Vitals, Whose};
use crate::queue::FailureNote;
use crate::rate::{Principal, Remaining};
use crate::self_test;
use crate::settings::Mode;
use crate::store::{Store, StoreError};
use crate::time::Timestamp;

/// Work that is due for longer than this should have been taken up.
const OVERDUE: Duration = Duration::from_secs(60);
/// The same for a nudge, which no job begins: the sweep does, in pages.
const NUDGE_OVERDUE: Duration = Duration::from_secs(600);
/// A worker that has not been seen for this long is none.
const GONE: Duration = Duration::from_secs(120);
/// With nothing to do, a worker that was not seen for this long is told of: a restart takes less.
const IDLE: Duration = Duration::from_secs(600);
/// A small read that takes longer is slow.
const SLOW: Duration = Duration::from_secs(1);
/// A poll that was made before and not for this long has stopped.
const POLLED: Duration = Duration::from_secs(600);
/// How long an answer that was given up is told of.
const GIVEN_UP: Duration = Duration::from_secs(86_400);
/// How many of a creator's conversations are looked at for the fan who waits longest.
const LOOKED_AT: usize = 50;
/// How many creators are listed at a time.
const CREATORS: usize = 100;

/// Looks at how things are.
#[derive(Debug, Clone)]
pub struct Checkup {
    engine: Engine,
    waiting: Duration,
}

impl Checkup {
    /// A look at the creators of `engine`'s deployment.
    #[must_use]
    pub fn new(engine: &Engine) -> Self {
        Self {
            engine: engine.clone(),
            waiting: Duration::from_secs(600),
        }
    }

    /// How long a fan may wait before it is a warning. Default: 10 min.
    #[must_use]
    pub const fn waiting(mut self, waiting: Duration) -> Self {
        self.waiting = waiting;
        self
    }

    /// How a creator is doing; `None` if there is none of this id. Some nine reads, and one for each of up to
    /// 50 conversations that wait for something.
    ///
    /// # Errors
    /// The store's.
    pub async fn creator(&self, id: CreatorId) -> Result<Option<CreatorHealth>, StoreError> {
        let deployment = self.vitals(Whose::Deployment).await?;
        self.examine(id, &deployment).await
    }

    /// How the deployment is doing, and each of its creators who is not well. A store that does not answer is a
    /// finding and no error; what was found before is told.
    pub async fn deployment(&self) -> DeploymentHealth {
        let began = self.engine.now();
        let probe = self.overdue(None, began).await;
        let took = self.engine.now().since(began);
        let (overdue, vitals) = match (probe, self.vitals(Whose::Deployment).await) {
            (Ok(overdue), Ok(vitals)) => (overdue, vitals),
            (Err(error), _) | (_, Err(error)) => return store_down(began, &error),
        };
        let slow = (took > SLOW).then_some(Finding {
            cause: Cause::StoreSlow,
            since: None,
        });
        let webhook = vitals.of(Part::Webhook);
        let worker = vitals.of(Part::Worker);
        let lines = vec![
            Line::new(Topic::Store, Some(began)).finding(slow),
            Line::new(Topic::Worker, worker.worked_at)
                .finding(worker_finding(worker.worked_at, began).filter(|_| overdue.is_none())),
            Line::new(Topic::Lag, overdue).finding(overdue_finding(overdue, &vitals, began)),
            Line::new(Topic::Webhook, webhook.worked_at)
                .finding(failing(&webhook, webhook_cause))
                .last_failure(webhook.last_failure),
        ];
        let mut health = DeploymentHealth::new(began, vitals.noted_at(), lines);
        if let Err(error) = self.creators(&vitals, &mut health).await {
            let down = store_down(began, &error);
            health.lines.splice(..1, down.lines);
        }
        health
    }

    async fn creators(
        &self,
        deployment: &Vitals,
        health: &mut DeploymentHealth,
    ) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let ids = self.store().creator_ids(after, CREATORS).await?;
            for id in ids.iter().filter(|id| **id != self_test::CREATOR) {
                let Some(creator) = self.examine(*id, deployment).await? else {
                    continue;
                };
                if creator.verdict() == Verdict::Ok {
                    health.well += 1;
                } else {
                    health.unwell.push(creator);
                }
            }
            if ids.len() < CREATORS {
                return Ok(());
            }
            after = ids.last().copied();
        }
    }

    async fn examine(
        &self,
        id: CreatorId,
        deployment: &Vitals,
    ) -> Result<Option<CreatorHealth>, StoreError> {
        let Some(creator) = self.store().creator(id).await? else {
            return Ok(None);
        };
        let creator = creator.value;
        let now = self.engine.now();
        let vitals = self.vitals(Whose::Creator(id)).await?;
        let [webhook, poll, fanvue, model, turns] = [
            Part::Webhook,
            Part::Poll,
            Part::Fanvue,
            Part::Model,
            Part::Turns,
        ]
        .map(|part| vitals.of(part));
        let overdue = self.overdue(Some(id), now).await?;
        let oldest = self.oldest_waiting(&creator).await?;
        let remaining = self.remaining(&creator, now).await?;

        let fanvue_finding = failing(&fanvue, fanvue_cause);
        let mut lines =
            vec![Line::new(Topic::Participation, None).finding(participation(&creator))];
        lines.extend(token::lines(self.engine.grant(&creator).await, now));
        lines.extend([
            Line::new(Topic::Webhook, webhook.worked_at)
                .finding(webhook_finding(&creator, &webhook))
                .last_failure(webhook.last_failure),
            Line::new(Topic::Poll, poll.worked_at)
                .finding(poll_finding(&poll, now))
                .last_failure(poll.last_failure),
            Line::new(Topic::Lag, overdue).finding(overdue_finding(overdue, deployment, now)),
            Line::new(Topic::OldestWaiting, oldest).finding(
                oldest
                    .filter(|oldest| now.since(*oldest) > self.waiting)
                    .map(|oldest| Finding {
                        cause: Cause::FansWaiting,
                        since: Some(oldest),
                    }),
            ),
            Line::new(Topic::Fanvue, fanvue.worked_at)
                .finding(fanvue_finding.filter(|finding| !is_limited(finding)))
                .last_failure(fanvue.last_failure),
            Line::new(Topic::RateBudget, remaining.map(|remaining| remaining.at))
                .finding(fanvue_finding.filter(is_limited))
                .remaining(remaining),
            Line::new(Topic::Model, model.worked_at)
                .finding(failing(&model, model_cause))
                .last_failure(model.last_failure),
            Line::new(Topic::Turns, turns.last_failure.map(|failure| failure.at))
                .finding(given_up(&turns, now))
                .last_failure(turns.last_failure),
        ]);
        Ok(Some(CreatorHealth::new(id, now, vitals.noted_at(), lines)))
    }

    /// Since when the fan waits who waits longest for the bot, of the conversations that are due first. One who
    /// waits for a person, such as a draft to be approved, is none of them.
    async fn oldest_waiting(&self, creator: &Creator) -> Result<Option<Timestamp>, StoreError> {
        if participation(creator).is_some() {
            return Ok(None);
        }
        let now = self.engine.now();
        let request = PageRequest::first(LOOKED_AT);
        let until = Timestamp::MAX;
        let due = self.store().due(Some(creator.id), until, &request).await?;
        let mut oldest = None;
        for due in due.items {
            let stored = self.store().conversation(due.conversation).await?;
            let since = stored.and_then(|stored| waiting_since(&stored.value, now));
            oldest = [oldest, since].into_iter().flatten().min();
        }
        Ok(oldest)
    }

    /// What is left of the bucket that calls for the creator draw from; `None` without an account, too.
    async fn remaining(
        &self,
        creator: &Creator,
        now: Timestamp,
    ) -> Result<Option<Remaining>, StoreError> {
        let Some(reach) = creator.reach() else {
            return Ok(None);
        };
        let grant = creator.grant();
        let principal = Principal::Calls { grant, reach };
        Remaining::read(&**self.store(), &principal, now).await
    }

    /// Since when work is due that should have been taken up, if there is any.
    async fn overdue(
        &self,
        of: Option<CreatorId>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let until = now.minus(OVERDUE);
        let request = PageRequest::first(LOOKED_AT);
        let due = self.store().due(of, until, &request).await?;
        for due in due.items {
            if due.wake_at <= now.minus(NUDGE_OVERDUE) {
                return Ok(Some(due.wake_at));
            }
            let stored = self.store().conversation(due.conversation).await?;
            let job = stored.and_then(|stored| stored.value.job_at());
            if let Some((at, _)) = job.filter(|(at, _)| *at <= until) {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    async fn vitals(&self, whose: Whose) -> Result<Vitals, StoreError> {
        self.engine.pulse().read(&**self.store(), whose).await
    }

    fn store(&self) -> &Arc<dyn Store> {
        self.engine.backend().store()
    }
}

fn store_down(at: Timestamp, error: &StoreError) -> DeploymentHealth {
    tracing::warn!(error = %FailureNote::from_error(error), "the store fails");
    let finding = Finding {
        cause: Cause::StoreDown,
        since: None,
    };
    let line = Line::new(Topic::Store, None).finding(Some(finding));
    DeploymentHealth::new(at, None, vec![line])
}

fn waiting_since(conversation: &Conversation, now: Timestamp) -> Option<Timestamp> {
    let paused = conversation.paused_until.is_some_and(|until| until > now);
    if paused || conversation.opted_out {
        return None;
    }
    conversation
        .pending
        .iter()
        .map(|message| message.arrived_at)
        .min()
}

fn participation(creator: &Creator) -> Option<Finding> {
    let cause = match (creator.status, creator.settings.mode) {
        (CreatorStatus::Inactive, _) => Cause::CreatorInactive,
        (_, Mode::Off) => Cause::ModeOff,
        _ => return None,
    };
    Some(Finding { cause, since: None })
}

/// What fails now, by what its trouble means for this part.
fn failing(vital: &Vital, cause: fn(Trouble) -> Cause) -> Option<Finding> {
    vital
        .failing()
        .map(|Failing { trouble, since, .. }| Finding {
            cause: cause(trouble),
            since: Some(since),
        })
}

const fn webhook_cause(trouble: Trouble) -> Cause {
    match trouble {
        Trouble::WrongClock => Cause::ClockWrong,
        Trouble::WrongAddress => Cause::WebhookAddressWrong,
        Trouble::Unreadable => Cause::WebhookUnreadable,
        _ => Cause::SignaturesFailing,
    }
}

fn is_limited(finding: &Finding) -> bool {
    finding.cause == Cause::FanvueRateLimited
}

const fn fanvue_cause(trouble: Trouble) -> Cause {
    match trouble {
        Trouble::RateLimited => Cause::FanvueRateLimited,
        Trouble::Unavailable => Cause::FanvueDown,
        Trouble::Forbidden => Cause::MissingScope,
        Trouble::Unauthorized => Cause::TokenRejected,
        Trouble::VersionRetired => Cause::ApiRetired,
        _ => Cause::FanvueRejects,
    }
}

const fn model_cause(trouble: Trouble) -> Cause {
    match trouble {
        Trouble::RateLimited => Cause::ModelRateLimited,
        Trouble::OutOfQuota => Cause::ModelOutOfMoney,
        Trouble::Unavailable => Cause::ModelDown,
        Trouble::Misconfigured => Cause::ModelMisconfigured,
        _ => Cause::ModelUnusable,
    }
}

fn webhook_finding(creator: &Creator, webhook: &Vital) -> Option<Finding> {
    let connected = creator.account.is_some();
    match (webhook.worked_at, webhook.failing()) {
        (None, failing) if connected => Some(Finding {
            cause: Cause::WebhooksNeverCame,
            since: failing.map(|failing| failing.since),
        }),
        (Some(_), Some(failing)) => Some(Finding {
            cause: Cause::WebhooksStopped,
            since: Some(failing.since),
        }),
        _ => None,
    }
}

fn poll_finding(poll: &Vital, now: Timestamp) -> Option<Finding> {
    failing(poll, |_| Cause::PollFailing).or_else(|| {
        let last = poll.worked_at.filter(|last| now.since(*last) > POLLED)?;
        Some(Finding {
            cause: Cause::PollStopped,
            since: Some(last),
        })
    })
}

fn overdue_finding(
    overdue: Option<Timestamp>,
    deployment: &Vitals,
    now: Timestamp,
) -> Option<Finding> {
    let seen = deployment.of(Part::Worker).worked_at;
    let cause = if seen.is_some_and(|seen| now.since(seen) <= GONE) {
        Cause::WorkBehind
    } else {
        Cause::WorkNotTaken
    };
    overdue.map(|since| Finding {
        cause,
        since: Some(since),
    })
}

/// With work that is overdue, [`overdue_finding`] tells more.
fn worker_finding(seen: Option<Timestamp>, now: Timestamp) -> Option<Finding> {
    let here = seen.is_some_and(|seen| now.since(seen) <= IDLE);
    (!here).then_some(Finding {
        cause: Cause::WorkerGone,
        since: seen,
    })
}

fn given_up(turns: &Vital, now: Timestamp) -> Option<Finding> {
    let failure = turns.last_failure?;
    (now.since(failure.at) <= GIVEN_UP).then_some(Finding {
        cause: Cause::TurnsGivenUp,
        since: Some(failure.at),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::ClientError;

    #[test]
    fn each_answer_of_fanvues_that_calls_for_another_action_has_its_cause() {
        let message = || "x".to_owned();
        let retry_after = Duration::ZERO;
        for (error, cause) in [
            (
                ClientError::Forbidden { message: message() },
                Cause::MissingScope,
            ),
            (ClientError::Unauthorized, Cause::TokenRejected),
            (ClientError::VersionRetired, Cause::ApiRetired),
            (
                ClientError::RateLimited { retry_after },
                Cause::FanvueRateLimited,
            ),
            (
                ClientError::Rejected { message: message() },
                Cause::FanvueRejects,
            ),
        ] {
            let trouble = Trouble::of_fanvue(&error).unwrap();
            assert_eq!(fanvue_cause(trouble), cause, "{error}");
        }
        for error in [ClientError::NotFound, ClientError::InvalidGrant] {
            assert_eq!(Trouble::of_fanvue(&error), None);
        }
    }

    #[test]
    fn causes_have_names_of_their_own_and_words_for_people() {
        let mut names: Vec<&str> = Cause::ALL.iter().map(|cause| cause.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Cause::ALL.len());
        for cause in Cause::ALL {
            assert!(cause.verdict() > Verdict::Ok, "{cause}");
            assert!(
                cause.meaning().ends_with('.') && cause.action().ends_with('.'),
                "{cause}"
            );
        }
    }
}

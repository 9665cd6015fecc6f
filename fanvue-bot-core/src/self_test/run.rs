//! Making a test: preparing, sending, watching.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::{
    ACCOUNT, CREATOR, Courier, NotDelivered, Problem, SelfTestReport, StepName, StepReport,
    TestEvent,
};
use crate::creator::Creator;
use crate::decision::{Outcome, Rule};
use crate::entropy::EntropyError;
use crate::id::{ConversationId, FanId, MessageId};
use crate::intake::Intake;
use crate::persona::Persona;
use crate::queue::FailureNote;
use crate::secret::Secret;
use crate::settings::Settings;
use crate::store::{Store, StoreError};
use crate::time::Timestamp;
use crate::webhook::{Signer, VerifierError};

/// Who writes to the reserved creator.
const FAN: FanId = FanId::from_uuid(Uuid::from_u128(0x5e1f_7e57_0000_8000_8000_0000_0000_0003));

/// The first wait between two looks at what became of the event; it doubles up to the longest.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LONGEST_LOOK: Duration = Duration::from_millis(500);

/// Sends test events; see [the module](super).
#[derive(Debug, Clone)]
pub struct SelfTest {
    intake: Intake,
    courier: Arc<dyn Courier>,
    signer: Signer,
}

impl SelfTest {
    /// Tests the deployment of `intake`, whose door `courier` reaches, with the webhook secret that the door is to
    /// accept.
    ///
    /// # Errors
    /// [`VerifierError`] when the secret is empty.
    pub fn new(
        intake: Intake,
        courier: Arc<dyn Courier>,
        secret: &Secret,
    ) -> Result<Self, VerifierError> {
        Ok(Self {
            intake,
            courier,
            signer: Signer::new(secret)?,
        })
    }

    /// Sends an event and watches it, for `limit` at most.
    ///
    /// May be called at once and from many places, and dropped at any point: each event is a message of its own.
    pub async fn run(&self, limit: Duration) -> SelfTestReport {
        let mut watch = Watch::begin(limit);
        // What went wrong stands in the report.
        let _ended = self.steps(&mut watch).await;
        watch.report
    }

    async fn steps(&self, watch: &mut Watch) -> Result<(), ()> {
        let prepared = self.prepare().await;
        let (message, event) = watch.step(StepName::Prepared, prepared)?;
        let delivered = watch.within(self.courier.deliver(&event)).await;
        watch.step(StepName::Delivered, accepted(delivered))?;
        let taken_in = watch.within(self.intake.take_in_all_of(conversation()));
        if let Some(Err(error)) = taken_in.await {
            tracing::warn!(error = %FailureNote::from_error(&error), "a self-test's event could not be taken in");
        }
        let store = self.intake.backend().store();
        let stored = watch.within(outcome(&**store, message)).await;
        let stored = match stored {
            Some(Ok(Some(_))) => Ok(()),
            Some(Ok(None)) => Err(Problem::OtherStore),
            Some(Err(error)) => Err(failed(&error)),
            None => Err(Problem::Store),
        };
        watch.step(StepName::Stored, stored)?;
        let worked = watch.decision(&**store, message).await;
        watch.step(StepName::Worked, worked)
    }

    /// Sees to the reserved creator, and makes an event for them.
    async fn prepare(&self) -> Result<(MessageId, TestEvent), Problem> {
        let creator = creator();
        let store = self.intake.backend().store();
        let known = store
            .creator(CREATOR)
            .await
            .map_err(|error| failed(&error))?;
        if known.as_ref().is_none_or(|known| known.value != creator) {
            let expected = known.map(|known| known.revision);
            match store.commit(&creator.clone().into(), expected).await {
                // Another test was faster, or the account is somebody else's.
                Ok(_) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(failed(&error)),
            }
            match store.creator_by_account(ACCOUNT).await {
                Ok(Some(found)) if found.value.id == CREATOR => {}
                Ok(_) => return Err(Problem::CreatorTaken),
                Err(error) => return Err(failed(&error)),
            }
        }
        let context = self.intake.context(&creator);
        let (now, seed) = context
            .map(|context| (context.now, context.seed))
            .map_err(|_: EntropyError| Problem::Entropy)?;
        let message = MessageId::from_uuid(Uuid::from_u64_pair(
            seed.derive("self-test").value(),
            seed.value(),
        ));
        let body = body(message, now);
        let signature = self.signer.header(now, &body);
        Ok((message, TestEvent { signature, body }))
    }
}

/// The reserved creator: dry run, so that nothing could be sent even if it were written.
fn creator() -> Creator {
    Creator::new(CREATOR, Persona::named("Self-test"))
        .account(ACCOUNT)
        .settings(Settings {
            dry_run: true,
            ..Settings::immediate()
        })
}

const fn conversation() -> ConversationId {
    ConversationId::new(CREATOR, FAN)
}

fn body(message: MessageId, now: Timestamp) -> Vec<u8> {
    format!(
        r#"{{"id":"self-test-{message}","type":"creator.message.received","timestamp":"{now}","data":{{"object":"message","uuid":"{message}","sender":"fan","created_at":"{now}","text":"self-test","message_type":"SINGLE_RECIPIENT","is_automated":false,"creator":{{"uuid":"{ACCOUNT}"}},"fan":{{"uuid":"{FAN}"}}}}}}"#
    )
    .into_bytes()
}

fn failed(error: &StoreError) -> Problem {
    tracing::warn!(error = %FailureNote::from_error(error), "a self-test came to its end at the store");
    Problem::Store
}

/// What became of the test's message; the inner `None` if it is not stored.
async fn outcome(
    store: &dyn Store,
    message: MessageId,
) -> Result<Option<Option<Outcome>>, StoreError> {
    let stored = store.message(conversation(), message).await?;
    Ok(stored.map(|stored| stored.decision.map(|decision| decision.outcome)))
}

fn accepted(delivered: Option<Result<u16, NotDelivered>>) -> Result<(), Problem> {
    match delivered {
        Some(Ok(200..=299)) => Ok(()),
        Some(Ok(401)) => Err(Problem::NotProved),
        Some(Ok(503)) => Err(Problem::DoorUnavailable),
        Some(Ok(status)) => Err(Problem::NoDoor { status }),
        Some(Err(NotDelivered { reason })) => Err(Problem::NoAnswer { reason }),
        None => Err(Problem::NoAnswer {
            reason: "not within the test's time".to_owned(),
        }),
    }
}

/// The report as it grows, and the time that is left.
struct Watch {
    until: tokio::time::Instant,
    step: tokio::time::Instant,
    report: SelfTestReport,
}

impl Watch {
    fn begin(limit: Duration) -> Self {
        let now = tokio::time::Instant::now();
        Self {
            until: now + limit,
            step: now,
            report: SelfTestReport { steps: Vec::new() },
        }
    }

    /// `None` if it takes longer than there is time.
    async fn within<F: Future>(&self, what: F) -> Option<F::Output> {
        tokio::time::timeout_at(self.until, what).await.ok()
    }

    /// Notes how a step went; an error if the test ends with it.
    fn step<T>(&mut self, name: StepName, outcome: Result<T, Problem>) -> Result<T, ()> {
        let (value, problem) = match outcome {
            Ok(value) => (Some(value), None),
            Err(problem) => (None, Some(problem)),
        };
        let now = tokio::time::Instant::now();
        self.report.steps.push(StepReport {
            name,
            took: now - self.step,
            problem,
        });
        self.step = now;
        value.ok_or(())
    }

    /// Looks at the message until a worker has decided on it.
    async fn decision(&self, store: &dyn Store, message: MessageId) -> Result<(), Problem> {
        let mut wait = FIRST_LOOK;
        loop {
            match self.within(outcome(store, message)).await {
                Some(Ok(Some(Some(Outcome::Blocked { rule: Rule::DryRun })))) => return Ok(()),
                Some(Ok(Some(Some(decided)))) if decided.is_final() => {
                    let outcome = decided.as_str();
                    return Err(Problem::OtherDecision { outcome });
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(failed(&error)),
                None => return Err(Problem::NoWorker),
            }
            let next = tokio::time::Instant::now() + wait;
            if next >= self.until {
                return Err(Problem::NoWorker);
            }
            tokio::time::sleep_until(next).await;
            wait = (wait * 2).min(LONGEST_LOOK);
        }
    }
}

#[cfg(test)]
mod tests;

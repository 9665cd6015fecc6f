//! From a proved event to a stored message and a wake-up: the one door by which messages enter.
//!
//! Messages that a webhook missed and that reading a chat brought up come in by the same door.

mod accounts;
mod kept;
mod paid;

use std::sync::Arc;

use self::accounts::Accounts;
use crate::backend::{Atomicity, Backend, BackendError};
use crate::batch::{Arrival, Batch, tell};
use crate::ceiling::Ceiling;
use crate::conversation::Conversation;
use crate::creator::Creator;
use crate::entropy::{Entropy, EntropyError, OsEntropy, Seed};
use crate::fan::FanProfile;
use crate::flow::{Context, Timing};
use crate::id::{ConversationId, MessageId};
use crate::ledger;
use crate::message::Author;
use crate::policy::{Detector, Phrases};
use crate::prompt::{BytesPerFour, TokenCounter};
use crate::pulse::{Part, Pulse, Whose};
use crate::queue::{IdempotencyKey, NewJob};
use crate::retry::Retry;
use crate::revision::{Revision, Versioned};
use crate::self_test;
use crate::store::StoreError;
use crate::time::{Clock, SystemClock, Timestamp};
use crate::webhook::event::Sender;
use crate::webhook::{Event, EventKind};

/// A conversation that many write to at once is tried this often before the sender is asked to come back.
const COMMIT_TRIES: usize = 64;

/// Takes proved events in.
///
/// Needs neither a model nor a token, so that a process may do nothing but receive.
#[derive(Debug, Clone)]
pub struct Intake {
    backend: Backend,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    counter: Arc<dyn TokenCounter>,
    timing: Timing,
    pulse: Pulse,
    detector: Arc<dyn Detector>,
    accounts: Arc<Accounts>,
}

/// What became of an event. In every case it may be acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Accepted {
    /// It changed the conversation, durably.
    Stored(ConversationId),
    /// It is in the [inbox](crate::inbox), durably, and will be taken in.
    Kept(ConversationId),
    /// It was known already; nothing changed.
    Duplicate(ConversationId),
    /// No creator of this deployment has the account.
    UnknownCreator,
    /// It is of a kind that changes nothing here.
    Ignored,
}

/// Why an event could not be taken in. It must not be acknowledged then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IntakeError {
    /// The store or the queue refused.
    #[error("the event could not be stored")]
    Backend {
        /// What it said.
        #[from]
        source: BackendError,
    },
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl From<StoreError> for IntakeError {
    fn from(error: StoreError) -> Self {
        Self::Backend {
            source: error.into(),
        }
    }
}

impl IntakeError {
    /// Whether and how to try again.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Backend { source } => source.retry(),
            Self::Entropy(_) => Retry::Backoff,
        }
    }
}

impl Intake {
    /// An intake with the system's clock and randomness and the default token counter.
    #[must_use]
    pub fn new(backend: Backend) -> Self {
        Self {
            backend,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            counter: Arc::new(BytesPerFour),
            timing: Timing::default(),
            pulse: Pulse::default(),
            detector: Arc::new(Phrases::all()),
            accounts: Arc::default(),
        }
    }

    /// Where it is noted how things go.
    #[must_use]
    pub const fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// With this clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// With this randomness.
    #[must_use]
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// With this token counter: the one of the engine.
    #[must_use]
    pub fn counter(mut self, counter: Arc<dyn TokenCounter>) -> Self {
        self.counter = counter;
        self
    }

    /// With this timing: the one of the engine.
    #[must_use]
    pub const fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// Reading the fans' words this way. Default: [`Phrases::all`]; one of your own that is to add to it calls
    /// it.
    #[must_use]
    pub fn detector(mut self, detector: Arc<dyn Detector>) -> Self {
        self.detector = detector;
        self
    }

    /// How the fans' words are read.
    pub(crate) fn reads_with(&self) -> &dyn Detector {
        &*self.detector
    }

    /// Where events are stored.
    #[must_use]
    pub const fn backend(&self) -> &Backend {
        &self.backend
    }

    /// The current time, by the intake's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Takes an event in. When this returns `Ok`, what it says is durable, and so is the wake-up that
    /// follows from it.
    ///
    /// Idempotent: the same event again, in any order, concurrently, by either family or by reading the
    /// chat, changes nothing.
    ///
    /// # Errors
    /// [`IntakeError`]; the event must then not be acknowledged, and may be taken in again.
    pub async fn accept(&self, event: &Event) -> Result<Accepted, IntakeError> {
        let told = match &event.kind {
            EventKind::MessageReceived(message) => Some((
                &message.fan,
                Received::Message(Arrival::from_fan(message, event.at)),
            )),
            EventKind::MessageSent(message) => Some((
                &message.fan,
                Received::Message(Arrival::from_creator(message, event.at)),
            )),
            EventKind::MessageDeleted(message) => Some((
                &message.fan,
                Received::Deleted(message.message, message.sender),
            )),
            _ if ledger::fan_of(event).is_some() => None,
            _ => return Ok(Accepted::Ignored),
        };
        let Some(creator) = self
            .backend
            .store()
            .creator_by_account(event.account)
            .await?
        else {
            return Ok(Accepted::UnknownCreator);
        };
        let accepted = match told {
            Some((fan, what)) => self.take(&creator.value, fan, &what).await?,
            None => self.take_paid(&creator.value, event).await?,
        };
        if creator.value.id != self_test::CREATOR {
            let whose = Whose::Creator(creator.value.id);
            self.pulse.works(whose, Part::Webhook, self.clock.now());
        }
        Ok(accepted)
    }

    async fn take(
        &self,
        creator: &Creator,
        fan: &FanProfile,
        received: &Received,
    ) -> Result<Accepted, IntakeError> {
        let mut tries = 0;
        loop {
            match self.try_take(creator, fan, received).await {
                Err(IntakeError::Backend {
                    source: BackendError::Store(StoreError::Conflict),
                }) if tries < COMMIT_TRIES => {
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn try_take(
        &self,
        creator: &Creator,
        fan: &FanProfile,
        received: &Received,
    ) -> Result<Accepted, IntakeError> {
        let id = ConversationId::new(creator.id, fan.id);
        let stored = self.backend.store().conversation(id).await?;
        let known = match &stored {
            None => None,
            Some(_) => self.backend.store().message(id, received.id()).await?,
        };
        let (conversation, expected) = self.begin(id, stored)?;
        let context = self.context(creator)?;
        let mut batch = Batch::new(conversation, context, &*self.counter, &*self.detector);
        match received {
            Received::Message(arrival) => batch.arrive(arrival, known.as_ref()),
            Received::Deleted(message, sender) => {
                batch.delete(*message, *sender, known.as_ref());
            }
        }
        batch.meet(fan);
        let wake = wake_up(&batch.change.conversation, received);
        if !batch.changed {
            // In two steps, the delivery before this one may have failed between them.
            if self.backend.atomicity() == Atomicity::TwoSteps {
                self.backend
                    .queue()
                    .enqueue(wake.as_slice())
                    .await
                    .map_err(BackendError::from)?;
            }
            return Ok(Accepted::Duplicate(id));
        }
        let stopped = batch.stopped;
        self.backend
            .commit_and_enqueue(&batch.change.into(), expected, wake.as_slice())
            .await?;
        tell(id, stopped);
        Ok(Accepted::Stored(id))
    }

    /// Takes in what reading a chat has brought up, as one change, and answers with when the messages that
    /// were not known were sent. Idempotent.
    pub(crate) async fn bring(
        &self,
        creator: &Creator,
        brought: &Brought<'_>,
    ) -> Result<Vec<Timestamp>, IntakeError> {
        let mut tries = 0;
        loop {
            match self.try_bring(creator, brought).await {
                Err(IntakeError::Backend {
                    source: BackendError::Store(StoreError::Conflict),
                }) if tries < COMMIT_TRIES => tries += 1,
                outcome => return outcome,
            }
        }
    }

    async fn try_bring(
        &self,
        creator: &Creator,
        brought: &Brought<'_>,
    ) -> Result<Vec<Timestamp>, IntakeError> {
        let id = ConversationId::new(creator.id, brought.fan.id);
        let store = self.backend.store();
        let stored = store.conversation(id).await?;
        if stored.is_none() && brought.arrivals.is_empty() {
            return Ok(Vec::new());
        }
        let mut known = Vec::with_capacity(brought.arrivals.len());
        for arrival in &brought.arrivals {
            known.push(match &stored {
                Some(_) => store.message(id, arrival.id).await?,
                None => None,
            });
        }
        let (conversation, expected) = self.begin(id, stored)?;
        let mut batch = Batch::new(
            conversation,
            self.context(creator)?,
            &*self.counter,
            &*self.detector,
        );
        let mut new = Vec::new();
        for (arrival, known) in brought.arrivals.iter().zip(&known) {
            batch.arrive(arrival, known.as_ref());
            if known.is_none() && !batch.has_erased(arrival) {
                new.extend(arrival.sent_at);
            }
        }
        for message in &brought.gone {
            let known = store.message(id, *message).await?;
            let sender = known.as_ref().map(|message| match message.author {
                Author::Fan => Sender::Fan,
                _ => Sender::Creator,
            });
            batch.delete(*message, sender, known.as_ref());
        }
        batch.meet(brought.fan);
        let moved = batch.changed;
        let conversation = &mut batch.change.conversation;
        if brought.complete_to > conversation.complete_to {
            conversation.complete_to = brought.complete_to;
            batch.changed = true;
        }
        if !batch.changed {
            return Ok(new);
        }
        let due = batch.change.conversation.job_at().filter(|_| moved);
        let wake = due.map(|(due, priority)| {
            let revision = expected.map_or(Revision::FIRST, Revision::next);
            let key = IdempotencyKey::in_lane(&id.into(), &format!("brought/{revision}"));
            NewJob::wake(id, due, key).priority(priority)
        });
        let stopped = batch.stopped;
        self.backend
            .commit_and_enqueue(&batch.change.into(), expected, wake.as_slice())
            .await?;
        tell(id, stopped);
        Ok(new)
    }

    /// The state to step from: as stored, or new.
    fn begin(
        &self,
        id: ConversationId,
        stored: Option<Versioned<Conversation>>,
    ) -> Result<(Conversation, Option<Revision>), EntropyError> {
        Ok(match stored {
            Some(stored) => (stored.value, Some(stored.revision)),
            None => (Conversation::new(id, Seed::draw(&*self.entropy)?), None),
        })
    }

    pub(crate) const fn send_timing(&self) -> Timing {
        self.timing
    }

    /// What steps depend on here. Taking in decides on no reply, so it needs no ceiling: the engine, which
    /// does, reads it for each step of its own.
    pub(crate) fn context<'a>(&self, creator: &'a Creator) -> Result<Context<'a>, EntropyError> {
        Ok(Context {
            now: self.clock.now(),
            seed: Seed::draw(&*self.entropy)?,
            creator,
            timing: self.timing,
            ceiling: Ceiling::none(),
        })
    }
}

/// The wake-up that a conversation needs after `cause` came in; its key makes a repetition harmless.
fn wake_up(conversation: &Conversation, cause: &Received) -> Option<NewJob> {
    let (due, priority) = conversation.job_at()?;
    // A message and its deletion are two causes: the first wake-up may be long over.
    let key = match cause {
        Received::Message(arrival) => format!("in/{}", arrival.id),
        Received::Deleted(message, _) => format!("deleted/{message}"),
    };
    let key = IdempotencyKey::in_lane(&conversation.id.into(), &key);
    Some(NewJob::wake(conversation.id, due, key).priority(priority))
}

/// What reading one chat has brought up.
#[derive(Debug)]
pub(crate) struct Brought<'a> {
    pub(crate) fan: &'a FanProfile,
    /// Its messages, oldest first, known ones included.
    pub(crate) arrivals: Vec<Arrival>,
    /// Stored messages that are no longer there.
    pub(crate) gone: Vec<MessageId>,
    /// Everything that the chat held up to here is among them, or was stored before.
    pub(crate) complete_to: Option<Timestamp>,
}

#[derive(Debug)]
enum Received {
    Message(Arrival),
    Deleted(MessageId, Option<Sender>),
}

impl Received {
    const fn id(&self) -> MessageId {
        match self {
            Self::Message(arrival) => arrival.id,
            Self::Deleted(id, _) => *id,
        }
    }
}

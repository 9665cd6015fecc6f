//! Does what the flow says: a thin shell around [`flow::step`](crate::flow::step).
//!
//! One call of [`Engine::run`] takes one lane of the queue, brings its conversation to rest and ends its
//! jobs. Between any two commits it may be killed: the committed state yields the same effect again.
//!
//! ```text
//!   job ----> load ----> step ----> commit ----> effect ----> outcome --+
//!              ^                      | none                            |
//!              |                      v                                 |
//!              |            wake-up for later, jobs ended               |
//!              +--------------------------------------------------------+
//! ```

mod chat;
mod compose;
mod failure;
mod send;
mod sweep;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use self::failure::{Failure, Remedy};
use crate::backend::{Backend, BackendError};
use crate::client::FanvueClient;
use crate::conversation::Conversation;
use crate::creator::Creator;
use crate::decision::WaitCause;
use crate::entropy::{Entropy, EntropyError, OsEntropy, Seed};
use crate::flow::{Effect, Input, OperatorAction, Timing};
use crate::id::{ConversationId, CreatorId, MessageId};
use crate::intake::{Accepted, Arrival, Batch, Intake, IntakeError};
use crate::llm::LlmProvider;
use crate::message::Content;
use crate::oauth::TokenSource;
use crate::persona::Persona;
use crate::prompt::{BytesPerFour, HistoryCut, RenderedPersona, TokenCounter};
use crate::queue::{Claim, ClaimedLane, FailureNote, IdempotencyKey, NewJob, Priority, QueueError};
use crate::retry::{Backoff, Retry};
use crate::revision::Versioned;
use crate::store::StoreError;
use crate::time::{Clock, SystemClock, Timestamp};
use crate::webhook::Event;

/// A conversation that many write to at once is tried this often before its job is handed back.
const COMMIT_TRIES: usize = 64;
/// A run that has not come to rest after this many steps is handed back, for others' sake.
const LONGEST_RUN: usize = 64;

/// Answers fans: intake, conversation, model and Fanvue, put together.
///
/// Cheap to clone; share one per process.
#[derive(Debug, Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    intake: Intake,
    llm: Arc<dyn LlmProvider>,
    fanvue: Arc<dyn FanvueClient>,
    tokens: TokenSource,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    counter: Arc<dyn TokenCounter>,
    backoff: Backoff,
    personas: Mutex<BTreeMap<CreatorId, (Persona, Arc<RenderedPersona>)>>,
}

/// Builds an [`Engine`]; see [`Engine::builder`].
#[derive(Debug)]
pub struct EngineBuilder {
    backend: Backend,
    llm: Arc<dyn LlmProvider>,
    fanvue: Arc<dyn FanvueClient>,
    tokens: TokenSource,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    counter: Arc<dyn TokenCounter>,
    timing: Timing,
    backoff: Backoff,
}

impl EngineBuilder {
    /// With this clock. Default: the system's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// With this randomness. Default: the system's.
    #[must_use]
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// Counting tokens this way. Default: a quarter of the bytes.
    #[must_use]
    pub fn counter(mut self, counter: Arc<dyn TokenCounter>) -> Self {
        self.counter = counter;
        self
    }

    /// With these times for sends.
    #[must_use]
    pub const fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// Trying again this way after failures.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// The engine. Where [`Timing::settled_within`] leaves a request of the client too little time to end,
    /// it is raised to what one takes.
    #[must_use]
    pub fn build(mut self) -> Engine {
        let longest_send = self.timing.begin_within + self.fanvue.longest_request();
        self.timing.settled_within = self.timing.settled_within.max(longest_send);
        let intake = Intake::new(self.backend)
            .clock(Arc::clone(&self.clock))
            .entropy(Arc::clone(&self.entropy))
            .counter(Arc::clone(&self.counter))
            .timing(self.timing);
        Engine {
            shared: Arc::new(Shared {
                intake,
                llm: self.llm,
                fanvue: self.fanvue,
                tokens: self.tokens,
                clock: self.clock,
                entropy: self.entropy,
                counter: self.counter,
                backoff: self.backoff,
                personas: Mutex::new(BTreeMap::new()),
            }),
        }
    }
}

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

/// Why a run could not even end its jobs. They come back when their lease lapses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The queue refused. With [`QueueError::ClaimLost`], another worker has the lane.
    #[error("the jobs of a lane could not be ended")]
    Queue(#[from] QueueError),
    /// The store refused.
    #[error("the conversation could not be stored")]
    Store(#[from] StoreError),
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The conversation does not exist.
    #[error("there is no such conversation")]
    UnknownConversation,
    /// The operator's text cannot be sent.
    #[error("the text cannot be sent: {reason}")]
    InvalidText {
        /// Why, and what would be valid.
        reason: String,
    },
}

impl EngineError {
    /// Whether and how to try again.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Queue(error) => error.retry(),
            Self::Store(error) => error.retry(),
            Self::Entropy(_) => Retry::Backoff,
            Self::UnknownConversation | Self::InvalidText { .. } => Retry::Never,
        }
    }
}

impl From<BackendError> for EngineError {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::Store(error) => Self::Store(error),
            BackendError::Queue(error) => Self::Queue(error),
        }
    }
}

/// What an effect came to: what to commit, and what failed besides.
#[derive(Debug, Default)]
struct Performed {
    /// Messages that came to light, oldest first; they enter before `input`.
    arrivals: Vec<Arrival>,
    /// Words that are known now.
    contents: Vec<(MessageId, Content)>,
    /// A message that is gone.
    deleted: Option<MessageId>,
    /// Where the history begins now.
    cut: Option<HistoryCut>,
    /// What to step with.
    input: Option<Input>,
    /// After this, the input is out of date and time has merely passed.
    valid_until: Option<Timestamp>,
    /// What failed, after all of this is committed.
    failure: Option<Failure>,
}

impl From<Input> for Performed {
    fn from(input: Input) -> Self {
        Self {
            input: Some(input),
            ..Self::default()
        }
    }
}

impl Engine {
    /// An engine with the system's clock and randomness and default timing.
    #[must_use]
    pub fn builder(
        backend: Backend,
        llm: Arc<dyn LlmProvider>,
        fanvue: Arc<dyn FanvueClient>,
        tokens: TokenSource,
    ) -> EngineBuilder {
        EngineBuilder {
            backend,
            llm,
            fanvue,
            tokens,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            counter: Arc::new(BytesPerFour),
            timing: Timing::default(),
            backoff: Backoff::default(),
        }
    }

    /// The door for events, for a web server.
    #[must_use]
    pub fn intake(&self) -> &Intake {
        &self.shared.intake
    }

    /// Where everything is stored.
    #[must_use]
    pub fn backend(&self) -> &Backend {
        self.shared.intake.backend()
    }

    /// The current time, by the engine's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Takes an event in; see [`Intake::accept`].
    ///
    /// # Errors
    /// As [`Intake::accept`].
    pub async fn accept(&self, event: &Event) -> Result<Accepted, IntakeError> {
        self.shared.intake.accept(event).await
    }

    /// Does what an operator asks for and answers with the conversation as it is then. What follows from
    /// it, such as sending an approved reply, is enqueued.
    ///
    /// # Errors
    /// [`EngineError::UnknownConversation`]; [`EngineError::InvalidText`] for an edited reply that is
    /// empty or longer than 5000 characters; the store's and the queue's errors.
    pub async fn act(
        &self,
        id: ConversationId,
        action: OperatorAction,
    ) -> Result<Conversation, EngineError> {
        if let OperatorAction::Approve {
            edited: Some(reply),
            ..
        } = &action
        {
            let characters = reply.text().chars().count();
            if reply.text().trim().is_empty() || characters > crate::prompt::check::LONGEST_TEXT {
                return Err(EngineError::InvalidText {
                    reason: format!("it has {characters} characters; a message has 1 to 5000"),
                });
            }
        }
        let priority = match action {
            OperatorAction::Approve { .. } => Priority::ApprovedDraft,
            _ => Priority::default(),
        };
        let performed = Performed::from(Input::Operator(action));
        match self.commit(id, &performed, Some(priority)).await? {
            Some(stepped) => Ok(stepped.conversation),
            None => Err(EngineError::UnknownConversation),
        }
    }

    /// Brings the lane's conversation to rest and ends its jobs.
    ///
    /// May be dropped at any point: the jobs come back when their lease lapses, and the committed state
    /// goes on where it stood.
    ///
    /// # Errors
    /// As [`EngineError`] says; the jobs come back by themselves.
    pub async fn run(&self, lane: ClaimedLane) -> Result<RunOutcome, EngineError> {
        let id = lane.ordering_key.conversation();
        let mut claims: Vec<Claim> = Vec::with_capacity(lane.jobs.len());
        let mut attempt = 0;
        for job in lane.jobs {
            // The one that was tried most goes in front: it is the one that a failure hands back, or the
            // count would begin anew with every message that comes in meanwhile.
            if job.attempt > attempt {
                attempt = job.attempt;
                claims.insert(0, job.claim);
            } else {
                claims.push(job.claim);
            }
        }
        let result = if attempt > self.shared.backoff.attempts {
            Err(Failure::final_words(
                "the worker ended in the middle every time it was tried",
            ))
        } else {
            self.advance(id).await
        };
        match result {
            Ok(wake_at) => {
                self.follow_up(id, wake_at, &claims).await?;
                self.backend().queue().complete(claims, self.now()).await?;
                Ok(RunOutcome::Done { wake_at })
            }
            Err(failure) => self.fail(id, claims, attempt, failure).await,
        }
    }

    /// Enqueues the wake-up that a resting conversation needs, named after the taking of the job that ends
    /// with it: a job that is taken again after a crash may need another one than the time before.
    async fn follow_up(
        &self,
        id: ConversationId,
        wake_at: Option<Timestamp>,
        claims: &[Claim],
    ) -> Result<(), EngineError> {
        if let (Some(due), Some(claim)) = (wake_at, claims.first()) {
            let key = IdempotencyKey::new(format!("after/{}/{}", claim.job, claim.token));
            self.backend()
                .queue()
                .enqueue(&[NewJob::wake(id, due, key)])
                .await?;
        }
        Ok(())
    }

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
        } = failure;
        let put_off = match remedy {
            // Neither is a failure of the job, and neither counts as an attempt.
            Remedy::Retry(Retry::After(wait)) => Input::PutOff {
                until: now + wait,
                cause: WaitCause::Retrying,
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
                let given_up = Performed::from(Input::GiveUp {
                    cause: cause.as_str().into(),
                });
                let wake_at = match self.commit(id, &given_up, None).await {
                    // Not even that can be stored, now or ever: only a person can mend it, and the job
                    // must not come back for ever meanwhile.
                    Err(error) if error.retry() == Retry::Never => None,
                    stepped => stepped?.and_then(|stepped| stepped.conversation.wake_at()),
                };
                self.follow_up(id, wake_at, &claims).await?;
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
        let wake_at = conversation.as_ref().and_then(Conversation::wake_at);
        match (remedy, conversation.and_then(|found| found.hold)) {
            (Remedy::Person(_), Some(hold)) if hold.since == now => {
                tracing::error!(creator.id = %id.creator, cause = %cause, "a turn waits for a person");
            }
            _ => {
                tracing::info!(creator.id = %id.creator, cause = %cause, "turn put off");
            }
        }
        self.follow_up(id, wake_at, &claims).await?;
        queue.complete(claims, now).await?;
        Ok(RunOutcome::Retrying {
            at: wake_at.unwrap_or(now),
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

    async fn load(
        &self,
        id: ConversationId,
    ) -> Result<Option<(Creator, Versioned<Conversation>)>, StoreError> {
        let store = self.backend().store();
        let Some(creator) = store.creator(id.creator).await? else {
            return Ok(None);
        };
        let Some(conversation) = store.conversation(id).await? else {
            return Ok(None);
        };
        Ok(Some((creator.value, conversation)))
    }

    /// Steps, commits and performs until nothing is to be done now; answers when something is.
    async fn advance(&self, id: ConversationId) -> Result<Option<Timestamp>, Failure> {
        let mut performed = Performed::from(Input::Wake);
        for _ in 0..LONGEST_RUN {
            let Some(stepped) = self.commit(id, &performed, None).await? else {
                return Ok(None);
            };
            if let Some(failure) = performed.failure.take() {
                return Err(failure);
            }
            let Some(effect) = stepped.effect else {
                return Ok(stepped.conversation.wake_at());
            };
            performed = self
                .perform(&stepped.creator, &stepped.conversation, effect)
                .await?;
        }
        Err(Failure::restless())
    }

    /// Steps with what was performed, on the newest state, and commits; with a priority, together with the
    /// wake-up that the conversation needs then. `None` if there is no such conversation.
    async fn commit(
        &self,
        id: ConversationId,
        performed: &Performed,
        wake: Option<Priority>,
    ) -> Result<Option<Stepped>, EngineError> {
        let mut tries = 0;
        loop {
            match self.try_commit(id, performed, wake).await {
                Err(EngineError::Store(StoreError::Conflict)) if tries < COMMIT_TRIES => tries += 1,
                outcome => return outcome,
            }
        }
    }

    async fn try_commit(
        &self,
        id: ConversationId,
        performed: &Performed,
        wake: Option<Priority>,
    ) -> Result<Option<Stepped>, EngineError> {
        let Some((creator, stored)) = self.load(id).await? else {
            return Ok(None);
        };
        let mut known = Vec::with_capacity(performed.arrivals.len());
        for arrival in &performed.arrivals {
            known.push(self.backend().store().message(id, arrival.id).await?);
        }
        let context = self.shared.intake.context(&creator)?;
        let mut batch = Batch::new(stored.value, context, &*self.shared.counter);
        for (message, content) in &performed.contents {
            batch.learn(*message, content);
        }
        for (arrival, known) in performed.arrivals.iter().zip(&known) {
            batch.arrive(arrival, known.as_ref());
        }
        if let Some(deleted) = performed.deleted {
            let known = self.backend().store().message(id, deleted).await?;
            batch.delete(deleted, known.as_ref());
        }
        if let Some(cut) = performed.cut
            && batch.change.conversation.history_from != cut.0
        {
            batch.change.conversation.history_from = cut.0;
            batch.changed = true;
        }
        if let Some(input) = &performed.input {
            let outdated = performed
                .valid_until
                .is_some_and(|until| context.now > until);
            batch.step(if outdated { Input::Wake } else { input.clone() });
        }
        let effect = batch.effect.take();
        let conversation = batch.change.conversation.clone();
        if batch.changed {
            let jobs: Vec<NewJob> = wake
                .zip(conversation.wake_at())
                .map(|(priority, due)| {
                    let key =
                        IdempotencyKey::new(format!("act/{}/{}", id.fan, stored.revision.next()));
                    NewJob::wake(id, due, key).priority(priority)
                })
                .into_iter()
                .collect();
            self.backend()
                .commit_and_enqueue(&batch.change.into(), Some(stored.revision), &jobs)
                .await?;
        }
        Ok(Some(Stepped {
            creator,
            conversation,
            effect,
        }))
    }

    async fn perform(
        &self,
        creator: &Creator,
        conversation: &Conversation,
        effect: Effect,
    ) -> Result<Performed, Failure> {
        match effect {
            Effect::ReadHistory => self.read_history(creator, conversation.id).await,
            Effect::Fetch { messages } => self.fetch(creator, conversation.id, &messages).await,
            Effect::Compose {
                draft,
                seed,
                repair,
            } => {
                self.compose(creator, conversation, draft, seed, repair.as_deref())
                    .await
            }
            Effect::ReadChat { draft } => {
                self.read_before_send(creator, conversation.id, draft).await
            }
            Effect::Send {
                draft,
                reply,
                begin_by,
            } => Ok(self
                .send(creator, conversation.id, draft, &reply, begin_by)
                .await),
            Effect::FindSent { draft, intent, .. } => {
                self.find_sent(creator, conversation.id, draft, &intent)
                    .await
            }
        }
    }

    /// The persona, rendered once for each version that is seen.
    fn rendered(&self, creator: &Creator) -> Arc<RenderedPersona> {
        /// Far more creators than a deployment has; the cache starts over rather than grow without bound.
        const MOST: usize = 10_000;
        let mut personas = self
            .shared
            .personas
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((persona, rendered)) = personas.get(&creator.id)
            && *persona == creator.persona
        {
            return Arc::clone(rendered);
        }
        if personas.len() >= MOST {
            personas.clear();
        }
        let rendered = Arc::new(RenderedPersona::new(
            &creator.persona,
            &*self.shared.counter,
        ));
        personas.insert(creator.id, (creator.persona.clone(), Arc::clone(&rendered)));
        rendered
    }
}

/// A committed step.
struct Stepped {
    creator: Creator,
    conversation: Conversation,
    effect: Option<Effect>,
}

/// Calls Fanvue with the creator's credential; on a 401 renews it and calls once more.
macro_rules! with_auth {
    ($engine:expr, $creator:expr, |$auth:ident| $call:expr) => {{
        let $auth = $engine.shared.tokens.auth($creator).await?;
        match $call.await {
            Err($crate::client::ClientError::Unauthorized) => {
                let $auth = $engine.shared.tokens.renew($creator, &$auth).await?;
                $call.await
            }
            outcome => outcome,
        }
    }};
}
use with_auth;

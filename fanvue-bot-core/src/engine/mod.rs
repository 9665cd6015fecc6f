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

mod act;
mod broadcast;
mod builder;
mod catch_up;
mod chat;
mod compose;
mod ending;
mod erase;
mod erase_creator;
mod failure;
mod send;
mod stop;
mod sweep;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

pub use self::act::Answered;
pub use self::builder::EngineBuilder;
pub use self::catch_up::CaughtUp;
use self::catch_up::Schedule;
use self::compose::Wish;
use self::ending::Rest;
pub use self::ending::RunOutcome;
pub(crate) use self::ending::Worked;
pub use self::erase_creator::{CreatorErasure, ErasedCreators};
use self::failure::Failure;
use crate::backend::{Backend, BackendError};
use crate::batch::{Arrival, Batch, tell};
use crate::catch_up::CatchUpOptions;
use crate::client::FanvueClient;
use crate::conversation::{Clearance, Conversation};
use crate::creator::Creator;
use crate::draft::Note;
use crate::entropy::{Entropy, EntropyError};
use crate::flow::{Acted, Effect, Input};
use crate::id::{ConversationId, CreatorId, MessageId};
use crate::intake::{Accepted, Intake, IntakeError};
use crate::llm::LlmProvider;
use crate::message::Content;
use crate::oauth::{GrantStatus, TokenError, TokenSource};
use crate::persona::Persona;
use crate::policy::{DraftCheck, Violation};
use crate::prompt::{HistoryCut, RenderedPersona, TokenCounter};
use crate::pulse::{Part, Pulse, Trouble, Whose};
#[cfg(feature = "worker")]
use crate::queue::FailureNote;
use crate::queue::{Claim, ClaimedLane, IdempotencyKey, NewJob, Priority, QueueError};
use crate::rate::Class;
use crate::retry::{Backoff, Retry};
use crate::revision::Versioned;
use crate::self_test;
use crate::settings::InvalidSettings;
use crate::store::StoreError;
use crate::time::{Clock, Timestamp};
use crate::webhook::Event;
use crate::webhook::event::Sender;

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
    catch_up: CatchUpOptions,
    draft_check: Arc<dyn DraftCheck>,
    schedule: Mutex<Schedule>,
    personas: Mutex<BTreeMap<CreatorId, (Persona, Arc<RenderedPersona>)>>,
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
    /// The creator does not exist.
    #[error("there is no such creator")]
    UnknownCreator,
    /// What is to be different for the fan contradicts itself.
    #[error(transparent)]
    InvalidSettings(#[from] InvalidSettings),
    /// The operator's text cannot be sent.
    #[error("the text cannot be sent: {reason}")]
    InvalidText {
        /// Why, and what would be valid.
        reason: String,
    },
    /// A rule of the policy layer forbids the operator's text, as it forbids the model's.
    #[error("the text may not be sent: {violation}{}", at(.place.as_ref()))]
    ForbiddenText {
        /// The rule.
        violation: Violation,
        /// Which characters of the text break it by themselves, counted from 0; `None` if none do without
        /// the rest.
        place: Option<Range<usize>>,
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
            Self::UnknownConversation
            | Self::UnknownCreator
            | Self::InvalidSettings(_)
            | Self::InvalidText { .. }
            | Self::ForbiddenText { .. } => Retry::Never,
        }
    }
}

/// Characters as a person counts them.
fn at(place: Option<&Range<usize>>) -> String {
    place.map_or(String::new(), |place| {
        format!(" (characters {} to {})", place.start + 1, place.end)
    })
}

impl From<IntakeError> for EngineError {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::Backend { source } => source.into(),
            IntakeError::Entropy(error) => error.into(),
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

    /// Where it is noted how things go.
    #[must_use]
    pub fn pulse(&self) -> &Pulse {
        self.intake().pulse()
    }

    /// How the grant is doing by which the creator's chats are reached; see [`TokenSource::status`].
    pub(crate) async fn grant(&self, creator: &Creator) -> Result<GrantStatus, TokenError> {
        self.shared.tokens.status(creator.grant()).await
    }

    /// Uses the grant by which the creator's chats are reached, so that it does not lapse unused.
    pub(crate) async fn keep_grant(&self, creator: &Creator) -> Result<(), TokenError> {
        self.shared.tokens.auth(creator).await.map(drop)
    }

    /// Notes that a worker is at it, and writes what was noted.
    #[cfg(feature = "worker")]
    pub(crate) async fn beat(&self) {
        let now = self.now();
        self.pulse().works(Whose::Deployment, Part::Worker, now);
        if let Err(error) = self.pulse().flush(&**self.backend().store(), now).await {
            tracing::debug!(error = %FailureNote::from_error(&error), "how things go could not be stored");
        }
    }

    fn works(&self, creator: CreatorId, part: Part) {
        self.pulse()
            .works(Whose::Creator(creator), part, self.now());
    }

    fn fails(&self, creator: CreatorId, part: Part, trouble: Trouble) {
        let whose = Whose::Creator(creator);
        self.pulse().fails(whose, part, trouble, self.now());
    }

    /// Ends the token refreshes that are under way; see [`TokenSource::finish`].
    #[cfg(feature = "worker")]
    pub(crate) async fn finish_refreshes(&self) -> Result<(), TokenError> {
        self.shared.tokens.finish().await
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

    /// Brings the lane's conversation to rest and ends its jobs.
    ///
    /// May be dropped at any point: the jobs come back when their lease lapses, and the committed state
    /// goes on where it stood.
    ///
    /// # Errors
    /// As [`EngineError`] says; the jobs come back by themselves.
    pub async fn run(&self, lane: ClaimedLane) -> Result<RunOutcome, EngineError> {
        let worked = self.work(lane).await;
        self.end(worked).await
    }

    /// The first half of [`Engine::run`]: the lane's jobs are still held when it returns.
    pub(crate) async fn work(&self, lane: ClaimedLane) -> Worked {
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
        Worked {
            id,
            claims,
            attempt,
            result,
        }
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
    async fn advance(&self, id: ConversationId) -> Result<Rest, Failure> {
        let mut performed = Performed::from(Input::Wake);
        for _ in 0..LONGEST_RUN {
            // What was acknowledged counts, also if nobody has come to it yet.
            let taken_in = self.shared.intake.take_in_all_of(id).await;
            taken_in.map_err(EngineError::from)?;
            let Some(stepped) = self.commit(id, &performed, None).await? else {
                return Ok(Rest::default());
            };
            if let Some(failure) = performed.failure.take() {
                return Err(failure);
            }
            if stepped.replied {
                self.mark_read(&stepped.creator, id).await;
            }
            let Some(effect) = stepped.effect else {
                return Ok(Rest::of(&stepped.conversation));
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
        let mut context = self.shared.intake.context(&creator)?;
        // A self-test reaches nobody, and tells that the rest works while all is stopped.
        if id.creator != self_test::CREATOR {
            context.ceiling = self.ceiling().await?;
        }
        let detector = self.shared.intake.reads_with();
        let mut batch = Batch::new(stored.value, context, &*self.shared.counter, detector);
        for (message, content) in &performed.contents {
            batch.learn_owed(*message, content);
        }
        for (arrival, known) in performed.arrivals.iter().zip(&known) {
            batch.arrive(arrival, known.as_ref());
        }
        if let Some(deleted) = performed.deleted {
            let known = self.backend().store().message(id, deleted).await?;
            batch.delete(deleted, Some(Sender::Fan), known.as_ref());
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
        let (effect, replied, stopped) = (batch.effect.take(), batch.replied, batch.stopped);
        let acted = batch.acted.take();
        let conversation = batch.change.conversation.clone();
        if batch.changed {
            let jobs: Vec<NewJob> = wake
                .zip(conversation.job_at())
                .map(|(priority, (due, _))| {
                    let name = format!("act/{}", stored.revision.next());
                    let key = IdempotencyKey::in_lane(&id.into(), &name);
                    NewJob::wake(id, due, key).priority(priority)
                })
                .into_iter()
                .collect();
            self.backend()
                .commit_and_enqueue(&batch.change.into(), Some(stored.revision), &jobs)
                .await?;
            tell(id, stopped);
        }
        Ok(Some(Stepped {
            creator,
            conversation,
            effect,
            replied,
            acted,
        }))
    }

    async fn perform(
        &self,
        creator: &Creator,
        conversation: &Conversation,
        effect: Effect,
    ) -> Result<Performed, Failure> {
        if creator.id == self_test::CREATOR {
            return Ok(self_test::performed(effect).into());
        }
        let class = class(conversation);
        match effect {
            Effect::ReadHistory => self.read_history(creator, conversation.id, class).await,
            Effect::Fetch { messages } => {
                self.fetch(creator, conversation.id, class, &messages).await
            }
            Effect::Compose {
                draft,
                seed,
                repair,
                instruction,
            } => {
                let wish = Wish {
                    repair: repair.as_deref(),
                    instruction: instruction.as_ref().map(Note::as_str),
                };
                self.compose(creator, conversation, draft, seed, wish).await
            }
            Effect::ReadChat { draft } => {
                if class == Class::Broadcast
                    && let Some(broadcast) = self.held_broadcast(conversation).await?
                {
                    return Ok(Input::Withdraw { broadcast }.into());
                }
                self.read_before_send(creator, conversation.id, class, draft)
                    .await
            }
            Effect::Send {
                draft,
                reply,
                begin_by,
            } => Ok(self
                .send(creator, conversation, class, draft, &reply, begin_by)
                .await),
            Effect::FindSent { draft, intent, .. } => {
                self.find_sent(creator, conversation.id, class, draft, &intent)
                    .await
            }
            Effect::Erase { through } => self.erase_rows(conversation.id, through).await,
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

/// With which right the conversation's calls are made.
fn class(conversation: &Conversation) -> Class {
    match conversation.turn.as_ref().map(|turn| turn.clearance) {
        Some(Clearance::Approved) => Class::ApprovedDraft,
        Some(Clearance::Broadcast) => Class::Broadcast,
        _ => conversation.priority().into(),
    }
}

/// A committed step.
struct Stepped {
    creator: Creator,
    conversation: Conversation,
    effect: Option<Effect>,
    replied: bool,
    acted: Option<Acted>,
}

/// Calls Fanvue with the creator's credential; on a 401 renews it and calls once more.
macro_rules! with_auth {
    ($engine:expr, $creator:expr, $class:expr, |$auth:ident| $call:expr) => {{
        let $auth = $engine.shared.tokens.auth($creator).await?.class($class);
        let outcome = match $call.await {
            Err($crate::client::ClientError::Unauthorized) => {
                let renewed = $engine.shared.tokens.renew($creator, &$auth).await?;
                let $auth = renewed.class($class);
                $call.await
            }
            outcome => outcome,
        };
        if outcome.is_ok() {
            $engine.works($creator.id, $crate::pulse::Part::Fanvue);
        }
        outcome
    }};
}
use with_auth;

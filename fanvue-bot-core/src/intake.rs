//! From a proved event to a stored message and a wake-up: the one door by which messages enter.
//!
//! Messages that a webhook missed and that reading a chat brought up come in by the same door.

use std::sync::Arc;

use crate::backend::{Atomicity, Backend, BackendError};
use crate::client::RemoteMessage;
use crate::conversation::{Conversation, Reply};
use crate::creator::Creator;
use crate::decision::{Decision, Outcome, Rule};
use crate::entropy::{Entropy, EntropyError, OsEntropy, Seed};
use crate::fan::FanProfile;
use crate::flow::{self, Context, Input, Timing};
use crate::id::{AccountId, ConversationId, MessageId};
use crate::message::{Author, Content, Message, MessageType};
use crate::prompt::{BytesPerFour, TokenCounter};
use crate::queue::{IdempotencyKey, NewJob};
use crate::retry::Retry;
use crate::revision::{Revision, Versioned};
use crate::store::{ContentUpdate, ConversationChange, StoreError};
use crate::time::{Clock, SystemClock, Timestamp};
use crate::webhook::event::MessageEvent;
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
}

/// What became of an event. In every case it may be acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Accepted {
    /// It changed the conversation, durably.
    Stored(ConversationId),
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
        }
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
        let (fan, what) = match &event.kind {
            EventKind::MessageReceived(message) => (
                &message.fan,
                Received::Message(Arrival::from_fan(message, event.at)),
            ),
            EventKind::MessageSent(message) => (
                &message.fan,
                Received::Message(Arrival::from_creator(message, event.at)),
            ),
            EventKind::MessageDeleted(message) => {
                (&message.fan, Received::Deleted(message.message))
            }
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
        self.take(&creator.value, fan, &what).await
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
        let mut batch = Batch::new(conversation, context, &*self.counter);
        match received {
            Received::Message(arrival) => batch.arrive(arrival, known.as_ref()),
            Received::Deleted(message) => batch.delete(*message, known.as_ref()),
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
        self.backend
            .commit_and_enqueue(&batch.change.into(), expected, wake.as_slice())
            .await?;
        Ok(Accepted::Stored(id))
    }

    /// The state to step from: as stored, or new.
    pub(crate) fn begin(
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

    pub(crate) fn context<'a>(&self, creator: &'a Creator) -> Result<Context<'a>, EntropyError> {
        Ok(Context {
            now: self.clock.now(),
            seed: Seed::draw(&*self.entropy)?,
            creator,
            timing: self.timing,
        })
    }
}

/// The wake-up that a conversation needs after `cause` came in; its key makes a repetition harmless.
fn wake_up(conversation: &Conversation, cause: &Received) -> Option<NewJob> {
    let due = conversation.wake_at()?;
    // A message and its deletion are two causes: the first wake-up may be long over.
    let key = match cause {
        Received::Message(arrival) => format!("in/{}", arrival.id),
        Received::Deleted(message) => format!("deleted/{message}"),
    };
    Some(NewJob::wake(conversation.id, due, IdempotencyKey::new(key)))
}

#[derive(Debug)]
enum Received {
    Message(Arrival),
    Deleted(MessageId),
}

impl Received {
    const fn id(&self) -> MessageId {
        match self {
            Self::Message(arrival) => arrival.id,
            Self::Deleted(id) => *id,
        }
    }
}

/// A message that has come in, from a webhook or from reading the chat.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) id: MessageId,
    from_fan: bool,
    unattended: bool,
    kind: MessageType,
    content: Content,
    sent_at: Option<Timestamp>,
    /// It was in the chat, and dealt with, before this library knew of the chat.
    pub(crate) is_history: bool,
}

impl Arrival {
    /// Whether a person wrote it in the creator's name.
    pub(crate) const fn is_by_human(&self) -> bool {
        !self.from_fan && !self.unattended
    }

    fn from_fan(event: &MessageEvent, at: Option<Timestamp>) -> Self {
        Self {
            from_fan: true,
            ..Self::from_creator(event, at)
        }
    }

    fn from_creator(event: &MessageEvent, at: Option<Timestamp>) -> Self {
        Self {
            id: event.message,
            from_fan: false,
            unattended: event.is_unattended(),
            kind: event.message_type.clone(),
            content: event.content.clone(),
            sent_at: event.sent_at.or(at),
            is_history: false,
        }
    }

    /// A message as Fanvue lists it in the chat of `account`; `None` if it is not sent yet.
    pub(crate) fn listed(
        message: &RemoteMessage,
        id: ConversationId,
        account: Option<AccountId>,
    ) -> Option<Self> {
        let sent_at = message.sent_at?;
        let sender = message.sender?;
        // In a chat of two, whoever is not the fan is the creator, also when the account is not known.
        let from_fan = sender.as_uuid() == id.fan.as_uuid() && Some(sender) != account;
        Some(Self {
            id: message.id,
            from_fan,
            unattended: message.kind.is_unattended(),
            kind: message.kind.clone(),
            content: Content {
                fetched: true,
                ..message.content.clone()
            },
            sent_at: Some(sent_at),
            is_history: false,
        })
    }
}

/// Several steps on one conversation, to be committed as one change.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) change: ConversationChange,
    pub(crate) effect: Option<flow::Effect>,
    /// Whether there is anything to commit.
    pub(crate) changed: bool,
    context: Context<'a>,
    counter: &'a dyn TokenCounter,
}

impl<'a> Batch<'a> {
    pub(crate) const fn new(
        conversation: Conversation,
        context: Context<'a>,
        counter: &'a dyn TokenCounter,
    ) -> Self {
        Self {
            change: ConversationChange::new(conversation),
            effect: None,
            changed: false,
            context,
            counter,
        }
    }

    /// Takes one message in; `known` is the message as stored, if it is.
    pub(crate) fn arrive(&mut self, arrival: &Arrival, known: Option<&Message>) {
        if let Some(known) = known {
            if arrival.content.fetched && !known.content.fetched && known.deleted_at.is_none() {
                self.learn(arrival.id, &arrival.content);
            }
            return;
        }
        if self
            .change
            .messages
            .iter()
            .any(|message| message.id == arrival.id)
        {
            return;
        }
        let sent_at = arrival.sent_at.unwrap_or(self.context.now);
        let author = if arrival.unattended {
            Author::Automation
        } else if arrival.is_history && arrival.from_fan {
            let outcome = Outcome::Blocked {
                rule: Rule::BeforeBot,
            };
            self.decide(arrival.id, Decision::new(outcome, self.context.now));
            Author::Fan
        } else if arrival.is_history {
            Author::Human
        } else if arrival.from_fan {
            let fetched = arrival.content.fetched || arrival.content.text.is_some();
            self.step(Input::FanMessage {
                id: arrival.id,
                sent_at,
                fetched,
            });
            Author::Fan
        } else {
            let text = match &arrival.content.text {
                Some(text) => Some(Reply::new(Arc::clone(text))),
                // A message without words is certainly not a reply of ours.
                None if arrival.content.fetched => Some(Reply::new("")),
                None => None,
            };
            self.step(Input::CreatorMessage {
                id: arrival.id,
                sent_at,
                text,
            });
            let ours = self
                .change
                .messages
                .iter()
                .any(|message| message.id == arrival.id);
            let open = self
                .change
                .conversation
                .unattributed
                .iter()
                .any(|message| message.id == arrival.id);
            if ours || open {
                return;
            }
            Author::Human
        };
        let message = self.message(arrival.id, author, arrival.content.clone(), sent_at);
        self.changed = true;
        self.change.messages.push(Message {
            kind: arrival.kind.clone(),
            ..message
        });
    }

    /// A message was deleted; one that has not come in yet leaves a mark, so that it does not when it does.
    pub(crate) fn delete(&mut self, id: MessageId, known: Option<&Message>) {
        let now = self.context.now;
        match known {
            Some(known) if known.deleted_at.is_some() => return,
            Some(_) => self.change.deletions.push((id, now)),
            None => {
                let mark = self.message(id, Author::Fan, Content::default(), now);
                self.change.messages.push(Message {
                    deleted_at: Some(now),
                    ..mark
                });
                let outcome = Outcome::Blocked {
                    rule: Rule::Deleted,
                };
                self.decide(id, Decision::new(outcome, now));
            }
        }
        self.changed = true;
        self.step(Input::Deleted { id });
    }

    /// What an event tells of the fan.
    fn meet(&mut self, fan: &FanProfile) {
        let fingerprint = fan.fingerprint();
        if fingerprint != 0 && fingerprint != self.change.conversation.fan_fingerprint {
            self.change.conversation.fan_fingerprint = fingerprint;
            self.change.fan = Some(fan.clone());
            self.changed = true;
        }
    }

    /// The words of a stored message are known now.
    pub(crate) fn learn(&mut self, id: MessageId, content: &Content) {
        let tokens = content
            .text
            .as_deref()
            .map(|text| self.counter.stored(text));
        self.change.contents.push(ContentUpdate {
            message: id,
            content: content.clone(),
            tokens,
        });
        self.changed = true;
        self.step(Input::Fetched { ids: vec![id] });
    }

    /// One step.
    pub(crate) fn step(&mut self, input: Input) {
        let transition = flow::step(&self.change.conversation, input, &self.context);
        self.changed |=
            transition.next != self.change.conversation || !transition.decisions.is_empty();
        self.change.conversation = transition.next;
        for (id, decision) in transition.decisions {
            self.decide(id, decision);
        }
        self.effect = transition.effect;
        if let Some(sent) = transition.sent {
            let content = Content::text(Arc::clone(sent.reply.text()));
            let mut message = self.message(sent.message, Author::Bot, content, sent.sent_at);
            message.turn = Some(sent.turn);
            self.change.messages.push(message);
        }
        for human in transition.by_human {
            // The rest of what it says, such as media, is learned when the chat is read next.
            let content = Content {
                text: human.text.map(|text| Arc::clone(text.text())),
                ..Content::default()
            };
            let message = self.message(human.id, Author::Human, content, human.sent_at);
            self.change.messages.push(message);
        }
    }

    fn decide(&mut self, id: MessageId, decision: Decision) {
        match self
            .change
            .decisions
            .iter_mut()
            .find(|(known, _)| *known == id)
        {
            Some(entry) => entry.1 = decision,
            None => self.change.decisions.push((id, decision)),
        }
    }

    fn message(
        &self,
        id: MessageId,
        author: Author,
        content: Content,
        sent_at: Timestamp,
    ) -> Message {
        let tokens = content
            .text
            .as_deref()
            .map(|text| self.counter.stored(text));
        Message {
            id,
            conversation: self.change.conversation.id,
            author,
            kind: MessageType::SingleRecipient,
            content,
            sent_at,
            stored_at: self.context.now,
            tokens,
            turn: None,
            decision: None,
            deleted_at: None,
        }
    }
}

//! Several steps on one conversation, put together to be committed as one change.
//!
//! Taking an event in and running a turn both change a conversation this way, so that a message enters
//! alike whether a webhook or a look at the chat brought it up.

use std::sync::Arc;

use crate::client::RemoteMessage;
use crate::conversation::{Clearance, Conversation, Reply, Stopped};
use crate::decision::{Decision, Outcome, Rule};
use crate::fan::FanProfile;
use crate::flow::{self, Acted, Context, Input};
use crate::id::{AccountId, ConversationId, MessageId};
use crate::ledger::{Transaction, first_telling};
use crate::message::{Author, Content, Message, MessageType};
use crate::policy::{Detector, Signal};
use crate::prompt::TokenCounter;
use crate::store::{ContentUpdate, ConversationChange};
use crate::time::Timestamp;
use crate::webhook::event::{MessageEvent, Sender};

/// A message that has come in, from a webhook or from reading the chat.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) id: MessageId,
    from_fan: bool,
    unattended: bool,
    kind: MessageType,
    content: Content,
    pub(crate) sent_at: Option<Timestamp>,
    /// It was in the chat, and dealt with, before this library knew of the chat.
    pub(crate) is_history: bool,
}

impl Arrival {
    /// Whether a person wrote it in the creator's name.
    pub(crate) const fn is_by_human(&self) -> bool {
        !self.from_fan && !self.unattended
    }

    pub(crate) fn from_fan(event: &MessageEvent, at: Option<Timestamp>) -> Self {
        Self {
            from_fan: true,
            ..Self::from_creator(event, at)
        }
    }

    pub(crate) fn from_creator(event: &MessageEvent, at: Option<Timestamp>) -> Self {
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

/// Tells the operators through the log that a fan needs a human. For after the commit, so that it is told
/// once.
pub(crate) fn tell(id: ConversationId, stopped: Option<Stopped>) {
    if let Some(stopped) = stopped
        && stopped.cause != Signal::OptOut
    {
        tracing::error!(
            creator.id = %id.creator,
            fan.id = %id.fan,
            message.id = %stopped.message,
            sign = %stopped.cause,
            "automatic answers to a fan stopped, a human has to look"
        );
    }
}

/// Several steps on one conversation, to be committed as one change.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) change: ConversationChange,
    pub(crate) effect: Option<flow::Effect>,
    /// Whether there is anything to commit.
    pub(crate) changed: bool,
    /// Whether a reply of ours is known to have gone out in one of the steps.
    pub(crate) replied: bool,
    context: Context<'a>,
    counter: &'a dyn TokenCounter,
    detector: &'a dyn Detector,
    /// What came of an operator's action, if the last step was one.
    pub(crate) acted: Option<Acted>,
    /// What stopped automatic answers in one of the steps.
    pub(crate) stopped: Option<Stopped>,
}

impl<'a> Batch<'a> {
    pub(crate) const fn new(
        conversation: Conversation,
        context: Context<'a>,
        counter: &'a dyn TokenCounter,
        detector: &'a dyn Detector,
    ) -> Self {
        Self {
            change: ConversationChange::new(conversation),
            effect: None,
            changed: false,
            replied: false,
            acted: None,
            context,
            counter,
            detector,
            stopped: None,
        }
    }

    /// Whether the message is one of those that were erased. They stay so, wherever they come from.
    pub(crate) fn has_erased(&self, arrival: &Arrival) -> bool {
        let sent_at = arrival.sent_at.unwrap_or(self.context.now);
        let erasure = self.change.conversation.erasure;
        erasure.is_some_and(|erasure| {
            if arrival.from_fan {
                erasure.covers_fan(sent_at)
            } else {
                erasure.covers_creator(sent_at)
            }
        })
    }

    /// Takes one message in; `known` is the message as stored, if it is.
    pub(crate) fn arrive(&mut self, arrival: &Arrival, known: Option<&Message>) {
        if self.has_erased(arrival) || known.is_some_and(|known| self.row_goes(known)) {
            return;
        }
        if let Some(known) = known {
            if arrival.content.fetched && !known.content.fetched && known.deleted_at.is_none() {
                self.learn(arrival.id, &arrival.content);
                if known.author == Author::Fan {
                    self.notice(known.id, known.sent_at, &arrival.content);
                }
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
            self.notice(arrival.id, sent_at, &arrival.content);
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
        if author == Author::Fan {
            let count = &mut self.change.conversation.fan_messages;
            *count = count.saturating_add(1);
        }
        let message = self.message(arrival.id, author, arrival.content.clone(), sent_at);
        self.changed = true;
        self.change.messages.push(Message {
            kind: arrival.kind.clone(),
            ..message
        });
    }

    /// Whether the row is being erased: it may be gone before anything is written to it.
    fn row_goes(&self, known: &Message) -> bool {
        let erasure = self.change.conversation.erasure;
        erasure.is_some_and(|erasure| known.sent_at <= erasure.through)
    }

    /// A message was deleted. A fan's that has not come in yet leaves a mark, so that it does not when it
    /// does; one in the creator's name may be ours, whose row comes with the outcome of its send.
    pub(crate) fn delete(
        &mut self,
        id: MessageId,
        sender: Option<Sender>,
        known: Option<&Message>,
    ) {
        let now = self.context.now;
        match known {
            Some(known) if known.deleted_at.is_some() || self.row_goes(known) => return,
            Some(_) => self.change.deletions.push((id, now)),
            None if sender != Some(Sender::Fan) => return self.step(Input::Deleted { id }),
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

    /// Takes in a transaction that is not stored; `near` are those stored around its time, `answered` a message of the
    /// fan that told of it and has its answer. One that was erased stays so.
    pub(crate) fn pay(
        &mut self,
        told: &Transaction,
        near: &[Transaction],
        answered: Option<MessageId>,
    ) {
        let erasure = self.change.conversation.erasure;
        if erasure.is_some_and(|erasure| erasure.covers_fan(told.at)) {
            return;
        }
        let first = first_telling(told, near);
        self.change.conversation.spend.note(told, first);
        self.change.transactions.push(Transaction {
            same_as: first.map(|first| first.id),
            ..told.clone()
        });
        self.changed = true;
        if first.is_none() && answered.is_none() {
            self.step(Input::Paid {
                kind: told.kind,
                at: told.at,
            });
        }
    }

    /// What an event tells of the fan. One who was erased is known again when they write again, and not by what is
    /// told once more.
    pub(crate) fn meet(&mut self, fan: &FanProfile) {
        if self.change.conversation.erasure.is_some() && !self.changed {
            return;
        }
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

    /// The same for words that were fetched; those of a message that is or was owed an answer are the fan's.
    pub(crate) fn learn_owed(&mut self, id: MessageId, content: &Content) {
        let state = &self.change.conversation;
        let mut fans = state.pending.iter().chain(&state.unread);
        let sent_at = fans.find(|m| m.id == id).map(|m| m.sent_at);
        if sent_at.is_none() && self.change.conversation.erasure.is_some() {
            // It may be one of those that were erased while its words were fetched.
            return;
        }
        self.learn(id, content);
        if let Some(sent_at) = sent_at {
            self.notice(id, sent_at, content);
        }
    }

    /// Reads what a fan says for signs of what must not go on.
    fn notice(&mut self, id: MessageId, sent_at: Timestamp, content: &Content) {
        let Some(text) = &content.text else {
            return;
        };
        let signals = self.detector.signals(text);
        if signals.is_empty() {
            return;
        }
        let before = self.change.conversation.stopped;
        self.step(Input::Noticed {
            id,
            sent_at,
            signals,
        });
        let after = self.change.conversation.stopped;
        if after != before {
            self.stopped = after;
        }
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
        self.acted = transition.acted;
        if let Some(sent) = transition.sent {
            let content = Content::text(Arc::clone(sent.reply.text()));
            let mut message = self.message(sent.message, Author::Bot, content, sent.sent_at);
            message.turn = Some(sent.turn);
            self.change.messages.push(message);
            self.replied |= sent.clearance != Clearance::Broadcast;
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

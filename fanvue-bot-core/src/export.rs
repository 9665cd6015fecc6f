//! Everything that is held of one fan of one creator, for the fan: lines of JSON, read page by page.
//!
//! The document is a text of lines, each one JSON object with a `line` that says what it is: one `head`, then the
//! messages from the last sent to the first, then the transactions from the latest on, then the jobs, then one `end` with how many lines of each there were.
//! A document without its `end` is not whole. Times are RFC 3339 in UTC, money is in cents. A later version may add
//! fields and kinds of lines; what it changes or takes away raises [`VERSION`].
//!
//! It holds what is stored and nothing that a store derives from it. No token, no key and no seed is in it, and of a job only what it asks for.
//!
//! ```
//! use fanvue_bot_core::export::FanExport;
//! # use fanvue_bot_core::{backend::Backend, conversation::Conversation, entropy::Seed, memory::MemoryBackend};
//! # use fanvue_bot_core::{id::ConversationId, store::{ConversationChange, Store}, time::Timestamp};
//! # use std::io::Write as _;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let memory = std::sync::Arc::new(MemoryBackend::new());
//! # let (creator, fan) = ("5b0f3c1e-0000-4000-8000-00000000c0de", "5b0f3c1e-0000-4000-8000-00000000fa00");
//! # let id = ConversationId::new(creator.parse()?, fan.parse()?);
//! # let new = ConversationChange::new(Conversation::new(id, Seed::new(1)));
//! # memory.commit(&new.into(), None).await?;
//! # let backend = Backend::shared(memory);
//! # let (now, mut file) = (Timestamp::from_seconds(1_767_605_400), Vec::new());
//! let mut export = FanExport::new(&backend, id, now);
//! while let Some(lines) = export.next_lines().await? {
//!     for line in lines {
//!         serde_json::to_writer(&mut file, &line)?;
//!         file.write_all(b"\n")?;
//!     }
//! }
//! # let text = String::from_utf8(file)?;
//! # assert!(text.starts_with(r#"{"line":"head","format":"fanvue-bot.fan","version":1,"#), "{text}");
//! # assert!(text.ends_with("{\"line\":\"end\",\"messages\":0,\"transactions\":0,\"jobs\":0}\n"), "{text}");
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::backend::{Backend, BackendError};
use crate::conversation::{
    Conversation, Delivery, Erasure, FollowUp, NoSell, Phase, Reply, Stopped,
};
use crate::decision::{Decision, Outcome};
use crate::draft::Draft;
use crate::fan::FanProfile;
use crate::id::{
    BroadcastId, ConversationId, CreatorId, FanId, JobId, MediaId, MessageId, TransactionId,
};
use crate::ledger::{Reference, Spend, Transaction, TransactionKind};
use crate::message::{Author, Message, MessageType};
use crate::money::{Cents, Currency};
use crate::page::{Cursor, Page, PageRequest};
use crate::queue::{JobKind, JobRecord, JobStanding};
use crate::settings::Overrides;
use crate::time::Timestamp;

/// What [`Head::format`] says.
pub const FORMAT: &str = "fanvue-bot.fan";
/// The version of the document that this version of the library writes.
pub const VERSION: u32 = 1;

/// How many broadcasts a document tells of: more than anybody gets in years.
const BROADCASTS: usize = 1_000;
/// How many lines are read at a time, so that a long chat does not lie in memory.
const AT_ONCE: usize = 500;

/// One line of the document. `Debug` shows ids and no words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Line {
    /// Who, and how things stand.
    Head(Box<Head>),
    /// One message with what became of it.
    Message(Box<MessageLine>),
    /// One transaction.
    Transaction(Box<TransactionLine>),
    /// One job.
    Job(JobLine),
    /// Nothing is missing.
    End {
        /// How many messages there are.
        messages: u64,
        /// How many transactions there are.
        #[serde(default)]
        transactions: u64,
        /// How many jobs there are.
        jobs: u64,
    },
}

/// Who the fan is, and how the conversation stands.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Head {
    /// [`FORMAT`].
    pub format: Box<str>,
    /// [`VERSION`].
    pub version: u32,
    /// When the export began.
    pub exported_at: Timestamp,
    /// The creator whose fan it is.
    pub creator: CreatorId,
    /// The fan.
    pub fan: FanId,
    /// The name in their address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<Arc<str>>,
    /// The name they show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Arc<str>>,
    /// The name that the creator gave them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nickname: Option<Arc<str>>,
    /// How the conversation stands.
    pub conversation: Standing,
    /// The broadcasts of which they are a recipient, at most 1000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipient_of: Vec<RecipientOf>,
}

/// A broadcast of which the fan is a recipient. `Debug` shows no name.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecipientOf {
    /// Which broadcast.
    pub broadcast: BroadcastId,
    /// How it stands, by the name of a [`Standing`](crate::broadcast::Standing).
    pub standing: Box<str>,
    /// What they went by in the list from which they were added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
}

impl fmt::Debug for RecipientOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecipientOf")
            .field("broadcast", &self.broadcast)
            .field("standing", &self.standing)
            .finish_non_exhaustive()
    }
}

/// How a conversation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Standing {
    /// Whether the fan asked for no automatic answers.
    pub opted_out: bool,
    /// When the fan last said whether they want messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent_at: Option<Timestamp>,
    /// What the fan's words stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
    /// Until when a human has the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<Timestamp>,
    /// When a human last wrote in the creator's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_human_at: Option<Timestamp>,
    /// When the fan's latest message was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_fan_at: Option<Timestamp>,
    /// When the bot last replied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_reply_at: Option<Timestamp>,
    /// The fan's latest silence, and what became of its nudge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_up: Option<FollowUp>,
    /// When the fan was last nudged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nudged_at: Option<Timestamp>,
    /// When the fan last said goodbye.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goodbye_at: Option<Timestamp>,
    /// The latest time in which they are offered nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_sell: Option<NoSell>,
    /// Since which payment they are still to be thanked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thanks_due: Option<Timestamp>,
    /// How many messages of the fan were stored, be they deleted since.
    #[serde(default)]
    pub fan_messages: u64,
    /// What the fan has paid in all.
    #[serde(default, skip_serializing_if = "Spend::is_none")]
    pub spend: Spend,
    /// What of the creator's settings is different for this fan.
    #[serde(default, skip_serializing_if = "Overrides::is_none")]
    pub overrides: Overrides,
    /// The fan's messages that no reply covers yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unanswered: Vec<MessageId>,
    /// A reply that is written and was not sent yet, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<Reply>,
    /// The latest replies that an operator was asked to decide on, and what became of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drafts: Vec<Draft>,
    /// The latest broadcasts, and whether they went to the fan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broadcasts: Vec<Delivery>,
    /// Up to where the fan was erased before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure: Option<Erasure>,
}

/// One message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MessageLine {
    /// Which.
    pub id: MessageId,
    /// Who wrote it.
    pub author: Author,
    /// What kind of message Fanvue says it is.
    pub kind: MessageType,
    /// When it was sent, by Fanvue's clock.
    pub sent_at: Timestamp,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// Its words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Arc<str>>,
    /// The ids of its media.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<MediaId>,
    /// What its media was offered for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_cents: Option<Cents>,
    /// When it was deleted on Fanvue; its words are not held since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// What the bot decided on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionLine>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DecisionLine {
    /// The name of the [`Reason`](crate::decision::Reason).
    pub reason: Box<str>,
    /// The same in words.
    pub in_words: Box<str>,
    /// The outcome with its details.
    pub detail: Outcome,
    /// When that was decided.
    pub at: Timestamp,
}

/// One telling of money that the fan paid or got back, or of a subscription that ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TransactionLine {
    /// Which.
    pub id: TransactionId,
    /// What happened.
    pub kind: TransactionKind,
    /// What the fan paid or got back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_cents: Option<Cents>,
    /// What the creator gets of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net_cents: Option<Cents>,
    /// The currency; US dollars where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// When it happened, by Fanvue's clock.
    pub at: Timestamp,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// The message that was paid for or tipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    /// The post that was paid for or tipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<Uuid>,
    /// What Fanvue calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// The payment that went back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverses: Option<TransactionId>,
    /// The line of the same payment, told of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<TransactionId>,
}

/// One job that is held of the fan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JobLine {
    /// Which.
    pub id: JobId,
    /// What it asks for.
    pub asks: JobKind,
    /// When it is or was due.
    pub due: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up_at: Option<Timestamp>,
    /// Why it failed last, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Box<str>>,
}

/// An export in progress.
///
/// Each page is as of when it is read: what comes in meanwhile may be in it or not. A call that fails changes
/// nothing, and the next one reads the same page again.
#[derive(Debug)]
pub struct FanExport {
    backend: Backend,
    id: ConversationId,
    at: Timestamp,
    place: Place,
    messages: u64,
    transactions: u64,
    jobs: u64,
}

#[derive(Debug)]
enum Place {
    Head,
    Messages(Option<Cursor>),
    Transactions(Option<Cursor>),
    Jobs(Option<Cursor>),
    End,
    Over,
}

impl FanExport {
    /// The export of what `backend` holds of the fan of `id`; `now` is written into it.
    #[must_use]
    pub fn new(backend: &Backend, id: ConversationId, now: Timestamp) -> Self {
        Self {
            backend: backend.clone(),
            id,
            at: now,
            place: Place::Head,
            messages: 0,
            transactions: 0,
            jobs: 0,
        }
    }

    /// The next lines, at most some hundred, perhaps none; `None` after the last. Of a fan of whom nothing is held
    /// there is no line at all.
    ///
    /// # Errors
    /// The store's and the queue's.
    pub async fn next_lines(&mut self) -> Result<Option<Vec<Line>>, BackendError> {
        let (lines, place) = match &self.place {
            Place::Head => match self.head().await? {
                Some(head) => (vec![Line::Head(Box::new(head))], Place::Messages(None)),
                None => (Vec::new(), Place::Over),
            },
            Place::Messages(after) => {
                let page = self
                    .backend
                    .store()
                    .messages(self.id, &from(after.as_ref()))
                    .await?;
                let rest = rest_of(&page, Place::Messages, Place::Transactions(None));
                self.messages += count(&page);
                let lines = page.items.into_iter().map(message).collect();
                (lines, rest)
            }
            Place::Transactions(after) => {
                let page = self
                    .backend
                    .store()
                    .transactions(self.id, &from(after.as_ref()))
                    .await?;
                let rest = rest_of(&page, Place::Transactions, Place::Jobs(None));
                self.transactions += count(&page);
                let lines = page.items.into_iter().map(transaction).collect();
                (lines, rest)
            }
            Place::Jobs(after) => {
                let lane = self.id.into();
                let page = self
                    .backend
                    .queue()
                    .jobs(&lane, &from(after.as_ref()))
                    .await?;
                let rest = rest_of(&page, Place::Jobs, Place::End);
                self.jobs += count(&page);
                (page.items.into_iter().map(job).collect(), rest)
            }
            Place::End => {
                let end = Line::End {
                    messages: self.messages,
                    transactions: self.transactions,
                    jobs: self.jobs,
                };
                (vec![end], Place::Over)
            }
            Place::Over => return Ok(None),
        };
        self.place = place;
        Ok(Some(lines))
    }

    async fn head(&self) -> Result<Option<Head>, BackendError> {
        let store = self.backend.store();
        let Some(conversation) = store.conversation(self.id).await? else {
            return Ok(None);
        };
        let fan = store.fan(self.id).await?;
        let fan = fan.unwrap_or_else(|| FanProfile::new(self.id.fan));
        Ok(Some(Head {
            format: FORMAT.into(),
            version: VERSION,
            exported_at: self.at,
            creator: self.id.creator,
            fan: self.id.fan,
            handle: fan.handle,
            display_name: fan.display_name,
            nickname: fan.nickname,
            conversation: standing(conversation.value),
            recipient_of: self.recipient_of().await?,
        }))
    }

    async fn recipient_of(&self) -> Result<Vec<RecipientOf>, BackendError> {
        let Some(broadcasts) = self.backend.broadcasts_in() else {
            return Ok(Vec::new());
        };
        let listed = broadcasts.broadcasts_to(self.id, None, BROADCASTS).await?;
        Ok(listed
            .into_iter()
            .map(|recipient| RecipientOf {
                broadcast: recipient.broadcast,
                standing: recipient.standing.as_str().into(),
                name: recipient.name,
            })
            .collect())
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("creator", &self.creator)
            .field("fan", &self.fan)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for MessageLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageLine")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

fn from(after: Option<&Cursor>) -> PageRequest {
    match after {
        Some(cursor) => PageRequest::after(AT_ONCE, cursor.clone()),
        None => PageRequest::first(AT_ONCE),
    }
}

fn rest_of<T>(page: &Page<T>, more: impl FnOnce(Option<Cursor>) -> Place, end: Place) -> Place {
    match &page.next {
        Some(cursor) => more(Some(cursor.clone())),
        None => end,
    }
}

fn count<T>(page: &Page<T>) -> u64 {
    u64::try_from(page.items.len()).unwrap_or(u64::MAX)
}

fn standing(state: Conversation) -> Standing {
    let draft = state.turn.and_then(|turn| match turn.phase {
        Phase::AwaitingApproval { reply, .. }
        | Phase::Pacing { reply, .. }
        | Phase::Sending { reply, .. }
        | Phase::Reconciling { reply, .. } => Some(reply),
        Phase::Settling { .. } | Phase::Composing { .. } => None,
    });
    Standing {
        opted_out: state.opted_out,
        consent_at: state.consent_at,
        stopped: state.stopped,
        paused_until: state.paused_until,
        last_human_at: state.last_human_at,
        last_fan_at: state.last_fan_at,
        last_reply_at: state.last_reply_at,
        follow_up: state.follow_up,
        nudged_at: state.nudged_at,
        goodbye_at: state.goodbye_at,
        no_sell: state.no_sell,
        thanks_due: state.thanks_due,
        fan_messages: state.fan_messages,
        spend: state.spend,
        overrides: state.overrides,
        unanswered: state.pending.iter().map(|message| message.id).collect(),
        draft,
        drafts: state.drafts,
        broadcasts: state.deliveries,
        erasure: state.erasure,
    }
}

fn message(message: Message) -> Line {
    Line::Message(Box::new(MessageLine {
        id: message.id,
        author: message.author,
        kind: message.kind,
        sent_at: message.sent_at,
        stored_at: message.stored_at,
        text: message.content.text,
        media: message.content.media,
        price_cents: message.content.price,
        deleted_at: message.deleted_at,
        decision: message.decision.map(decision),
    }))
}

fn transaction(transaction: Transaction) -> Line {
    Line::Transaction(Box::new(TransactionLine {
        id: transaction.id,
        kind: transaction.kind,
        amount_cents: transaction.amount,
        net_cents: transaction.net,
        currency: transaction.currency,
        at: transaction.at,
        stored_at: transaction.stored_at,
        message: transaction.message,
        post: transaction.post,
        reference: transaction.reference,
        reverses: transaction.reverses,
        same_as: transaction.same_as,
    }))
}

fn decision(decision: Decision) -> DecisionLine {
    DecisionLine {
        reason: decision.reason().as_str().into(),
        in_words: decision.outcome.to_string().into(),
        detail: decision.outcome,
        at: decision.at,
    }
}

fn job(record: JobRecord) -> Line {
    let (given_up_at, failure) = match record.standing {
        JobStanding::Open { last_error } => (None, last_error),
        JobStanding::GivenUp { at, cause } => (Some(at), Some(cause)),
    };
    Line::Job(JobLine {
        id: record.job,
        asks: record.kind,
        due: record.due,
        attempts: record.attempts,
        given_up_at,
        failure: failure.map(|failure| failure.as_str().into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::Rule;
    use crate::entropy::Seed;
    use crate::memory::MemoryBackend;
    use crate::message::Content;
    use crate::queue::{ClaimLimits, FailureNote, IdempotencyKey, JobQueue as _, NewJob, WorkerId};
    use crate::store::{ConversationChange, Store as _};
    use std::time::Duration;

    const AT: Timestamp = Timestamp::from_seconds(1_767_605_400);

    fn chat(fan: u128) -> ConversationId {
        ConversationId::new(
            CreatorId::from_uuid(Uuid::from_u128(1)),
            FanId::from_uuid(Uuid::from_u128(fan)),
        )
    }

    fn row(id: ConversationId, number: u32) -> Message {
        Message {
            id: MessageId::from_uuid(Uuid::from_u128(u128::from(number))),
            conversation: id,
            author: Author::Fan,
            kind: MessageType::SingleRecipient,
            content: Content::text(format!("message {number}")),
            sent_at: AT + Duration::from_secs(u64::from(number)),
            stored_at: AT,
            tokens: None,
            turn: None,
            decision: None,
            deleted_at: None,
        }
    }

    async fn commit(memory: &MemoryBackend, id: ConversationId, messages: Vec<Message>) {
        let mut change = ConversationChange::new(Conversation::new(id, Seed::new(77_777)));
        change.messages = messages;
        let mut fan = FanProfile::new(id.fan);
        fan.nickname = Some("Otto".into());
        change.fan = Some(fan);
        memory.commit(&change.into(), None).await.unwrap();
    }

    /// The document as text, and how long its longest part is in lines.
    async fn export(memory: Arc<MemoryBackend>, id: ConversationId) -> (String, usize) {
        let backend = Backend::shared(memory);
        let mut export = FanExport::new(&backend, id, AT);
        let (mut text, mut longest) = (String::new(), 0);
        while let Some(lines) = export.next_lines().await.unwrap() {
            longest = longest.max(lines.len());
            for line in lines {
                text.push_str(&serde_json::to_string(&line).unwrap());
                text.push('\n');
            }
        }
        (text, longest)
    }

    #[tokio::test]
    async fn every_line_reads_back_and_says_what_is_stored() {
        let memory = Arc::new(MemoryBackend::new());
        let id = chat(2);
        let mut decided = row(id, 1);
        decided.content.price = Some(Cents::new(500));
        let rule = Rule::Deleted;
        decided.decision = Some(Decision::new(Outcome::Blocked { rule }, AT));
        commit(&memory, id, vec![decided]).await;
        commit(&memory, chat(3), vec![row(chat(3), 9)]).await;
        let key = IdempotencyKey::in_lane(&id.into(), "secret name");
        memory.enqueue(&[NewJob::wake(id, AT, key)]).await.unwrap();
        let lease = Duration::from_secs(9);
        let mut lanes = memory
            .claim(&WorkerId::new("w"), &ClaimLimits::lanes(1), AT, lease)
            .await
            .unwrap();
        let claim = lanes.remove(0).jobs.remove(0).claim;
        let note = FailureNote::new("no answer");
        memory.dead_letter(claim, AT, &note).await.unwrap();

        let (text, _) = export(memory, id).await;
        let lines: Vec<Line> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let [
            Line::Head(head),
            Line::Message(message),
            Line::Job(job),
            end,
        ] = &*lines
        else {
            panic!("{text}");
        };
        assert_eq!((&*head.format, head.version), (FORMAT, VERSION));
        assert_eq!(head.nickname.as_deref(), Some("Otto"));
        assert_eq!(message.text.as_deref(), Some("message 1"));
        assert_eq!(message.price_cents, Some(Cents::new(500)));
        let decision = message.decision.as_ref().unwrap();
        assert_eq!(&*decision.reason, "blocked_deleted");
        assert_eq!(job.failure.as_deref(), Some("no answer"));
        assert_eq!(job.given_up_at, Some(AT));
        let counted = Line::End {
            messages: 1,
            transactions: 0,
            jobs: 1,
        };
        assert_eq!(*end, counted);
        assert!(
            !text.contains("77777") && !text.contains("secret name"),
            "{text}"
        );
        assert!(!text.contains("message 9"), "{text}");
    }

    #[tokio::test]
    async fn a_long_chat_is_read_in_parts_and_is_whole() {
        let memory = Arc::new(MemoryBackend::new());
        let id = chat(2);
        let messages = (1..=1_234).map(|number| row(id, number)).collect();
        commit(&memory, id, messages).await;
        let (text, longest) = export(memory, id).await;
        assert!(longest <= AT_ONCE, "{longest} lines at once");
        for number in 1..=1_234 {
            let words = format!("\"message {number}\"");
            assert_eq!(text.matches(&words).count(), 1, "{words}");
        }
        assert!(
            text.ends_with("{\"line\":\"end\",\"messages\":1234,\"transactions\":0,\"jobs\":0}\n")
        );
    }

    #[tokio::test]
    async fn of_a_fan_who_is_not_known_there_is_no_line() {
        let (text, _) = export(Arc::new(MemoryBackend::new()), chat(2)).await;
        assert_eq!(text, "");
    }
}

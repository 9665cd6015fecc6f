//! A message as a row, with its decision as columns beside it.

use std::borrow::Cow;
use std::sync::Arc;

use fanvue_bot_core::decision::{Decision, Outcome};
use fanvue_bot_core::id::{ConversationId, MessageId, TurnId};
use fanvue_bot_core::message::{Author, Content, Message, MessageType, TokenCount};
use fanvue_bot_core::money::Cents;
use fanvue_bot_core::store::StoreError;
use fanvue_bot_core::time::Timestamp;
use uuid::Uuid;

use super::{CorruptField, rejected};

#[derive(Clone)]
pub(crate) struct MessageRow {
    #[cfg_attr(
        not(feature = "sqlite"),
        expect(dead_code, reason = "Postgres writes it once for the whole change")
    )]
    pub(crate) creator: Uuid,
    #[cfg_attr(
        not(feature = "sqlite"),
        expect(dead_code, reason = "Postgres writes it once for the whole change")
    )]
    pub(crate) fan: Uuid,
    pub(crate) id: Uuid,
    pub(crate) author: Cow<'static, str>,
    pub(crate) kind: String,
    pub(crate) content: ContentRow,
    pub(crate) sent_at: i64,
    pub(crate) stored_at: i64,
    pub(crate) turn: Option<i64>,
    pub(crate) decision: Option<DecisionRow>,
    pub(crate) deleted_at: Option<i64>,
}

/// What a message says, and its length.
#[derive(Clone)]
pub(crate) struct ContentRow {
    pub(crate) text: Option<Arc<str>>,
    /// A JSON list of ids; `None` for an empty one.
    pub(crate) media: Option<String>,
    pub(crate) has_media: bool,
    pub(crate) price_cents: Option<i64>,
    pub(crate) fetched: bool,
    pub(crate) tokenizer: Option<i64>,
    pub(crate) tokens: Option<i64>,
}

#[derive(Clone)]
pub(crate) struct DecisionRow {
    pub(crate) outcome: Cow<'static, str>,
    /// The outcome with its details, as JSON.
    pub(crate) detail: String,
    pub(crate) decided_at: i64,
}

impl MessageRow {
    pub(crate) fn from_domain(message: &Message) -> Result<Self, StoreError> {
        let turn = message
            .turn
            .map(|turn| i64::try_from(turn.number()))
            .transpose()
            .map_err(|_| rejected("message.turn", "is larger than a column holds"))?;
        let mut row = Self {
            creator: message.conversation.creator.as_uuid(),
            fan: message.conversation.fan.as_uuid(),
            id: message.id.as_uuid(),
            author: Cow::Borrowed(message.author.as_str()),
            kind: message.kind.as_wire().to_owned(),
            content: ContentRow::from_domain(&message.content, message.tokens)?,
            sent_at: message.sent_at.as_micros(),
            stored_at: message.stored_at.as_micros(),
            turn,
            decision: message
                .decision
                .as_ref()
                .map(DecisionRow::from_domain)
                .transpose()?,
            deleted_at: None,
        };
        if let Some(at) = message.deleted_at {
            row.delete(at.as_micros());
        }
        Ok(row)
    }

    /// As [`Message::delete`].
    pub(crate) fn delete(&mut self, at: i64) {
        self.content = ContentRow::erased();
        self.deleted_at = Some(self.deleted_at.map_or(at, |before| before.min(at)));
    }

    pub(crate) fn into_domain(self, conversation: ConversationId) -> Result<Message, CorruptField> {
        let corrupt = |field, expected| CorruptField::new("messages", field, expected);
        let (content, tokens) = self.content.into_domain()?;
        let turn = self
            .turn
            .map(u64::try_from)
            .transpose()
            .map_err(|_| corrupt("turn", "a turn's number"))?;
        Ok(Message {
            id: MessageId::from_uuid(self.id),
            conversation,
            author: Author::from_name(&self.author)
                .ok_or_else(|| corrupt("author", "a known author"))?,
            kind: MessageType::from_wire(&self.kind),
            content,
            sent_at: Timestamp::from_micros(self.sent_at),
            stored_at: Timestamp::from_micros(self.stored_at),
            tokens,
            turn: turn.map(TurnId::new),
            decision: self.decision.map(DecisionRow::into_domain).transpose()?,
            deleted_at: self.deleted_at.map(Timestamp::from_micros),
        })
    }
}

impl ContentRow {
    pub(crate) fn from_domain(
        content: &Content,
        tokens: Option<TokenCount>,
    ) -> Result<Self, StoreError> {
        let media = if content.media.is_empty() {
            None
        } else {
            let json = serde_json::to_string(&content.media)
                .map_err(|_| rejected("message.content.media", "does not serialize"))?;
            Some(json)
        };
        Ok(Self {
            text: content.text.clone(),
            media,
            has_media: content.has_media,
            price_cents: content.price.map(Cents::get),
            fetched: content.fetched,
            tokenizer: tokens.map(|count| i64::from(count.tokenizer)),
            tokens: tokens.map(|count| i64::from(count.tokens)),
        })
    }

    /// As [`Content::erased`], without a count.
    pub(crate) const fn erased() -> Self {
        Self {
            text: None,
            media: None,
            has_media: false,
            price_cents: None,
            fetched: true,
            tokenizer: None,
            tokens: None,
        }
    }

    fn into_domain(self) -> Result<(Content, Option<TokenCount>), CorruptField> {
        let corrupt = |field, expected| CorruptField::new("messages", field, expected);
        let media = match self.media {
            None => Vec::new(),
            Some(json) => {
                serde_json::from_str(&json).map_err(|_| corrupt("media", "a list of media ids"))?
            }
        };
        let tokens = match (self.tokenizer, self.tokens) {
            (Some(tokenizer), Some(tokens)) => Some(TokenCount {
                tokenizer: u32::try_from(tokenizer)
                    .map_err(|_| corrupt("tokenizer", "a tokenizer's number"))?,
                tokens: u32::try_from(tokens).map_err(|_| corrupt("tokens", "a count"))?,
            }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err(corrupt("tokens", "a count with its tokenizer"));
            }
        };
        let content = Content {
            text: self.text,
            media,
            has_media: self.has_media,
            price: self.price_cents.map(Cents::new),
            fetched: self.fetched,
        };
        Ok((content, tokens))
    }
}

impl DecisionRow {
    pub(crate) fn from_domain(decision: &Decision) -> Result<Self, StoreError> {
        Ok(Self {
            outcome: Cow::Borrowed(decision.outcome.as_str()),
            detail: serde_json::to_string(&decision.outcome)
                .map_err(|_| rejected("decision.outcome", "does not serialize"))?,
            decided_at: decision.at.as_micros(),
        })
    }

    pub(crate) fn into_domain(self) -> Result<Decision, CorruptField> {
        let outcome: Outcome = serde_json::from_str(&self.detail)
            .map_err(|_| CorruptField::new("messages", "decision", "an outcome"))?;
        if outcome.as_str() != self.outcome {
            return Err(CorruptField::new(
                "messages",
                "outcome",
                "the outcome of its decision",
            ));
        }
        Ok(Decision::new(
            outcome,
            Timestamp::from_micros(self.decided_at),
        ))
    }
}

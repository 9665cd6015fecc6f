//! A reply: history, prompt, model, check.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use super::{Engine, Failure, Performed};
use crate::client::Typing;
use crate::conversation::{Conversation, Purpose};
use crate::creator::Creator;
use crate::entropy::Seed;
use crate::flow::{DraftId, Input};
use crate::id::ConversationId;
use crate::ledger::Transaction;
use crate::llm::{Completion, LlmError};
use crate::message::{Author, Message};
use crate::page::PageRequest;
use crate::policy::{DraftCheck, Signal};
use crate::prompt::check::{CheckContext, check};
use crate::prompt::{self, HistoryCut, Memory, Occasion, Prompt, PromptSource};
use crate::pulse::Part;

/// A reply must not repeat any of this many replies before it.
const NOT_AGAIN: usize = 5;

/// Who paid longer ago is not thanked any more.
const PAID_LATELY: Duration = Duration::from_secs(24 * 60 * 60);
/// So many transactions are looked at for what was paid.
const PAID_READ: usize = 20;

/// What this draft is to do better than the one before.
pub(super) struct Wish<'a> {
    /// What was wrong with that one.
    pub(super) repair: Option<&'a str>,
    /// What an operator asked for.
    pub(super) instruction: Option<&'a str>,
}

impl Engine {
    pub(super) async fn compose(
        &self,
        creator: &Creator,
        conversation: &Conversation,
        draft: DraftId,
        seed: Seed,
        wish: Wish<'_>,
    ) -> Result<Performed, Failure> {
        let id = conversation.id;
        if creator.shows_typing(&conversation.overrides) {
            self.show_typing(creator, id).await;
        }
        let request = PageRequest::first(creator.settings.history_limit);
        let mut stored = self.backend().store().messages(id, &request).await?.items;
        for pending in &conversation.pending {
            // One that came very late may lie behind the newest ones.
            if stored.iter().all(|message| message.id != pending.id)
                && let Some(message) = self.backend().store().message(id, pending.id).await?
            {
                stored.push(message);
            }
        }
        stored.sort_by_key(|message| Reverse((message.sent_at, message.id)));
        stored.retain(|message| message.deleted_at.is_none());
        if let Some(performed) = self
            .learn_words(creator, id, super::class(conversation), &stored)
            .await?
        {
            return Ok(performed);
        }
        let (messages, unanswered) = unanswered_first(stored, conversation);
        let occasion = self.occasion(conversation);
        if unanswered == 0 && occasion == Occasion::Answer {
            // Nothing of what is pending is stored: the rows were erased.
            return Err(Failure::final_words(
                "the messages to be answered are no longer stored",
            ));
        }
        let persona = self.rendered(creator);
        let memory = Memory {
            name: self.fan_name(id).await?,
            ..Memory::default()
        };
        let paid = self.paid_lately(conversation).await?;
        if paid.is_empty() && occasion == Occasion::Thanks {
            return Err(Failure::final_words(
                "what the fan is to be thanked for is no longer stored",
            ));
        }
        let source = PromptSource {
            persona: &persona,
            seed: conversation.seed,
            memory: &memory,
            stage: conversation.stage(&creator.settings.stages),
            occasion,
            paid: &paid,
            newest_first: &messages,
            unanswered,
            cut: HistoryCut(conversation.history_from),
            now: self.now(),
            prompt_tokens: creator
                .settings
                .prompt_tokens
                .min(self.room_for_prompt(creator)),
            reply_tokens: creator.settings.reply_tokens,
            no_sell: conversation.sells_nothing(self.now()),
            bot_answer: self.bot_answer(creator, &messages[..unanswered]),
            repair: wish.repair,
            instruction: wish.instruction,
        };
        let (cut, result) = self.complete(creator, source, seed).await;
        if result.is_ok() {
            self.works(creator.id, Part::Model);
        }
        let input = match result {
            Ok(completion) => {
                let policy = &*self.shared.draft_check;
                checked(creator, draft, &completion, &persona, &messages, policy)
            }
            Err(LlmError::Refused) => Input::Unusable {
                draft,
                problem: "the model refused to answer".into(),
            },
            Err(error) => return Err(error.into()),
        };
        Ok(Performed {
            cut: Some(cut),
            ..input.into()
        })
    }

    /// What this turn writes for.
    fn occasion(&self, conversation: &Conversation) -> Occasion {
        match conversation.turn.as_ref().map(|turn| turn.purpose) {
            Some(Purpose::FollowUp) => Occasion::FollowUp {
                silent_for: conversation
                    .last_reply_at
                    .map_or(Duration::ZERO, |at| self.now().since(at)),
            },
            Some(Purpose::Thanks { .. }) if conversation.pending.is_empty() => Occasion::Thanks,
            _ => Occasion::Answer,
        }
    }

    /// What the persona has said to a fan who asks whether a bot writes, if one of these messages does.
    fn bot_answer<'a>(&self, creator: &'a Creator, unanswered: &[Message]) -> Option<&'a str> {
        let answer = creator.persona.bot_answer.as_deref()?;
        let detector = self.shared.intake.reads_with();
        let texts = unanswered
            .iter()
            .filter_map(|message| message.content.text.as_ref());
        let mut signals = texts.map(|text| detector.signals(text));
        let asks = signals.any(|signals| signals.contains(Signal::BotQuestion));
        asks.then_some(answer)
    }

    /// What the fan paid since the creator last wrote, and not longer than a day ago, the latest first and each
    /// payment once. Nothing is read for a fan who paid nothing meanwhile.
    async fn paid_lately(&self, conversation: &Conversation) -> Result<Vec<Transaction>, Failure> {
        let written = conversation.last_reply_at.max(conversation.last_human_at);
        let lately = self.now().minus(PAID_LATELY);
        let mut since = written.map_or(lately, |written| written.max(lately));
        if let Some(Purpose::Thanks { since: first }) =
            conversation.turn.as_ref().map(|turn| turn.purpose)
        {
            // It was paid while something was written that did not know of it.
            since = since.min(first.minus(Duration::from_micros(1)));
        }
        if conversation.spend.last_paid_at.is_none_or(|at| at <= since) {
            return Ok(Vec::new());
        }
        let (store, page) = (self.backend().store(), PageRequest::first(PAID_READ));
        let mut paid = store.transactions(conversation.id, &page).await?.items;
        paid.retain(|paid| paid.kind.is_payment() && paid.same_as.is_none() && paid.at > since);
        Ok(paid)
    }

    async fn fan_name(&self, id: ConversationId) -> Result<Option<Arc<str>>, Failure> {
        let fan = self.backend().store().fan(id).await?;
        Ok(fan.and_then(|fan| fan.name().map(Arc::from)))
    }

    /// Asks the model; a prompt that it finds too long is built once more, smaller.
    async fn complete(
        &self,
        creator: &Creator,
        mut source: PromptSource<'_>,
        seed: Seed,
    ) -> (HistoryCut, Result<Completion, LlmError>) {
        let prompt = self.build(creator, &source, seed);
        match self.shared.llm.complete(&prompt.request).await {
            Err(LlmError::TooLong { limit }) => {
                let room = limit.map_or(prompt.tokens / 2, |limit| {
                    limit.saturating_sub(source.reply_tokens) / 10 * 8
                });
                source.prompt_tokens = room.min(prompt.tokens / 10 * 8);
                let smaller = self.build(creator, &source, seed);
                tracing::warn!(
                    creator.id = %creator.id,
                    from_tokens = prompt.tokens,
                    to_tokens = smaller.tokens,
                    "the prompt was too long for the model"
                );
                (
                    smaller.cut,
                    self.shared.llm.complete(&smaller.request).await,
                )
            }
            result => (prompt.cut, result),
        }
    }

    fn build(&self, creator: &Creator, source: &PromptSource<'_>, seed: Seed) -> Prompt {
        let mut prompt = prompt::build(source, &*self.shared.counter);
        prompt.request.creator = Some(creator.id);
        prompt.request.seed = Some(seed.derive("model").value());
        prompt
    }

    fn room_for_prompt(&self, creator: &Creator) -> u32 {
        self.shared
            .llm
            .capabilities()
            .context_tokens
            .saturating_sub(creator.settings.reply_tokens)
    }

    /// Best effort: nobody misses a signal that does not show.
    async fn show_typing(&self, creator: &Creator, id: ConversationId) {
        let Ok(auth) = self.shared.tokens.auth(creator).await else {
            return;
        };
        if let Err(error) = self
            .shared
            .fanvue
            .set_typing(&auth, id.fan, Typing::Started)
            .await
        {
            tracing::debug!(creator.id = %creator.id, error = %error, "the typing signal was not shown");
        }
    }
}

fn checked(
    creator: &Creator,
    draft: DraftId,
    completion: &Completion,
    persona: &prompt::RenderedPersona,
    newest_first: &[Message],
    policy: &dyn DraftCheck,
) -> Input {
    let last_replies: Vec<Arc<str>> = newest_first
        .iter()
        .filter(|message| message.author == Author::Bot)
        .filter_map(|message| message.content.text.clone())
        .take(NOT_AGAIN)
        .collect();
    let instructions = persona
        .messages
        .first()
        .map_or("", |message| &message.content);
    match check(
        completion,
        &CheckContext {
            instructions,
            last_replies: &last_replies,
            policy,
        },
    ) {
        Ok(reply) => Input::Composed { draft, reply },
        Err(problem) => {
            tracing::info!(creator.id = %creator.id, problem = %problem, "a draft was not fit to be sent");
            Input::Unusable {
                draft,
                problem: problem.to_string().into(),
            }
        }
    }
}

/// The messages with those that are owed an answer in front, each part newest first, and how many they are.
fn unanswered_first(stored: Vec<Message>, conversation: &Conversation) -> (Vec<Message>, usize) {
    let (mut owed, rest): (Vec<Message>, Vec<Message>) = stored.into_iter().partition(|message| {
        conversation
            .pending
            .iter()
            .any(|pending| pending.id == message.id)
    });
    let unanswered = owed.len();
    owed.extend(rest);
    (owed, unanswered)
}

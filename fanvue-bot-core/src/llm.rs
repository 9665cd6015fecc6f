//! The port to a language model.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::id::CreatorId;
use crate::retry::Retry;

/// Who speaks a part of the prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Instructions.
    System,
    /// The fan.
    User,
    /// The creator, whose part the model plays.
    Assistant,
}

/// One message of a prompt. `Debug` shows its length and not its words.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a prompt message is exactly this pair"
)]
pub struct PromptMessage {
    /// Who speaks.
    pub role: Role,
    /// What they say.
    pub content: Arc<str>,
}

impl PromptMessage {
    /// `content`, spoken by `role`.
    #[must_use]
    pub fn new(role: Role, content: impl Into<Arc<str>>) -> Self {
        Self {
            role,
            content: content.into(),
        }
    }
}

impl fmt::Debug for PromptMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PromptMessage")
            .field("role", &self.role)
            .field("content_bytes", &self.content.len())
            .finish()
    }
}

/// A prompt and how to complete it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CompletionRequest {
    /// The tenant, for limits and accounting per creator. Never sent to the model's provider.
    pub creator: Option<CreatorId>,
    /// The model; `None` for the provider's default.
    pub model: Option<Arc<str>>,
    /// The prompt, most stable part first.
    pub messages: Vec<PromptMessage>,
    /// At most this many tokens of answer.
    pub max_tokens: u32,
    /// How freely to choose words; `None` for the model's default.
    pub temperature: Option<f32>,
    /// A seed for providers that sample repeatably.
    pub seed: Option<u64>,
}

impl CompletionRequest {
    /// A request with everything else at the provider's defaults.
    #[must_use]
    pub const fn new(messages: Vec<PromptMessage>, max_tokens: u32) -> Self {
        Self {
            creator: None,
            model: None,
            messages,
            max_tokens,
            temperature: None,
            seed: None,
        }
    }
}

/// Why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FinishReason {
    /// It was done.
    Stop,
    /// It ran into `max_tokens`: the text is cut and is never sent.
    Length,
    /// The provider's filter stopped it.
    ContentFilter,
    /// Another reason, or none given.
    Other,
}

/// What a completion cost, in tokens, as the provider counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Usage {
    /// The prompt.
    pub prompt_tokens: u64,
    /// Of the prompt: read from the provider's cache.
    pub cached_tokens: u64,
    /// The answer, thoughts included.
    pub completion_tokens: u64,
    /// Of the answer: thoughts that are not shown.
    pub reasoning_tokens: u64,
}

/// What the model answered. `Debug` shows the text's length and not its words.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Completion {
    /// The text, without hidden thoughts; never empty.
    pub text: Arc<str>,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// What it cost, if the provider said so.
    pub usage: Option<Usage>,
    /// The model that answered, if the provider said so.
    pub model: Option<Arc<str>>,
}

impl Completion {
    /// A finished text.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self {
            text: text.into(),
            finish_reason: FinishReason::Stop,
            usage: None,
            model: None,
        }
    }

    /// With this reason for its end.
    #[must_use]
    pub const fn finish_reason(mut self, reason: FinishReason) -> Self {
        self.finish_reason = reason;
        self
    }

    /// With this cost.
    #[must_use]
    pub const fn usage(mut self, usage: Usage) -> Self {
        self.usage = Some(usage);
        self
    }

    /// Answered by this model.
    #[must_use]
    pub fn model(mut self, model: impl Into<Arc<str>>) -> Self {
        self.model = Some(model.into());
        self
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion")
            .field("text_bytes", &self.text.len())
            .field("finish_reason", &self.finish_reason)
            .field("usage", &self.usage)
            .field("model", &self.model)
            .finish()
    }
}

/// What a provider can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LlmCapabilities {
    /// How many tokens prompt and answer may have together.
    pub context_tokens: u32,
    /// Whether it can look at pictures.
    pub vision: bool,
}

impl LlmCapabilities {
    /// A text model with this context.
    #[must_use]
    pub const fn text(context_tokens: u32) -> Self {
        Self {
            context_tokens,
            vision: false,
        }
    }
}

/// A language model.
///
/// An implementation neither retries nor sleeps. Calls may be repeated freely, at their price. Dropping
/// the future abandons the call; the provider may still charge for it.
#[async_trait]
pub trait LlmProvider: fmt::Debug + Send + Sync + 'static {
    /// Completes the prompt. The text of an `Ok` is never empty.
    ///
    /// # Errors
    /// As [`LlmError`] says.
    async fn complete(&self, request: &CompletionRequest) -> Result<Completion, LlmError>;

    /// What the provider can do, as far as it is known now: a provider may learn its real context size
    /// from an answer.
    fn capabilities(&self) -> LlmCapabilities;
}

/// Why a completion failed. `message` fields hold the provider's own words, cut to 200 characters; a
/// prompt is never quoted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LlmError {
    /// Too many requests or tokens a minute.
    #[error("the model's provider limits the rate{}", match retry_after { Some(wait) => format!(" for {} s", wait.as_secs()), None => String::new() })]
    RateLimited {
        /// How long to wait, if the provider said so.
        retry_after: Option<Duration>,
    },
    /// The account at the provider has no money or quota left: only a person can mend it.
    #[error("the account at the model's provider is out of quota: {message}")]
    OutOfQuota {
        /// What the provider said.
        message: String,
    },
    /// The provider is overloaded, loading, or not answering in time.
    #[error("the model's provider is overloaded or not answering")]
    Overloaded {
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The prompt does not fit: build a smaller one.
    #[error("the prompt is too long for the model{}", match limit { Some(limit) => format!(", which takes {limit} tokens"), None => String::new() })]
    TooLong {
        /// The model's context size, if the provider said so.
        limit: Option<u32>,
    },
    /// The model or the provider's filter refuses this content.
    #[error("the model refuses to answer")]
    Refused,
    /// Key, model name or a parameter is wrong: only a person can mend it.
    #[error("the model is misconfigured: {message}")]
    Misconfigured {
        /// What the provider said.
        message: String,
    },
    /// The answer is unreadable, cut or empty. Often gone at the next try.
    #[error("the model's answer is unusable: {reason}")]
    Broken {
        /// In what way; never the answer itself.
        reason: String,
    },
}

impl LlmError {
    /// The provider did not answer.
    pub fn overloaded(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Overloaded {
            source: source.into(),
        }
    }

    /// Whether and how to try again.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::RateLimited {
                retry_after: Some(wait),
            } => Retry::After(*wait),
            Self::RateLimited { retry_after: None }
            | Self::Overloaded { .. }
            | Self::Broken { .. } => Retry::Backoff,
            Self::OutOfQuota { .. }
            | Self::TooLong { .. }
            | Self::Refused
            | Self::Misconfigured { .. } => Retry::Never,
        }
    }
}

macro_rules! forward_llm {
    ($($pointer:ident)::+) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<L: LlmProvider + ?Sized> LlmProvider for $($pointer)::+<L> {
            async fn complete(&self, request: &CompletionRequest) -> Result<Completion, LlmError> {
                (**self).complete(request).await
            }

            fn capabilities(&self) -> LlmCapabilities {
                (**self).capabilities()
            }
        }
    };
}
forward_llm!(Arc);
forward_llm!(Box);

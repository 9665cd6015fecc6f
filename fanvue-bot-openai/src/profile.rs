//! What one kind of server wants: the differences between compatible servers as data.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

/// How one kind of server wants to be asked. Start from a preset, change a field, hand it to
/// [`OpenAiBuilder::profile`](crate::OpenAiBuilder::profile).
///
/// A profile says what to send first. What a server refuses by name (a token field, `temperature`,
/// `seed`, a role) is learned on top of it, so a slightly wrong profile costs one extra call and not
/// the deployment.
///
/// ```
/// use fanvue_bot_openai::{LateNotes, Profile};
///
/// let mut profile = Profile::vllm();
/// profile.context_tokens = 32_768;
/// profile.late_notes = LateNotes::InPlace; // this model's chat template takes them
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Profile {
    /// The kind of server, for logs.
    pub name: Cow<'static, str>,
    /// The role under which instructions travel.
    pub system_role: SystemRole,
    /// What happens to instructions that come after the first turn.
    pub late_notes: LateNotes,
    /// Whether the server's chat template insists on strictly alternating turns.
    pub turns: Turns,
    /// What happens when the prompt ends with the creator's own message.
    pub trailing_assistant: TrailingAssistant,
    /// The name of the field that limits the answer.
    pub token_field: TokenField,
    /// Whether `temperature` is sent.
    pub temperature: Temperature,
    /// The name of the field for the seed; `None` never sends one.
    pub seed_field: Option<Cow<'static, str>>,
    /// Fields added to every request, such as `{"cache_prompt": true}`. They may not repeat a field
    /// that the adapter writes itself.
    pub extra: Map<String, Value>,
    /// Headers added to every request, such as `OpenAI-Project`. `Debug` shows their names only.
    pub headers: BTreeMap<String, String>,
    /// How the API key travels.
    pub auth: Auth,
    /// Whether the server is of any use without a key.
    pub api_key: ApiKey,
    /// Where below the base URL completions are asked for.
    pub path: Path,
    /// The context size to assume, in tokens, until the server tells or shows its own.
    pub context_tokens: u32,
    /// Bytes of UTF-8 per token, for judging whether a server dropped part of a prompt in silence.
    pub bytes_per_token: u8,
    /// What the server does with a prompt that does not fit.
    pub overflow: Overflow,
    /// What happens to thoughts that arrive inside the answer's text.
    pub reasoning: Reasoning,
}

/// The role under which instructions travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SystemRole {
    /// `system`: understood by every server that has such a role at all.
    System,
    /// `developer`: OpenAI's own name for it. Several compatible servers drop it in silence, so no
    /// preset uses it.
    Developer,
    /// `user`: for models whose chat template refuses instructions.
    User,
}

/// What happens to instructions that come after the first turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LateNotes {
    /// They stay where they are, under the system role.
    InPlace,
    /// They travel at the head of the next user turn, or as a user turn of their own at the end: for
    /// servers whose chat template fails on a late system message or moves it to the front, where it
    /// would spoil the reuse of the cached prefix.
    IntoUser,
}

/// Whether the server's chat template insists on strictly alternating turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Turns {
    /// Messages are sent as they are.
    AsGiven,
    /// Neighbors of one role are joined with a blank line, and a chat that begins with the creator
    /// gets a user turn of three dots before it.
    Alternating,
}

/// What happens when the prompt ends with the creator's own message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrailingAssistant {
    /// It is sent as it is: the server begins a new message.
    Keep,
    /// A user turn that asks for the next message follows it: for servers that would continue, echo
    /// or refuse it.
    AddUserTurn,
}

/// The name of the field that limits the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenField {
    /// `max_tokens`.
    MaxTokens,
    /// `max_completion_tokens`, which OpenAI's newer models insist on.
    MaxCompletionTokens,
}

impl TokenField {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
        }
    }

    pub(crate) const fn other(self) -> Self {
        match self {
            Self::MaxTokens => Self::MaxCompletionTokens,
            Self::MaxCompletionTokens => Self::MaxTokens,
        }
    }
}

/// Whether `temperature` is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Temperature {
    /// When the request has one.
    Sent,
    /// Never: the model has a fixed one.
    Omitted,
}

/// How the API key travels.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Auth {
    /// `Authorization: Bearer <key>`.
    Bearer,
    /// In a header of this name, such as Azure's `api-key`.
    Header(Cow<'static, str>),
    /// Not at all.
    None,
}

/// Whether the server is of any use without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApiKey {
    /// A configuration without one is refused.
    Required,
    /// A configuration without one is fine.
    Optional,
}

/// Where below the base URL completions are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Path {
    /// `{base}/chat/completions`, the model in the body. Azure's `/openai/v1` is of this kind too.
    ChatCompletions,
    /// `{base}/openai/deployments/{model}/chat/completions?api-version={api_version}`: the model is the
    /// name of an Azure deployment.
    AzureDeployment {
        /// Azure's dated version, such as `2024-10-21`.
        api_version: Cow<'static, str>,
    },
}

/// What the server does with a prompt that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// It refuses it with an error.
    Refused,
    /// It may drop a part in silence. An answer whose reported prompt is under 60 % of what was sent is
    /// then an answer to half a prompt, perhaps without its rules: it is withheld, the real context size
    /// is learned, and [`LlmError::TooLong`](fanvue_bot_core::llm::LlmError::TooLong) asks for a smaller
    /// prompt.
    Silent,
}

/// What happens to thoughts that arrive inside the answer's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reasoning {
    /// `<think>` and its relatives are cut out.
    Stripped,
    /// The text is taken as it is.
    Kept,
}

impl Profile {
    /// Any compatible server that no preset names: the smallest common ground.
    #[must_use]
    pub fn generic() -> Self {
        Self {
            name: Cow::Borrowed("generic"),
            system_role: SystemRole::System,
            late_notes: LateNotes::IntoUser,
            turns: Turns::AsGiven,
            trailing_assistant: TrailingAssistant::AddUserTurn,
            token_field: TokenField::MaxTokens,
            temperature: Temperature::Sent,
            seed_field: None,
            extra: Map::new(),
            headers: BTreeMap::new(),
            auth: Auth::Bearer,
            api_key: ApiKey::Optional,
            path: Path::ChatCompletions,
            context_tokens: 8_192,
            bytes_per_token: 4,
            overflow: Overflow::Refused,
            reasoning: Reasoning::Stripped,
        }
    }

    /// OpenAI itself: `https://api.openai.com/v1`.
    #[must_use]
    pub fn openai() -> Self {
        Self {
            name: Cow::Borrowed("openai"),
            late_notes: LateNotes::InPlace,
            trailing_assistant: TrailingAssistant::Keep,
            token_field: TokenField::MaxCompletionTokens,
            seed_field: Some(Cow::Borrowed("seed")),
            api_key: ApiKey::Required,
            context_tokens: 128_000,
            ..Self::generic()
        }
    }

    /// Azure OpenAI by deployment: the base URL is `https://<resource>.openai.azure.com`, the model is
    /// the deployment's name.
    #[must_use]
    pub fn azure(api_version: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: Cow::Borrowed("azure"),
            auth: Auth::Header(Cow::Borrowed("api-key")),
            path: Path::AzureDeployment {
                api_version: api_version.into(),
            },
            ..Self::openai()
        }
    }

    /// OpenRouter: `https://openrouter.ai/api/v1`. The context size depends on the model: set it.
    #[must_use]
    pub fn openrouter() -> Self {
        Self {
            name: Cow::Borrowed("openrouter"),
            seed_field: Some(Cow::Borrowed("seed")),
            api_key: ApiKey::Required,
            context_tokens: 32_768,
            ..Self::generic()
        }
    }

    /// Mistral's platform: `https://api.mistral.ai/v1`. It refuses unknown fields and a prompt that ends
    /// with the assistant.
    #[must_use]
    pub fn mistral() -> Self {
        Self {
            name: Cow::Borrowed("mistral"),
            seed_field: Some(Cow::Borrowed("random_seed")),
            api_key: ApiKey::Required,
            context_tokens: 32_768,
            ..Self::generic()
        }
    }

    /// Ollama's `/v1`: `http://127.0.0.1:11434/v1`. It ignores `num_ctx` and cuts in silence; the
    /// context assumed is its default of 4,096 tokens.
    #[must_use]
    pub fn ollama() -> Self {
        Self {
            name: Cow::Borrowed("ollama"),
            seed_field: Some(Cow::Borrowed("seed")),
            context_tokens: 4_096,
            overflow: Overflow::Silent,
            ..Self::generic()
        }
    }

    /// `llama-server` of llama.cpp: `http://127.0.0.1:8080/v1`. Its chat templates come with the model
    /// and many of them insist on alternating turns.
    #[must_use]
    pub fn llama_cpp() -> Self {
        let mut extra = Map::new();
        extra.insert("cache_prompt".to_owned(), Value::Bool(true));
        Self {
            name: Cow::Borrowed("llama.cpp"),
            turns: Turns::Alternating,
            seed_field: Some(Cow::Borrowed("seed")),
            extra,
            context_tokens: 4_096,
            ..Self::generic()
        }
    }

    /// vLLM: `http://127.0.0.1:8000/v1`. Its chat templates come with the model and many of them insist
    /// on alternating turns.
    #[must_use]
    pub fn vllm() -> Self {
        Self {
            name: Cow::Borrowed("vllm"),
            turns: Turns::Alternating,
            seed_field: Some(Cow::Borrowed("seed")),
            ..Self::generic()
        }
    }
}

impl Default for Profile {
    /// [`generic`](Self::generic).
    fn default() -> Self {
        Self::generic()
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("name", &self.name)
            .field("system_role", &self.system_role)
            .field("late_notes", &self.late_notes)
            .field("turns", &self.turns)
            .field("trailing_assistant", &self.trailing_assistant)
            .field("token_field", &self.token_field)
            .field("temperature", &self.temperature)
            .field("seed_field", &self.seed_field)
            .field("extra", &self.extra.keys().collect::<Vec<_>>())
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("auth", &self.auth)
            .field("api_key", &self.api_key)
            .field("path", &self.path)
            .field("context_tokens", &self.context_tokens)
            .field("bytes_per_token", &self.bytes_per_token)
            .field("overflow", &self.overflow)
            .field("reasoning", &self.reasoning)
            .finish()
    }
}

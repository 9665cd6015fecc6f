//! A language model for fanvue-bot behind any endpoint that speaks OpenAI's chat completions: OpenAI,
//! Azure, OpenRouter, Mistral, Ollama, llama.cpp, vLLM and the many like them.
//!
//! ```
//! use fanvue_bot_core::llm::{CompletionRequest, LlmProvider, PromptMessage, Role};
//! use fanvue_bot_openai::{OpenAi, Profile};
//!
//! # fn main() -> Result<(), fanvue_bot_openai::ConfigError> {
//! let model = OpenAi::builder("http://127.0.0.1:11434/v1", "llama3.2")
//!     .profile(Profile::ollama())
//!     .context_tokens(8_192)
//!     .build()?;
//!
//! let prompt = vec![
//!     PromptMessage::new(Role::System, "You are Mia."),
//!     PromptMessage::new(Role::User, "hey, how was your day?"),
//! ];
//! let request = CompletionRequest::new(prompt, 300);
//! assert!(model.request_bytes(&request).starts_with(br#"{"model":"llama3.2","messages":["#));
//! assert_eq!(model.capabilities().context_tokens, 8_192);
//! // let answer = model.complete(&request).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A hosted model takes a key: `.profile(Profile::openai()).api_key(Secret::new(key))`.
//!
//! # How a call goes
//!
//! ```text
//!  CompletionRequest ──► Profile + what was learned ──► bytes ──► POST {base}/chat/completions
//!                              ▲                                        │
//!                              │ rename or drop a refused parameter,    ▼
//!                              └──── learn the context size ◄──── status, headers, body (capped)
//!                                                                       │
//!                          error before choices, even under status 200  │
//!                                     ┌─────────────────────────────────┴──┐
//!                                     ▼                                    ▼
//!                          LlmError, by what mends it          Completion, thoughts cut out
//! ```
//!
//! - **Nothing is retried and nothing sleeps**: the queue above does both. The one exception is a
//!   parameter the server refuses by name, such as `max_tokens` or `temperature`: it is renamed or
//!   dropped, the call is made again at once, and the model is asked that way from then on. Each
//!   parameter gives way once.
//! - **Servers differ as data**: a [`Profile`] per kind, with presets. Every field of an answer is
//!   optional.
//! - **Errors say what mends them**: waiting, money, a smaller prompt, other content, a person, or
//!   another try. They hold at most 200 characters of the server's words, and neither key nor URL; words
//!   that quote the prompt are left out.
//! - **A cut text is marked**: its [`FinishReason`](fanvue_bot_core::llm::FinishReason) is `Length`, and
//!   the caller never sends it. An empty text is an error.
//! - **The network is kept at arm's length**: https or loopback only, no redirects, no proxy from the
//!   environment, a limit on the time and on the size of an answer.
//!
//! # Choosing a profile
//!
//! | Server | Preset | Base URL |
//! | --- | --- | --- |
//! | OpenAI | [`Profile::openai`] | `https://api.openai.com/v1` |
//! | Azure, by deployment | [`Profile::azure`] | `https://<resource>.openai.azure.com` |
//! | OpenRouter | [`Profile::openrouter`] | `https://openrouter.ai/api/v1` |
//! | Mistral | [`Profile::mistral`] | `https://api.mistral.ai/v1` |
//! | Ollama | [`Profile::ollama`] | `http://127.0.0.1:11434/v1` |
//! | llama.cpp | [`Profile::llama_cpp`] | `http://127.0.0.1:8080/v1` |
//! | vLLM | [`Profile::vllm`] | `http://127.0.0.1:8000/v1` |
//! | any other | [`Profile::generic`] | its own |
//!
//! # Features
//!
//! | Feature | Default | Adds |
//! | --- | --- | --- |
//! | (none) | | The crate has no optional parts. |
//!
//! # Where to go next
//!
//! [`OpenAiBuilder`] lists every setting and its default; [`OpenAi::request_bytes`] gives the exact bytes
//! of a request for replay and caching; the port's contract is
//! [`LlmProvider`](fanvue_bot_core::llm::LlmProvider).

mod answer;
mod body;
mod classify;
mod config;
mod endpoint;
mod failure;
mod json;
mod learned;
mod overflow;
mod profile;
mod provider;
mod request;
mod thoughts;
mod waits;

pub use crate::config::{ConfigError, ConfigProblem, OpenAiBuilder};
pub use crate::profile::{
    ApiKey, Auth, LateNotes, Overflow, Path, Profile, Reasoning, SystemRole, Temperature,
    TokenField, TrailingAssistant, Turns,
};
pub use crate::provider::OpenAi;

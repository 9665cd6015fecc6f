//! Who writes the replies: a language model if one is configured, else a template that says what it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use fanvue_bot::llm::{Completion, CompletionRequest, LlmCapabilities, LlmError, LlmProvider};
use fanvue_bot::openai::OpenAi;
use fanvue_bot::prompt::without_marks;
use fanvue_bot::secret::Secret;

/// The provider of the demo, whose next answers can be made to fail.
#[derive(Debug)]
pub(crate) struct Model {
    inner: Arc<dyn LlmProvider>,
    name: String,
    fail_next: AtomicU32,
}

impl Model {
    /// As `LLM_BASE_URL`, `LLM_MODEL` and `LLM_API_KEY` say; a template if they say nothing.
    pub(crate) fn from_env() -> anyhow::Result<Self> {
        let read = |name: &str| {
            std::env::var(name)
                .ok()
                .filter(|value| !value.trim().is_empty())
        };
        let (inner, name): (Arc<dyn LlmProvider>, String) = match (
            read("LLM_BASE_URL"),
            read("LLM_MODEL"),
        ) {
            (None, None) => (
                Arc::new(Template::default()),
                "written by a template, not a language model".to_owned(),
            ),
            (Some(base_url), Some(model)) => {
                let mut builder = OpenAi::builder(base_url, model.as_str());
                if let Some(key) = read("LLM_API_KEY") {
                    builder = builder.api_key(Secret::new(key));
                }
                (
                    Arc::new(
                        builder
                            .build()
                            .context("LLM_BASE_URL, LLM_MODEL or LLM_API_KEY is not usable")?,
                    ),
                    format!("written by {model}"),
                )
            }
            (Some(_), None) => anyhow::bail!(
                "LLM_BASE_URL is set and LLM_MODEL is not; set it to the model's name"
            ),
            (None, Some(_)) => anyhow::bail!(
                "LLM_MODEL is set and LLM_BASE_URL is not; set it to the provider's address, such as https://api.openai.com/v1"
            ),
        };
        Ok(Self {
            inner,
            name,
            fail_next: AtomicU32::new(0),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The next answer fails.
    pub(crate) fn fail_next(&self) {
        self.fail_next.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl LlmProvider for Model {
    async fn complete(&self, request: &CompletionRequest) -> Result<Completion, LlmError> {
        let fails = self
            .fail_next
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            })
            .is_ok();
        if fails {
            return Err(LlmError::overloaded("the demo was asked to fail here"));
        }
        self.inner.complete(request).await
    }

    fn capabilities(&self) -> LlmCapabilities {
        self.inner.capabilities()
    }
}

/// Repeats what it was asked, with a number, after about the time that a model takes.
#[derive(Debug, Default)]
struct Template {
    answers: AtomicU64,
}

#[async_trait]
impl LlmProvider for Template {
    async fn complete(&self, request: &CompletionRequest) -> Result<Completion, LlmError> {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let number = self.answers.fetch_add(1, Ordering::Relaxed) + 1;
        // What the fan wrote stands between marks, which a reply must not have.
        let asked = request
            .messages
            .last()
            .map(|message| without_marks(&message.content))
            .unwrap_or_default();
        let photo = asked.contains("[a photo or video");
        let words: Vec<&str> = asked
            .lines()
            .filter(|line| !line.starts_with('['))
            .collect();
        let mut text =
            format!("Answer {number}, from the demo's template and not from a language model.");
        if !words.is_empty() {
            text.push_str(&format!(" You wrote: {}", words.join(" / ")));
        }
        if photo {
            text.push_str(" You sent a picture that I cannot see.");
        }
        Ok(Completion::new(text))
    }

    fn capabilities(&self) -> LlmCapabilities {
        LlmCapabilities::text(32_000)
    }
}

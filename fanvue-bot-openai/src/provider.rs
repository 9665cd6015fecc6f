//! The port's implementation: one call, classified.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use fanvue_bot_core::llm::{Completion, CompletionRequest, LlmCapabilities, LlmError, LlmProvider};
use fanvue_bot_core::redact;
use fanvue_bot_core::secret::Secret;
use fanvue_bot_core::time::{Clock as _, SystemClock};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::answer::{self, Answer, broken};
use crate::body::{self, Body};
use crate::classify::{self, Sent};
use crate::config::{OpenAiBuilder, model_problem};
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::learned::{Fix, Learned, Quirks};
use crate::profile::{Auth, Overflow, Profile};
use crate::{request, waits};

/// Estimates under this are too coarse to accuse a server of dropping text. It is also the smallest
/// context that is ever learned from an answer.
const SMALLEST_SILENT_CONTEXT: u64 = 2_048;

/// A language model behind an OpenAI-compatible endpoint.
///
/// Cheap to share: put it in an [`Arc`]. `Debug` shows neither key nor URL.
pub struct OpenAi {
    client: reqwest::Client,
    endpoint: Endpoint,
    model: Arc<str>,
    profile: Profile,
    api_key: Option<Secret>,
    extra: Vec<u8>,
    context_tokens: u32,
    max_response_bytes: usize,
    learned: Learned,
}

impl OpenAi {
    /// Begins an adapter for the server at `base_url`, such as `https://api.openai.com/v1`, that asks
    /// for `model` unless a request names another one.
    ///
    /// The URL must be https, or http to a loopback address; it comes from the deployment's
    /// configuration, never from a tenant.
    pub fn builder(base_url: impl Into<String>, model: impl Into<String>) -> OpenAiBuilder {
        OpenAiBuilder::new(base_url.into(), model.into())
    }

    /// The exact body that [`complete`](LlmProvider::complete) would send now: for replay, for caching
    /// and for benches.
    ///
    /// The same request gives the same bytes as long as nothing new was learned about the model. A
    /// temperature that is not finite counts as none. Holds the whole prompt: treat it as private.
    #[must_use]
    pub fn request_bytes(&self, request: &CompletionRequest) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write_request(request, &mut bytes);
        bytes
    }

    /// Appends what [`request_bytes`](Self::request_bytes) returns, for a buffer that is used again.
    pub fn write_request(&self, request: &CompletionRequest, buffer: &mut Vec<u8>) {
        let model = self.model_of(request);
        self.write(request, model, &self.learned.quirks(model), buffer);
    }

    /// The profile it was built with.
    #[must_use]
    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The model that is asked when a request names none.
    #[must_use]
    pub fn default_model(&self) -> &str {
        &self.model
    }

    #[expect(clippy::too_many_arguments, reason = "called once, by the builder")]
    pub(crate) fn assemble(
        client: reqwest::Client,
        endpoint: Endpoint,
        model: Arc<str>,
        profile: Profile,
        api_key: Option<Secret>,
        extra: Vec<u8>,
        context_tokens: u32,
        max_response_bytes: usize,
    ) -> Self {
        Self {
            client,
            endpoint,
            model,
            learned: Learned::new(&profile),
            profile,
            api_key,
            extra,
            context_tokens,
            max_response_bytes,
        }
    }

    fn model_of<'a>(&'a self, request: &'a CompletionRequest) -> &'a str {
        request.model.as_deref().unwrap_or(&self.model)
    }

    fn write(&self, request: &CompletionRequest, model: &str, quirks: &Quirks, out: &mut Vec<u8>) {
        request::write(out, &self.profile, quirks, &self.extra, model, request);
    }

    fn headers(&self) -> Result<HeaderMap, LlmError> {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let Some(key) = &self.api_key else {
            return Ok(headers);
        };
        let unfit = || misconfigured("api_key cannot be sent in a header");
        let (name, prefix) = match &self.profile.auth {
            Auth::Bearer => (AUTHORIZATION, b"Bearer ".as_slice()),
            Auth::Header(name) => {
                let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit())?;
                (name, b"".as_slice())
            }
            Auth::None => return Ok(headers),
        };
        let value = [prefix, key.expose()].concat();
        let mut value = HeaderValue::from_maybe_shared(value).map_err(|_| unfit())?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(headers)
    }

    async fn post(&self, model: &str, bytes: Vec<u8>) -> Result<(u16, HeaderMap, Body), LlmError> {
        let url = self
            .endpoint
            .url(model)
            .ok_or_else(|| misconfigured("the model's name cannot be part of a URL"))?;
        let request = self.client.post(url).headers(self.headers()?).body(bytes);
        let response = request.send().await.map_err(unsent)?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = body::read(response, self.max_response_bytes).await;
        Ok((status, headers, body))
    }

    fn succeeded(
        &self,
        model: &str,
        request: &CompletionRequest,
        completion: Completion,
    ) -> Result<Completion, LlmError> {
        let Some(limit) = self.silently_cut(request, &completion) else {
            return Ok(completion);
        };
        self.learned.remember_context(model, limit);
        tracing::warn!(
            profile = %self.profile.name,
            model,
            context_tokens = limit,
            "the server read only part of the prompt; its answer is withheld, and its real context size is used from now on"
        );
        Err(LlmError::TooLong { limit: Some(limit) })
    }

    /// The context size that an answer to less than the whole prompt betrays: what was read, rounded up
    /// to the power of two that servers are configured with.
    fn silently_cut(&self, request: &CompletionRequest, completion: &Completion) -> Option<u32> {
        if self.profile.overflow != Overflow::Silent {
            return None;
        }
        let read = completion.usage?.prompt_tokens;
        let bytes: usize = request.messages.iter().map(|m| m.content.len()).sum();
        let estimate = u64::try_from(bytes).ok()? / u64::from(self.profile.bytes_per_token.max(1));
        if read == 0 || estimate <= SMALLEST_SILENT_CONTEXT || read * 10 >= estimate * 6 {
            return None;
        }
        u32::try_from(read.max(SMALLEST_SILENT_CONTEXT).next_power_of_two()).ok()
    }

    fn learn(&self, model: &str, error: &LlmError) {
        if let LlmError::TooLong { limit: Some(limit) } = error
            && self.learned.remember_context(model, *limit)
        {
            tracing::warn!(
                profile = %self.profile.name,
                model,
                context_tokens = *limit,
                "the server told its context size, which is used from now on"
            );
        }
    }
}

#[async_trait]
impl LlmProvider for OpenAi {
    async fn complete(&self, request: &CompletionRequest) -> Result<Completion, LlmError> {
        let model = self.model_of(request);
        if let Some(problem) = model_problem(model) {
            return Err(misconfigured(format!("model {problem}")));
        }
        let mut quirks = self.learned.quirks(model);
        let mut fixes: Vec<Fix> = Vec::new();
        loop {
            let mut bytes = Vec::new();
            self.write(request, model, &quirks, &mut bytes);
            tracing::debug!(
                profile = %self.profile.name,
                model,
                messages = request.messages.len(),
                bytes = bytes.len(),
                "asking the model"
            );
            let (status, headers, body) = self.post(model, bytes).await?;
            let failure = if (200..300).contains(&status) {
                match body {
                    Body::Whole(bytes) => match answer::read(&bytes, self.profile.reasoning) {
                        Answer::Text(completion) => {
                            return self.succeeded(model, request, completion);
                        }
                        Answer::Unusable(error) => return Err(error),
                        Answer::Failed(failure) => failure,
                    },
                    Body::TooLarge => {
                        let cap = self.max_response_bytes;
                        return Err(broken(format!("it is larger than {cap} bytes")));
                    }
                    Body::Late(source) => return Err(LlmError::overloaded(source)),
                    Body::Cut => return Err(broken("the connection ended before it was complete")),
                }
            } else {
                // The status speaks even where the body cannot be read.
                match body {
                    Body::Whole(bytes) => Failure::in_refusal(&bytes),
                    _ => Failure::default(),
                }
            };
            let sent = Sent {
                temperature: request::sent_temperature(&quirks, request).is_some(),
                seed_field: request::sent_seed_field(&self.profile, &quirks)
                    .filter(|_| request.seed.is_some()),
            };
            // Each parameter gives way once, so this ends.
            let fix = classify::fix(status, &failure, &quirks, &sent)
                .filter(|fix| !fixes.iter().any(|done| done.undoes(*fix)));
            if let Some(fix) = fix {
                tracing::warn!(
                    profile = %self.profile.name,
                    model,
                    ?fix,
                    "the server refuses a parameter; it is asked once more without, and so from now on"
                );
                quirks.apply(fix);
                self.learned.remember_fix(model, fix);
                fixes.push(fix);
                continue;
            }
            let wait = waits::asked_for(&headers, failure.reset.as_deref(), SystemClock.now());
            let words = self.shown(&failure.message, request);
            let error = classify::classify(status, &failure, words, wait);
            self.learn(model, &error);
            return Err(error);
        }
    }

    fn capabilities(&self) -> LlmCapabilities {
        let learned = self.learned.quirks(&self.model).context_tokens;
        LlmCapabilities::text(learned.unwrap_or(self.context_tokens))
    }
}

impl OpenAi {
    /// The server's words as an error may show them.
    fn shown(&self, words: &str, request: &CompletionRequest) -> String {
        let key = self.api_key.as_ref().and_then(Secret::expose_text);
        let prompt = request.messages.iter();
        let sent: Vec<redact::Sent<'_>> = key
            .map(redact::Sent::Secret)
            .into_iter()
            .chain(prompt.map(|message| redact::Sent::Words(&message.content)))
            .collect();
        redact::error_text(words, &sent)
    }
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi")
            .field("profile", &self.profile.name)
            .field("model", &self.model)
            .field("api_key", &self.api_key.is_some())
            .field("context_tokens", &self.capabilities().context_tokens)
            .finish_non_exhaustive()
    }
}

fn misconfigured(message: impl Into<String>) -> LlmError {
    LlmError::Misconfigured {
        message: message.into(),
    }
}

/// A call that got no answer.
fn unsent(error: reqwest::Error) -> LlmError {
    let error = error.without_url();
    if error.is_builder() {
        return misconfigured("the request cannot be built");
    }
    LlmError::overloaded(error)
}

//! A language model that answers by script.

use std::collections::VecDeque;
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot_core::llm::{
    Completion, CompletionRequest, LlmCapabilities, LlmError, LlmProvider, Role,
};
use fanvue_bot_core::prompt::without_marks;

use crate::clock::VirtualClock;

/// One answer of a [`ScriptedLlm`].
#[derive(Debug)]
pub struct Step {
    outcome: Outcome,
    delay: Duration,
}

#[derive(Debug)]
enum Outcome {
    Answer(Result<Completion, LlmError>),
    Hang,
}

impl Step {
    /// Answers with this text.
    #[must_use]
    pub fn reply(text: impl Into<Arc<str>>) -> Self {
        Self::completion(Completion::new(text))
    }

    /// Answers with this completion.
    #[must_use]
    pub const fn completion(completion: Completion) -> Self {
        Self {
            outcome: Outcome::Answer(Ok(completion)),
            delay: Duration::ZERO,
        }
    }

    /// Fails in this way.
    #[must_use]
    pub const fn fail(error: LlmError) -> Self {
        Self {
            outcome: Outcome::Answer(Err(error)),
            delay: Duration::ZERO,
        }
    }

    /// Never answers: the caller must drop the future.
    #[must_use]
    pub const fn hang() -> Self {
        Self {
            outcome: Outcome::Hang,
            delay: Duration::ZERO,
        }
    }

    /// Takes this long by the clock of [`ScriptedLlm::on_clock`]. Nobody sleeps.
    #[must_use]
    pub const fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

type Template = dyn Fn(&CompletionRequest) -> Completion + Send + Sync;

/// A language model that answers by script, remembers what it was asked, and when the script is over
/// answers from a template.
///
/// ```
/// use fanvue_bot_core::llm::{CompletionRequest, LlmProvider, PromptMessage, Role};
/// use fanvue_bot_testkit::llm::{ScriptedLlm, Step};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = ScriptedLlm::new([Step::reply("hey you")]);
/// let request = CompletionRequest::new(vec![PromptMessage::new(Role::User, "hi")], 50);
///
/// assert_eq!(&*model.complete(&request).await?.text, "hey you");
/// assert_eq!(&*model.complete(&request).await?.text, "You said: hi");
/// assert_eq!(model.requests().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ScriptedLlm {
    state: Arc<Mutex<State>>,
    template: Arc<Template>,
    clock: Option<VirtualClock>,
    capabilities: LlmCapabilities,
}

#[derive(Default)]
struct State {
    script: VecDeque<Step>,
    requests: Vec<CompletionRequest>,
}

impl Default for ScriptedLlm {
    fn default() -> Self {
        Self::new([])
    }
}

impl ScriptedLlm {
    /// Answers with these steps in turn, and then with what the last user message said.
    #[must_use]
    pub fn new(script: impl IntoIterator<Item = Step>) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                script: script.into_iter().collect(),
                requests: Vec::new(),
            })),
            template: Arc::new(echo),
            clock: None,
            capabilities: LlmCapabilities::text(32_000),
        }
    }

    /// With `template` for when the script is over.
    #[must_use]
    pub fn template(
        mut self,
        template: impl Fn(&CompletionRequest) -> Completion + Send + Sync + 'static,
    ) -> Self {
        self.template = Arc::new(template);
        self
    }

    /// Delays move this clock.
    #[must_use]
    pub fn on_clock(mut self, clock: VirtualClock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// With these capabilities. Default: text, 32,000 tokens.
    #[must_use]
    pub const fn with_capabilities(mut self, capabilities: LlmCapabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// One more step at the end of the script.
    pub fn push(&self, step: Step) {
        self.lock().script.push_back(step);
    }

    /// What it was asked, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<CompletionRequest> {
        self.lock().requests.clone()
    }

    /// How many steps of the script are left.
    #[must_use]
    pub fn steps_left(&self) -> usize {
        self.lock().script.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn echo(request: &CompletionRequest) -> Completion {
    let words = request
        .messages
        .iter()
        .rfind(|message| message.role == Role::User)
        .map_or("", |message| &message.content);
    Completion::new(format!("You said: {}", without_marks(words)))
}

#[async_trait]
impl LlmProvider for ScriptedLlm {
    async fn complete(&self, request: &CompletionRequest) -> Result<Completion, LlmError> {
        let step = {
            let mut state = self.lock();
            state.requests.push(request.clone());
            state.script.pop_front()
        };
        let Some(step) = step else {
            return Ok((self.template)(request));
        };
        if let Some(clock) = &self.clock {
            clock.advance(step.delay);
        }
        match step.outcome {
            Outcome::Answer(answer) => answer,
            Outcome::Hang => pending().await,
        }
    }

    fn capabilities(&self) -> LlmCapabilities {
        self.capabilities
    }
}

impl fmt::Debug for ScriptedLlm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("ScriptedLlm")
            .field("steps_left", &state.script.len())
            .field("requests", &state.requests.len())
            .finish_non_exhaustive()
    }
}

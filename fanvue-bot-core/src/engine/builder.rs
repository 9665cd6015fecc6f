//! Putting an [`Engine`] together.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::{Engine, Shared};
use crate::backend::Backend;
use crate::catch_up::CatchUpOptions;
use crate::client::FanvueClient;
use crate::entropy::{Entropy, OsEntropy};
use crate::flow::Timing;
use crate::intake::Intake;
use crate::llm::LlmProvider;
use crate::oauth::TokenSource;
use crate::policy::{Detector, DraftCheck, PhraseCheck, Phrases};
use crate::prompt::{BytesPerFour, TokenCounter};
use crate::retry::Backoff;
use crate::time::{Clock, SystemClock};

impl Engine {
    /// An engine with the system's clock and randomness and default timing.
    #[must_use]
    pub fn builder(
        backend: Backend,
        llm: Arc<dyn LlmProvider>,
        fanvue: Arc<dyn FanvueClient>,
        tokens: TokenSource,
    ) -> EngineBuilder {
        EngineBuilder {
            backend,
            llm,
            fanvue,
            tokens,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            counter: Arc::new(BytesPerFour),
            timing: Timing::default(),
            backoff: Backoff::default(),
            catch_up: CatchUpOptions::default(),
            draft_check: Arc::new(PhraseCheck),
            detector: Arc::new(Phrases::all()),
        }
    }
}

/// Builds an [`Engine`]; see [`Engine::builder`].
#[derive(Debug)]
pub struct EngineBuilder {
    backend: Backend,
    llm: Arc<dyn LlmProvider>,
    fanvue: Arc<dyn FanvueClient>,
    tokens: TokenSource,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    counter: Arc<dyn TokenCounter>,
    timing: Timing,
    backoff: Backoff,
    catch_up: CatchUpOptions,
    draft_check: Arc<dyn DraftCheck>,
    detector: Arc<dyn Detector>,
}

impl EngineBuilder {
    /// With this clock. Default: the system's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// With this randomness. Default: the system's.
    #[must_use]
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// Counting tokens this way. Default: a quarter of the bytes.
    #[must_use]
    pub fn counter(mut self, counter: Arc<dyn TokenCounter>) -> Self {
        self.counter = counter;
        self
    }

    /// With these times for sends.
    #[must_use]
    pub const fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// Trying again this way after failures.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Polling chats this way.
    #[must_use]
    pub const fn catch_up(mut self, options: CatchUpOptions) -> Self {
        self.catch_up = options;
        self
    }

    /// Reading the fans' words this way: give an intake that runs apart the same. Default: [`Phrases::all`]; one
    /// of your own that is to add to it calls it.
    #[must_use]
    pub fn detector(mut self, detector: Arc<dyn Detector>) -> Self {
        self.detector = detector;
        self
    }

    /// Checking what the model wrote this way. Default: [`PhraseCheck`]; one of your own that is to add to it
    /// calls it.
    #[must_use]
    pub fn draft_check(mut self, check: Arc<dyn DraftCheck>) -> Self {
        self.draft_check = check;
        self
    }

    /// The engine. Where [`Timing::settled_within`] leaves a request of the client too little time to end,
    /// it is raised to what one takes.
    #[must_use]
    pub fn build(mut self) -> Engine {
        let longest_send = self.timing.begin_within + self.fanvue.longest_request();
        self.timing.settled_within = self.timing.settled_within.max(longest_send);
        let intake = Intake::new(self.backend)
            .clock(Arc::clone(&self.clock))
            .entropy(Arc::clone(&self.entropy))
            .counter(Arc::clone(&self.counter))
            .timing(self.timing)
            .detector(self.detector);
        Engine {
            shared: Arc::new(Shared {
                intake,
                llm: self.llm,
                fanvue: self.fanvue,
                tokens: self.tokens,
                clock: self.clock,
                entropy: self.entropy,
                counter: self.counter,
                backoff: self.backoff,
                catch_up: self.catch_up,
                draft_check: self.draft_check,
                schedule: Mutex::default(),
                personas: Mutex::new(BTreeMap::new()),
            }),
        }
    }
}

//! A language model that costs nothing but, if it is to, time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot::llm::{Completion, CompletionRequest, LlmCapabilities, LlmError, LlmProvider};

/// Answers every request after the same delay, and keeps nothing of it. No two answers are the same, since
/// a reply that repeats an earlier one is not sent.
#[derive(Debug)]
pub(crate) struct Model {
    delay: Duration,
    answers: AtomicUsize,
    in_flight: AtomicUsize,
}

impl Model {
    /// Answers at once.
    pub(crate) const fn instant() -> Self {
        Self::slow(Duration::ZERO)
    }

    /// Answers after this long.
    pub(crate) const fn slow(delay: Duration) -> Self {
        Self {
            delay,
            answers: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
        }
    }

    /// How many calls wait for their answer.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl LlmProvider for Model {
    async fn complete(&self, _request: &CompletionRequest) -> Result<Completion, LlmError> {
        if !self.delay.is_zero() {
            self.in_flight.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(self.delay).await;
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
        let number = self.answers.fetch_add(1, Ordering::Relaxed);
        Ok(Completion::new(format!(
            "long! but now you're here 🙂 i counted {number} boats"
        )))
    }

    fn capabilities(&self) -> LlmCapabilities {
        LlmCapabilities::text(32_000)
    }
}

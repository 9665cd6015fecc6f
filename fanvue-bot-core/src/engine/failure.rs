//! Why a run stopped, and what its job does about it.

use crate::client::ClientError;
use crate::entropy::EntropyError;
use crate::llm::LlmError;
use crate::oauth::TokenError;
use crate::queue::FailureNote;
use crate::retry::Retry;
use crate::store::StoreError;

/// A failure in the middle of a run. What was committed before it stays.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) note: FailureNote,
    pub(super) retry: Retry,
}

impl Failure {
    fn new(error: &dyn std::error::Error, retry: Retry) -> Self {
        Self {
            note: FailureNote::from_error(error),
            retry,
        }
    }

    /// A failure that nothing mends.
    pub(super) fn final_words(text: &str) -> Self {
        Self {
            note: FailureNote::new(text),
            retry: Retry::Never,
        }
    }
}

macro_rules! from_port {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                let retry = error.retry();
                Self::new(&error, retry)
            }
        }
    )*};
}
from_port!(ClientError, LlmError, TokenError, StoreError);

impl From<EntropyError> for Failure {
    fn from(error: EntropyError) -> Self {
        Self::new(&error, Retry::Backoff)
    }
}

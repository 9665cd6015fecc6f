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
    /// After this many attempts it is given up, if not earlier.
    pub(super) attempts: u32,
}

/// A model that answers with nothing usable this often in a row will not do better the next time, and is
/// paid each time.
const BROKEN_ANSWERS: u32 = 4;

impl Failure {
    fn new(error: &dyn std::error::Error, retry: Retry) -> Self {
        Self {
            note: FailureNote::from_error(error),
            retry,
            attempts: u32::MAX,
        }
    }

    /// A run that goes round in circles, such as when every answer comes too late to be acted on.
    pub(super) fn restless() -> Self {
        Self {
            note: FailureNote::new("the conversation did not come to rest"),
            retry: Retry::Backoff,
            attempts: u32::MAX,
        }
    }

    /// A failure that nothing mends.
    pub(super) fn final_words(text: &str) -> Self {
        Self {
            note: FailureNote::new(text),
            retry: Retry::Never,
            attempts: 1,
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
from_port!(ClientError, TokenError, StoreError);

impl From<LlmError> for Failure {
    fn from(error: LlmError) -> Self {
        let failure = Self::new(&error, error.retry());
        match error {
            LlmError::Broken { .. } => Self {
                attempts: BROKEN_ANSWERS,
                ..failure
            },
            _ => failure,
        }
    }
}

impl From<EntropyError> for Failure {
    fn from(error: EntropyError) -> Self {
        Self::new(&error, Retry::Backoff)
    }
}

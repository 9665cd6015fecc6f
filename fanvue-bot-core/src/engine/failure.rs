//! Why a run stopped, and what its job does about it.

use super::EngineError;
use crate::client::ClientError;
use crate::decision::WaitCause;
use crate::llm::LlmError;
use crate::oauth::TokenError;
use crate::pulse::{Part, Trouble};
use crate::queue::FailureNote;
use crate::retry::Retry;
use crate::store::StoreError;

/// A failure in the middle of a run. What was committed before it stays.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) note: FailureNote,
    pub(super) remedy: Remedy,
    /// After this many attempts it is given up, if not earlier.
    pub(super) attempts: u32,
    /// What it says about a part that was needed.
    pub(super) symptom: Option<(Part, Trouble)>,
    /// No more requests may be made for now.
    pub(super) limited: bool,
    /// It is about the one chat that was asked for: others may do.
    pub(super) concerns_one_chat: bool,
}

/// What a failure asks for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Remedy {
    /// What the error itself advises.
    Retry(Retry),
    /// A person: the work waits for them, however long, and is looked at from time to time.
    Person(WaitCause),
}

/// A model that answers with nothing usable this often in a row will not do better the next time, and is
/// paid each time.
const BROKEN_ANSWERS: u32 = 4;

impl Failure {
    fn new(error: &dyn std::error::Error, remedy: Remedy) -> Self {
        Self {
            note: FailureNote::from_error(error),
            remedy,
            attempts: u32::MAX,
            symptom: None,
            limited: false,
            concerns_one_chat: false,
        }
    }

    /// A run that goes round in circles, such as when every answer comes too late to be acted on.
    pub(super) fn restless() -> Self {
        Self {
            note: FailureNote::new("the conversation did not come to rest"),
            remedy: Remedy::Retry(Retry::Backoff),
            attempts: u32::MAX,
            symptom: None,
            limited: false,
            concerns_one_chat: false,
        }
    }

    /// A failure that nothing mends.
    pub(super) fn final_words(text: &str) -> Self {
        Self {
            note: FailureNote::new(text),
            remedy: Remedy::Retry(Retry::Never),
            attempts: 1,
            symptom: None,
            limited: false,
            concerns_one_chat: false,
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let remedy = if needs_person(&error) {
            Remedy::Person(WaitCause::Deployment)
        } else {
            Remedy::Retry(error.retry())
        };
        Self {
            symptom: Trouble::of_fanvue(&error).map(|trouble| (Part::Fanvue, trouble)),
            limited: matches!(error, ClientError::RateLimited { .. }),
            concerns_one_chat: matches!(
                error,
                ClientError::NotFound
                    | ClientError::NotContactable
                    | ClientError::Rejected { .. }
                    | ClientError::Malformed { .. }
            ),
            ..Self::new(&error, remedy)
        }
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        let remedy = match &error {
            TokenError::NotConnected | TokenError::Corrupt => {
                Remedy::Person(WaitCause::NotConnected)
            }
            TokenError::CorruptApp => Remedy::Person(WaitCause::Deployment),
            TokenError::Client { source } if needs_person(source) => {
                Remedy::Person(WaitCause::Deployment)
            }
            // Which never says never: whatever keeps a token away is no reason to leave a fan unanswered.
            error => Remedy::Retry(error.retry()),
        };
        let limited = matches!(
            &error,
            TokenError::Client { source } if matches!(**source, ClientError::RateLimited { .. })
        );
        Self {
            limited,
            ..Self::new(&error, remedy)
        }
    }
}

impl From<LlmError> for Failure {
    fn from(error: LlmError) -> Self {
        let remedy = match &error {
            LlmError::Misconfigured { .. } | LlmError::OutOfQuota { .. } => {
                Remedy::Person(WaitCause::Deployment)
            }
            error => Remedy::Retry(error.retry()),
        };
        let attempts = match &error {
            LlmError::Broken { .. } => BROKEN_ANSWERS,
            _ => u32::MAX,
        };
        Self {
            attempts,
            limited: matches!(error, LlmError::RateLimited { .. }),
            symptom: Trouble::of_model(&error).map(|trouble| (Part::Model, trouble)),
            ..Self::new(&error, remedy)
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::new(&error, Remedy::Retry(error.retry()))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(&error, Remedy::Retry(error.retry()))
    }
}

/// A scope that was not ticked, the app's own credentials, an API that this version is too old for: the same
/// call works once that is mended.
const fn needs_person(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Forbidden { .. } | ClientError::InvalidClient | ClientError::VersionRetired
    )
}

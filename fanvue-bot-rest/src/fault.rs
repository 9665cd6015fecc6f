//! What can go wrong on the wire, as the source of a `ClientError`.

/// Why there is no usable answer. Quotes neither addresses nor bodies.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The request cannot have reached anyone.
    #[error("no connection could be made")]
    NotSent(#[source] reqwest::Error),
    #[error("no whole answer came within the time limit")]
    TimedOut(#[source] reqwest::Error),
    #[error("the connection broke before the answer was whole")]
    Broken(#[source] reqwest::Error),
    #[error("the answer is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the answer has status {status}: {message}")]
    Status { status: u16, message: String },
    #[error("the answer does not parse: {reason}")]
    Unreadable { reason: String },
}

impl From<reqwest::Error> for Fault {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_connect() || error.is_builder() {
            Self::NotSent(error)
        } else if error.is_timeout() {
            Self::TimedOut(error)
        } else {
            Self::Broken(error)
        }
    }
}

//! How a grant is doing, as plain data.

use crate::time::Timestamp;

/// How one creator's grant is doing. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GrantStatus {
    /// Whether there is a grant that works.
    pub connection: Connection,
    /// When the access token expires; `None` if there is none.
    pub expires_at: Option<Timestamp>,
    /// From when on the access token is refreshed; `None` if there is none.
    pub refresh_at: Option<Timestamp>,
    /// When the tokens at hand were issued: the last refresh, or the connection itself. `None` if there are
    /// none.
    pub issued_at: Option<Timestamp>,
    /// Since when a refresh has been without a definite answer: tried again with the same token for as long
    /// as Fanvue allows it, and then once more when the access token expires.
    pub unanswered_since: Option<Timestamp>,
    /// The last failure since the tokens at hand were issued; for a grant that has to be connected again,
    /// what ended it.
    pub last_failure: Option<RefreshFailure>,
    /// When that was.
    pub last_failure_at: Option<Timestamp>,
    /// When the operator was told that the account has to be connected again.
    pub alerted_at: Option<Timestamp>,
    /// How many refreshes in a row have failed in this process.
    pub failures: u32,
    /// What was granted.
    pub scopes: Vec<String>,
}

impl GrantStatus {
    pub(super) const fn not_connected() -> Self {
        Self {
            connection: Connection::NotConnected,
            expires_at: None,
            refresh_at: None,
            issued_at: None,
            unanswered_since: None,
            last_failure: None,
            last_failure_at: None,
            alerted_at: None,
            failures: 0,
            scopes: Vec::new(),
        }
    }
}

/// Whether there is a grant that works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Connection {
    /// There never was one, or it was ended here.
    NotConnected,
    /// As far as is known.
    Connected,
    /// Fanvue has ended it: a person has to connect the account again.
    NeedsReconnect,
}

/// Why a refresh failed, as health tells it apart. Each calls for another action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefreshFailure {
    /// Fanvue refused the refresh token: used up, expired or revoked. Connect again.
    InvalidGrant,
    /// There is no refresh token: `offline_access` was not granted. Tick the scope and connect again.
    NoRefreshToken,
    /// Fanvue refused the app's id or secret. Correct them.
    InvalidClient,
    /// Too many requests. Wait.
    RateLimited,
    /// The authorization server could not be reached. Wait, or look at the network.
    Unavailable,
    /// The request left and no definite answer came.
    Unanswered,
    /// The authorization server refused the request for another reason.
    Refused,
    /// Fanvue does not accept an access token that it has just issued.
    Unaccepted,
    /// Our own vault or store did not answer.
    Storage,
    /// The creator or agency has another app now than the one that the tokens were issued to. Connect
    /// again.
    AppChanged,
}

impl RefreshFailure {
    const STORED: [(u8, Self); 10] = [
        (1, Self::InvalidGrant),
        (2, Self::NoRefreshToken),
        (3, Self::InvalidClient),
        (4, Self::RateLimited),
        (5, Self::Unavailable),
        (6, Self::Unanswered),
        (7, Self::Refused),
        (8, Self::Unaccepted),
        (9, Self::Storage),
        (10, Self::AppChanged),
    ];

    /// The number under which it is stored; never changes.
    pub(super) fn number(self) -> u8 {
        Self::STORED
            .iter()
            .find(|(_, failure)| *failure == self)
            .map_or(0, |(number, _)| *number)
    }

    /// `None` for a number of a newer version.
    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::STORED
            .iter()
            .find(|(stored, _)| *stored == number)
            .map(|(_, failure)| *failure)
    }
}

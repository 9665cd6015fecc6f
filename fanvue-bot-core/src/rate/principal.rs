//! Whose bucket a request draws from.

use std::fmt;
use std::sync::Arc;

use crate::client::Reach;
use crate::oauth::GrantId;

/// Whose bucket a request draws from. Written as the name of what processes share about it.
///
/// Fanvue keeps a bucket for each app and account, and on an agency's paths for each creator besides. A grant is
/// one account's to one app, so it names the bucket, whichever token is used.
///
/// Source: Fanvue API reference, section 2.6.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Principal {
    /// Calls with a grant, on the chats of `reach`.
    Calls {
        /// Whose grant.
        grant: GrantId,
        /// On whose chats.
        reach: Reach,
    },
    /// `POST /chats/statuses`, which is counted apart.
    Statuses {
        /// Whose grant.
        grant: GrantId,
        /// On whose chats.
        reach: Reach,
    },
    /// Requests of an app to the authorization server.
    Tokens {
        /// The app's client id.
        client_id: Arc<str>,
    },
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, grant, reach) = match self {
            Self::Calls { grant, reach } => ("calls", grant, reach),
            Self::Statuses { grant, reach } => ("statuses", grant, reach),
            Self::Tokens { client_id } => return write!(f, "tokens/{client_id}"),
        };
        write!(f, "{kind}/{grant}")?;
        match reach {
            Reach::Own => Ok(()),
            Reach::Agency(account) => write!(f, "/{account}"),
        }
    }
}

//! Why an account could not be connected, and what to do about it.

use std::sync::Arc;

use super::super::TokenError;
use crate::client::ClientError;
use crate::entropy::EntropyError;
use crate::secret::VaultError;
use crate::store::StoreError;

/// Why an account could not be connected. Each has a [`remedy`](Self::remedy) in words for an operator.
///
/// Nothing of a query is repeated: anybody can write into one.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizeError {
    /// There is no such creator.
    #[error("there is no such creator")]
    UnknownCreator,
    /// The state is not one that was begun, or it was used already, or another attempt came after it.
    #[error("this connection was not begun here, or was used already")]
    NotBegun,
    /// The account was disconnected while it was being connected.
    #[error("the account was disconnected meanwhile")]
    Disconnected,
    /// More than 10 minutes have passed.
    #[error("the connection took longer than 10 minutes")]
    Expired,
    /// Another session began it.
    #[error("the connection was begun in another session")]
    OtherSession,
    /// `iss` names another server than the one that was asked.
    #[error("the answer came from another authorization server")]
    WrongIssuer,
    /// The account's owner said no.
    #[error("access was denied at fanvue")]
    Denied,
    /// The browser is signed in to another Fanvue account than the login that was begun.
    #[error("the browser is signed in to another fanvue account")]
    OtherLogin,
    /// A scope is not ticked in the app.
    #[error("the app is not allowed to ask for one of the scopes")]
    ScopeNotTicked,
    /// The redirect URI is not one of the app's.
    #[error("the redirect address is not one of the app's")]
    RedirectDiffers,
    /// Fanvue does not know the app, or its secret is wrong.
    #[error("fanvue does not accept the app's client id and secret")]
    InvalidClient,
    /// The authorization server has trouble of its own.
    #[error("fanvue's authorization server is unavailable")]
    ServerTrouble,
    /// The authorization server refused the request for another reason.
    #[error("fanvue's authorization server refused the request")]
    RequestRefused,
    /// The code was used, is too old, or does not fit the redirect or the verifier.
    #[error("fanvue did not accept the authorization code")]
    CodeRefused,
    /// No refresh token came: offline access was not granted.
    #[error("fanvue gave no refresh token")]
    NoRefreshToken,
    /// Some scopes were not granted.
    #[error("these scopes were not granted: {}", missing.join(", "))]
    MissingScopes {
        /// Which of those that were asked for.
        missing: Vec<String>,
    },
    /// The account that is signed in is no creator's.
    #[error("the fanvue account is not a creator's")]
    NotACreator,
    /// The account that is signed in is no agency's.
    #[error("the fanvue account is not an agency's")]
    NotAnAgency,
    /// The agency does not manage the account, or does no more.
    #[error("the agency does not manage this account at fanvue")]
    NotManaged,
    /// The creator was connected to another account, whose fans are stored with them.
    #[error("the creator was connected to another account before")]
    OtherAccountBefore,
    /// Another creator of this deployment has the account.
    #[error("another creator of this deployment is connected to this account")]
    AccountTaken,
    /// Another call to Fanvue failed.
    #[error("fanvue could not be asked")]
    Client {
        /// What it said.
        source: Arc<ClientError>,
    },
    /// The tokens could not be stored.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The store refused.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// The vault refused.
    #[error(transparent)]
    Vault(Arc<VaultError>),
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl From<ClientError> for AuthorizeError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::InvalidClient => Self::InvalidClient,
            error => Self::Client {
                source: Arc::new(error),
            },
        }
    }
}

impl From<StoreError> for AuthorizeError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<VaultError> for AuthorizeError {
    fn from(error: VaultError) -> Self {
        Self::Vault(Arc::new(error))
    }
}

impl AuthorizeError {
    /// What an operator does about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::UnknownCreator => "Create the creator first, then connect the account.",
            Self::Disconnected => {
                "Somebody disconnected it while you were connecting it. If that was not meant to last, start again."
            }
            Self::NotBegun | Self::Expired => {
                "Start again from the creator's page, and finish within 10 minutes in the same browser."
            }
            Self::OtherSession => {
                "Start again while signed in here, and finish in the same browser. If you did not start \
                 this yourself, somebody sent you the link: do not follow it."
            }
            Self::WrongIssuer => {
                "Check that the deployment's issuer is that of the authorization server, and start again. \
                 If it is right, somebody may have tampered with the answer."
            }
            Self::Denied => "Start again, and allow access on Fanvue's page.",
            Self::OtherLogin => {
                "Sign out of Fanvue in this browser, or start again with a fresh login, and sign in as the \
                 creator."
            }
            Self::ScopeNotTicked => {
                "Open the app at fanvue.com/developers/apps, tick the scopes in the Authentication tab, save, \
                 and start again."
            }
            Self::RedirectDiffers => {
                "Register the deployment's callback address with the app at fanvue.com/developers/apps, byte \
                 for byte, and start again."
            }
            Self::InvalidClient => {
                "Compare the client id and secret with the app at fanvue.com/developers/apps. A new secret \
                 there makes the old one useless."
            }
            Self::ServerTrouble => "Wait a minute and start again.",
            Self::RequestRefused => {
                "Start again. If it happens each time, compare the app's settings at \
                 fanvue.com/developers/apps with the deployment's."
            }
            Self::CodeRefused => {
                "Start again. If it happens each time, check that the callback address is registered with \
                 the app byte for byte."
            }
            Self::NoRefreshToken | Self::MissingScopes { .. } => {
                "Tick the scopes in the app's Authentication tab at fanvue.com/developers/apps, disconnect \
                 the app at fanvue.com/settings/account/third-party-apps, and start again."
            }
            Self::NotACreator => {
                "Sign in at Fanvue as the creator, not as a fan or an agency, and start again."
            }
            Self::NotAnAgency => {
                "Sign in at Fanvue as the agency, not as one of its creators, and start again."
            }
            Self::NotManaged => {
                "Add the creator to the agency at Fanvue, or pick one of those that the agency lists."
            }
            Self::OtherAccountBefore => {
                "Create another creator here for this account, or pick the account that this one had before."
            }
            Self::AccountTaken => {
                "Sign in at Fanvue as this creator, and start again. To give the account to this one, take it from \
                 the other first: disconnect that one and commit it without its account."
            }
            Self::Client { .. } => "Start again in a minute; if it stays, look at the health page.",
            Self::Token(TokenError::NotConnected) => "Connect the account first.",
            Self::Token(_) | Self::Store(_) | Self::Vault(_) | Self::Entropy(_) => {
                "This deployment could not store the connection. Look at its logs, then start again."
            }
        }
    }
}

/// The error that came back with the browser.
///
/// Sources: RFC 6749, section 4.1.2.1; OpenID Connect Core, section 3.1.2.6; Fanvue API reference, section
/// 1.6.
pub(super) fn refusal(error: &str, description: Option<&str>) -> AuthorizeError {
    let says =
        |word: &str| description.is_some_and(|text| text.to_ascii_lowercase().contains(word));
    match error {
        "login_required" | "account_selection_required" | "interaction_required" => {
            AuthorizeError::OtherLogin
        }
        _ if says("login session") => AuthorizeError::OtherLogin,
        "access_denied" | "consent_required" => AuthorizeError::Denied,
        "invalid_scope" => AuthorizeError::ScopeNotTicked,
        "invalid_client" | "unauthorized_client" => AuthorizeError::InvalidClient,
        "server_error" | "temporarily_unavailable" => AuthorizeError::ServerTrouble,
        _ if says("redirect_uri") || says("redirect uri") => AuthorizeError::RedirectDiffers,
        _ => AuthorizeError::RequestRefused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: &str, description: Option<&str>, wanted: &str) {
        let found = format!("{:?}", refusal(error, description));
        assert_eq!(found, wanted, "{error} {description:?}");
    }

    #[test]
    fn each_refusal_has_a_name_and_a_remedy() {
        check("access_denied", Some("the user said no"), "Denied");
        check("invalid_scope", None, "ScopeNotTicked");
        check("unauthorized_client", None, "InvalidClient");
        check("temporarily_unavailable", None, "ServerTrouble");
        check("login_required", None, "OtherLogin");
        check(
            "request_forbidden",
            Some("The login session does not match"),
            "OtherLogin",
        );
        check(
            "invalid_request",
            Some("The 'redirect_uri' parameter does not match"),
            "RedirectDiffers",
        );
        check("invalid_request", None, "RequestRefused");
        check("<script>", Some("<b>"), "RequestRefused");
    }
}

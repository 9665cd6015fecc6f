//! Authorization codes, and tokens with rotation, grace and revocation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::World;
use super::error::ApiError;
use super::secret::SecretText;
use super::time::Moment;

/// A refusal by the authorization server, in the form of RFC 6749.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OAuthError {
    /// The HTTP status.
    pub status: u16,
    /// The code, as in `invalid_grant`.
    pub error: &'static str,
    /// The reason in words.
    pub description: &'static str,
}

impl OAuthError {
    /// 400 `invalid_grant`.
    pub const fn invalid_grant(description: &'static str) -> Self {
        Self {
            status: 400,
            error: "invalid_grant",
            description,
        }
    }

    /// 400 `invalid_request`.
    pub const fn invalid_request(description: &'static str) -> Self {
        Self {
            status: 400,
            error: "invalid_request",
            description,
        }
    }

    /// 400 `unsupported_grant_type`.
    pub const fn unsupported_grant_type() -> Self {
        let description = "grant_type must be authorization_code or refresh_token";
        Self {
            status: 400,
            error: "unsupported_grant_type",
            description,
        }
    }

    /// 401 `invalid_client`.
    pub const fn invalid_client(description: &'static str) -> Self {
        Self {
            status: 401,
            error: "invalid_client",
            description,
        }
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error, self.description)
    }
}

impl std::error::Error for OAuthError {}

/// What an authorize request asks for, once the user has agreed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Consent {
    /// The app.
    pub client_id: String,
    /// Who agreed: a creator or an agency.
    pub user: Uuid,
    /// The scopes.
    pub scopes: BTreeSet<String>,
    /// Where the code is sent.
    pub redirect_uri: String,
    /// The PKCE challenge, method S256.
    pub code_challenge: String,
}

impl Consent {
    /// A consent to these scopes.
    pub fn new<S: Into<String>>(
        client_id: impl Into<String>,
        user: Uuid,
        scopes: impl IntoIterator<Item = S>,
        redirect_uri: impl Into<String>,
        code_challenge: impl Into<String>,
    ) -> Self {
        Self {
            client_id: client_id.into(),
            user,
            scopes: scopes.into_iter().map(Into::into).collect(),
            redirect_uri: redirect_uri.into(),
            code_challenge: code_challenge.into(),
        }
    }
}

/// A pair of tokens. The access token is known to the world by its id alone; the server wraps
/// that into a signed JWT.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IssuedTokens {
    /// The id of the access token.
    pub access: Uuid,
    /// How long it is good, in seconds.
    pub expires_in: u64,
    /// The refresh token, if `offline_access` or `offline` was granted.
    pub refresh: Option<SecretText>,
    /// The scopes.
    pub scopes: BTreeSet<String>,
    /// Who granted them.
    pub user: Uuid,
    /// The app that they are for.
    pub client_id: String,
}

/// Whom a good access token stands for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Access {
    /// The app.
    pub client_id: String,
    /// The creator or agency.
    pub user: Uuid,
    /// The scopes that the token was issued with.
    pub scopes: BTreeSet<String>,
}

#[derive(Clone, Debug)]
struct Code {
    consent: Consent,
    expires: Moment,
    spent_on: Option<usize>,
}

#[derive(Clone, Debug)]
struct Chain {
    client_id: String,
    user: Uuid,
    scopes: BTreeSet<String>,
    revoked: bool,
}

#[derive(Clone, Copy, Debug)]
struct Refresh {
    chain: usize,
    used_at: Option<Moment>,
}

/// Everything that was issued. A chain is what one authorization led to: all its refresh and
/// access tokens end together.
#[derive(Clone, Default)]
pub(crate) struct Issued {
    codes: BTreeMap<String, Code>,
    chains: Vec<Chain>,
    refreshes: BTreeMap<String, Refresh>,
    accesses: BTreeMap<Uuid, (usize, Moment)>,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("codes", &self.codes.len())
            .field("chains", &self.chains.len())
            .field("refreshes", &self.refreshes.len())
            .finish_non_exhaustive()
    }
}

impl World {
    /// Checks an app's id and secret.
    ///
    /// # Errors
    ///
    /// 401 `invalid_client`.
    pub fn check_client(&self, client_id: &str, secret: &str) -> Result<(), OAuthError> {
        match self.app(client_id) {
            Some(app) if app.client_secret.expose() == secret => Ok(()),
            _ => Err(OAuthError::invalid_client("unknown client or wrong secret")),
        }
    }

    /// Notes the user's consent and gives the authorization code for it.
    pub fn issue_code(&mut self, consent: Consent, now: Moment) -> String {
        let code = self.rng.token("ory_ac_");
        self.grant(&consent.client_id, consent.user, &consent.scopes, now);
        let expires = now.plus(self.settings.code_lifetime);
        self.issued.codes.insert(
            code.clone(),
            Code {
                consent,
                expires,
                spent_on: None,
            },
        );
        code
    }

    /// `grant_type=authorization_code`. A code that comes twice revokes what it gave the first
    /// time.
    ///
    /// # Errors
    ///
    /// `invalid_grant` if the code is unknown, spent, expired or another app's, or if the
    /// redirect or the verifier does not fit.
    pub fn exchange_code(
        &mut self,
        client_id: &str,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
        now: Moment,
    ) -> Result<IssuedTokens, OAuthError> {
        let known = self
            .issued
            .codes
            .get(code)
            .filter(|known| known.consent.client_id == client_id)
            .ok_or(OAuthError::invalid_grant("the code is not known"))?;
        if let Some(chain) = known.spent_on {
            self.issued.revoke(chain);
            return Err(OAuthError::invalid_grant("the code was used already"));
        }
        if known.expires <= now {
            return Err(OAuthError::invalid_grant("the code is expired"));
        }
        if known.consent.redirect_uri != redirect_uri {
            return Err(OAuthError::invalid_grant(
                "redirect_uri is not that of the request",
            ));
        }
        let fits = is_verifier(verifier) && challenge(verifier) == known.consent.code_challenge;
        if !fits {
            return Err(OAuthError::invalid_grant(
                "code_verifier does not fit the challenge",
            ));
        }
        let consent = known.consent.clone();
        let chain = self
            .issued
            .open_chain(&consent.client_id, consent.user, consent.scopes);
        if let Some(known) = self.issued.codes.get_mut(code) {
            known.spent_on = Some(chain);
        }
        Ok(self.issue(chain, now))
    }

    /// `grant_type=refresh_token`. The old token goes on working for 30 s; used after that, it
    /// revokes the whole chain.
    ///
    /// # Errors
    ///
    /// `invalid_grant` if the token is unknown, revoked, another app's, or used again too late.
    pub fn refresh(
        &mut self,
        client_id: &str,
        token: &str,
        now: Moment,
    ) -> Result<IssuedTokens, OAuthError> {
        let grace = self.settings.refresh_grace;
        let unknown = OAuthError::invalid_grant("the refresh token is not known");
        let Refresh { chain, used_at } =
            *self.issued.refreshes.get(token).ok_or(unknown.clone())?;
        if self.issued.chains[chain].client_id != client_id {
            return Err(unknown);
        }
        if self.issued.chains[chain].revoked {
            return Err(OAuthError::invalid_grant("the refresh token is revoked"));
        }
        if used_at.is_some_and(|used| now.since(used) > grace) {
            self.issued.revoke(chain);
            return Err(OAuthError::invalid_grant(
                "the refresh token was used already, so its whole chain is revoked",
            ));
        }
        if let Some(refresh) = self.issued.refreshes.get_mut(token) {
            refresh.used_at.get_or_insert(now);
        }
        Ok(self.issue(chain, now))
    }

    /// `POST /oauth2/revoke`: ends the chain of a refresh token. Unknown tokens are no error.
    pub fn revoke_refresh(&mut self, client_id: &str, token: &str) {
        if let Some(refresh) = self.issued.refreshes.get(token)
            && self.issued.chains[refresh.chain].client_id == client_id
        {
            self.issued.revoke(refresh.chain);
        }
    }

    /// Ends a single access token.
    pub fn revoke_access(&mut self, access: Uuid) {
        self.issued.accesses.remove(&access);
    }

    /// How many chains of tokens are not revoked, whatever their age.
    #[must_use]
    pub fn live_chains(&self) -> usize {
        let chains = self.issued.chains.iter();
        chains.filter(|chain| !chain.revoked).count()
    }

    /// Takes the short way to tokens: no browser, no code. The app is authorized by it.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown app or user.
    pub fn issue_tokens<S: AsRef<str>>(
        &mut self,
        client_id: &str,
        user: Uuid,
        scopes: impl IntoIterator<Item = S>,
        now: Moment,
    ) -> Result<IssuedTokens, ApiError> {
        if !self.apps.contains_key(client_id) {
            return Err(ApiError::not_found("App"));
        }
        if !self.creators.contains_key(&user) {
            return Err(ApiError::not_found("Creator"));
        }
        let scopes: BTreeSet<String> = scopes
            .into_iter()
            .map(|scope| scope.as_ref().to_owned())
            .collect();
        self.grant(client_id, user, &scopes, now);
        let chain = self.issued.open_chain(client_id, user, scopes);
        Ok(self.issue(chain, now))
    }

    /// Whom an access token stands for.
    ///
    /// # Errors
    ///
    /// `Unauthorized` if it is unknown, expired or revoked.
    pub fn authorize(&self, access: Uuid, now: Moment) -> Result<Access, ApiError> {
        let (chain, expires) = *self
            .issued
            .accesses
            .get(&access)
            .ok_or(ApiError::Unauthorized)?;
        let chain = &self.issued.chains[chain];
        if chain.revoked || expires <= now {
            return Err(ApiError::Unauthorized);
        }
        Ok(Access {
            client_id: chain.client_id.clone(),
            user: chain.user,
            scopes: chain.scopes.clone(),
        })
    }

    /// Ends every token of an app for a user.
    pub fn revoke_all(&mut self, client_id: &str, user: Uuid) {
        for chain in &mut self.issued.chains {
            chain.revoked |= chain.client_id == client_id && chain.user == user;
        }
    }

    fn issue(&mut self, chain: usize, now: Moment) -> IssuedTokens {
        let access = self.rng.uuid();
        let expires_in = self.settings.access_token_seconds;
        self.issued
            .accesses
            .insert(access, (chain, now.plus(expires_in * 1000)));
        let Chain {
            client_id,
            user,
            scopes,
            ..
        } = self.issued.chains[chain].clone();
        let refresh =
            (scopes.contains("offline_access") || scopes.contains("offline")).then(|| {
                let token = self.rng.token("ory_rt_");
                self.issued.refreshes.insert(
                    token.clone(),
                    Refresh {
                        chain,
                        used_at: None,
                    },
                );
                SecretText::new(token)
            });
        IssuedTokens {
            access,
            expires_in,
            refresh,
            scopes,
            user,
            client_id,
        }
    }
}

impl Issued {
    fn open_chain(&mut self, client_id: &str, user: Uuid, scopes: BTreeSet<String>) -> usize {
        self.chains.push(Chain {
            client_id: client_id.to_owned(),
            user,
            scopes,
            revoked: false,
        });
        self.chains.len() - 1
    }

    fn revoke(&mut self, chain: usize) {
        self.chains[chain].revoked = true;
    }
}

/// The S256 challenge of a PKCE verifier.
pub fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
}

//! What an [`Authorizer`] is built from.

use std::sync::Arc;
use std::time::Duration;

use super::super::TokenSource;
use super::{Authorizer, OnConnect};

/// How long an authorization, or a question about one, stays open.
pub(super) const LIFE: Duration = Duration::from_secs(600);

/// What a reply bot needs, and what its webhooks need (`read:creator`).
///
/// Source: Fanvue API reference, section 1.7.
const SCOPES: [&str; 8] = [
    "openid",
    "offline_access",
    "offline",
    "read:self",
    "read:chat",
    "write:chat",
    "read:fan",
    "read:creator",
];

/// Builds an [`Authorizer`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct AuthorizerBuilder {
    tokens: TokenSource,
    redirect_uri: String,
    endpoint: String,
    issuer: String,
    scopes: Vec<String>,
    on_connect: Option<Arc<dyn OnConnect>>,
    loopback: Loopback,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loopback {
    Refused,
    Allowed,
}

/// A setting that cannot be right. Quotes no value: a URL may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
#[non_exhaustive]
pub struct AuthorizerConfigError {
    /// Which setting.
    pub field: &'static str,
    /// What is wrong with it, and what to write instead.
    pub problem: &'static str,
}

impl AuthorizerBuilder {
    pub(super) fn new(tokens: TokenSource, redirect_uri: String) -> Self {
        Self {
            tokens,
            redirect_uri,
            endpoint: "https://auth.fanvue.com/oauth2/auth".to_owned(),
            issuer: "https://auth.fanvue.com".to_owned(),
            scopes: SCOPES.map(str::to_owned).to_vec(),
            on_connect: None,
            loopback: Loopback::Refused,
        }
    }

    /// The address that browsers are sent to. Default: `https://auth.fanvue.com/oauth2/auth`.
    pub fn authorize_endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = url.into();
        self
    }

    /// What `iss` has to be where the server sends it. Default: `https://auth.fanvue.com`.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = issuer.into();
        self
    }

    /// The scopes to ask for. Default: what a reply bot needs. Each has to be ticked in the app, and all but
    /// `openid` have to be granted.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Letting this know of each connection: the deployment's [`Engine`](crate::engine::Engine), so that
    /// fans who waited for the account are answered at once. Default: their work is looked at again within
    /// a quarter of an hour.
    pub fn on_connect(mut self, on_connect: Arc<dyn OnConnect>) -> Self {
        self.on_connect = Some(on_connect);
        self
    }

    /// Also accepts plain HTTP to this machine, for tests and simulators.
    pub const fn allow_loopback_http(mut self) -> Self {
        self.loopback = Loopback::Allowed;
        self
    }

    /// The authorizer.
    ///
    /// # Errors
    /// [`AuthorizerConfigError`] names the first setting that cannot be right.
    pub fn build(self) -> Result<Authorizer, AuthorizerConfigError> {
        for (field, url) in [
            ("redirect_uri", &self.redirect_uri),
            ("authorize_endpoint", &self.endpoint),
        ] {
            check(url, self.loopback)
                .map_err(|problem| AuthorizerConfigError { field, problem })?;
        }
        let offline = ["offline_access", "offline"];
        if !self.scopes.iter().any(|scope| offline.contains(&&**scope)) {
            return Err(AuthorizerConfigError {
                field: "scopes",
                problem: "lack offline_access; without it there is no refresh token",
            });
        }
        if self.scopes.iter().any(|scope| !is_scope(scope)) {
            return Err(AuthorizerConfigError {
                field: "scopes",
                problem: "hold one with spaces or other characters that no scope has",
            });
        }
        Ok(Authorizer {
            tokens: self.tokens,
            endpoint: self.endpoint,
            redirect_uri: self.redirect_uri,
            issuer: self.issuer,
            scopes: self.scopes,
            on_connect: self.on_connect,
        })
    }
}

/// Whether browsers may be sent back there: https, or plain HTTP to this machine, where nothing can listen in.
pub(in crate::oauth) fn check_address(url: &str) -> Result<(), &'static str> {
    check(url, Loopback::Allowed)
}

/// RFC 6749, section 3.3.
fn is_scope(scope: &str) -> bool {
    !scope.is_empty()
        && scope
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

/// What only the deployment sets needs no parser: the two ways to write an address that is safe to send
/// somebody's code to, and nothing else.
fn check(url: &str, loopback: Loopback) -> Result<(), &'static str> {
    let plain = |rest: &str| {
        let authority = rest.split('/').next().unwrap_or_default();
        let host = match authority.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        };
        matches!(host, "127.0.0.1" | "localhost" | "::1")
    };
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) || url.contains(['#', '?', '@', '\\']) {
        return Err(
            "holds a query, a fragment, a user name, or characters that have to be escaped",
        );
    }
    match url.split_once("://") {
        Some(("https", rest)) if !rest.is_empty() && !rest.starts_with('/') => Ok(()),
        Some(("http", rest)) if plain(rest) => match loopback {
            Loopback::Allowed => Ok(()),
            Loopback::Refused => Err(
                "is plain http to this machine; use https, or call allow_loopback_http() in tests",
            ),
        },
        Some(("http", _)) => Err("is plain http; use https"),
        _ => Err("is no address; write it as https://bot.example.com/oauth/callback"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_or_an_allowed_loopback_is_accepted() {
        use Loopback::{Allowed, Refused};
        for (url, loopback, complaint) in [
            ("https://bot.example.com/oauth/callback", Refused, None),
            ("http://127.0.0.1:8080/oauth/callback", Allowed, None),
            ("http://[::1]:8080/oauth/callback", Allowed, None),
            ("http://localhost/cb", Refused, Some("allow_loopback_http")),
            (
                "http://localhost.evil.example/cb",
                Allowed,
                Some("use https"),
            ),
            ("http://bot.example.com/cb", Allowed, Some("use https")),
            (
                "https://user@bot.example.com/cb",
                Refused,
                Some("user name"),
            ),
            ("https://bot.example.com/cb?x=1", Refused, Some("query")),
            ("https://bot.example.com/c b", Refused, Some("escaped")),
            ("https:///cb", Refused, Some("no address")),
            ("ftp://bot.example.com", Refused, Some("no address")),
            ("", Refused, Some("no address")),
        ] {
            match (check(url, loopback), complaint) {
                (Ok(()), None) => {}
                (Err(found), Some(part)) => assert!(found.contains(part), "{url}: {found}"),
                (found, wanted) => panic!("{url}: {found:?}, not {wanted:?}"),
            }
        }
    }
}

//! The secret that internal routes ask for.

use std::fmt;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use fanvue_bot_core::secret::Secret;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

/// The least length of a secret, in bytes: 128 bits written as hexadecimal digits.
const LEAST: usize = 32;

/// What whoever calls an internal route has to show, as `Authorization: Bearer {secret}`.
///
/// Only its hash is kept.
#[derive(Clone)]
pub struct BearerSecret([u8; 32]);

/// The text is no secret to rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the bearer secret must have at least 32 characters, all of them visible ASCII; make one with `openssl rand -hex 32`"
)]
#[non_exhaustive]
pub struct WeakBearerSecret;

impl BearerSecret {
    /// The secret of this text.
    ///
    /// # Errors
    /// [`WeakBearerSecret`] if it is shorter than 32 bytes, or holds what no header can carry.
    pub fn new(secret: &Secret) -> Result<Self, WeakBearerSecret> {
        let text = secret.expose();
        if text.len() < LEAST || !text.iter().all(u8::is_ascii_graphic) {
            return Err(WeakBearerSecret);
        }
        Ok(Self(Sha256::digest(text).into()))
    }
}

impl fmt::Debug for BearerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerSecret(..)")
    }
}

/// The secrets that are accepted: one, and while it is being replaced the one before.
#[derive(Debug)]
pub(super) struct Bearers {
    pub(super) current: BearerSecret,
    pub(super) previous: Option<BearerSecret>,
}

impl Bearers {
    /// Whether the request shows one of them. Takes the same time whichever it is, and wherever it differs.
    pub(super) fn admit(&self, headers: &HeaderMap) -> bool {
        let Some(shown) = headers.get(AUTHORIZATION).map(|value| value.as_bytes()) else {
            return false;
        };
        let Some((scheme, token)) = shown.split_at_checked(b"bearer ".len()) else {
            return false;
        };
        let shown = Sha256::digest(token);
        let accepted = [Some(&self.current), self.previous.as_ref()]
            .into_iter()
            .flatten()
            .fold(Choice::from(0), |accepted, secret| {
                accepted | secret.0.ct_eq(&shown)
            });
        scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(accepted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Result<BearerSecret, WeakBearerSecret> {
        BearerSecret::new(&Secret::new(text))
    }

    #[test]
    fn what_is_short_or_fits_no_header_is_no_secret() {
        assert!(secret(&"s".repeat(32)).is_ok());
        for text in [
            "",
            &"s".repeat(31),
            &"s ".repeat(32),
            &"é".repeat(32),
            &"s\n".repeat(32),
        ] {
            assert_eq!(secret(text).unwrap_err(), WeakBearerSecret, "{text:?}");
        }
        assert_eq!(
            format!("{:?}", secret(&"s".repeat(32)).unwrap()),
            "BearerSecret(..)"
        );
    }

    #[test]
    fn the_secret_and_the_one_before_are_admitted_and_nothing_else() {
        let (new, old) = ("n".repeat(40), "o".repeat(40));
        let mut bearers = Bearers {
            current: secret(&new).unwrap(),
            previous: Some(secret(&old).unwrap()),
        };
        let admits = |bearers: &Bearers, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            bearers.admit(&headers)
        };
        assert!(admits(&bearers, &format!("Bearer {new}")));
        assert!(admits(&bearers, &format!("bearer {old}")));
        for value in [
            "",
            "Bearer",
            "Bearer ",
            &new,
            &format!("Basic {new}"),
            &format!("Bearer {new} "),
            &format!("Bearer {}", &new[1..]),
        ] {
            assert!(!admits(&bearers, value), "{value:?}");
        }
        assert!(!bearers.admit(&HeaderMap::new()));
        bearers.previous = None;
        assert!(!admits(&bearers, &format!("Bearer {old}")));
    }
}

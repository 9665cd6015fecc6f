//! Proof that a body comes from Fanvue.
//!
//! `X-Fanvue-Signature: t=<unix seconds>,v0=<hex>` where the hex is the HMAC-SHA256, under the signing
//! secret's bytes as shown, of `<t>.<raw body>`. Source: Fanvue API reference, signature.

mod header;
mod key;
mod signer;

use std::fmt;
use std::time::Duration;

use self::header::Header;
use self::key::Key;
pub use self::signer::Signer;
use super::event::{Event, Hints, ParseEventError};
use crate::secret::Secret;
use crate::time::Timestamp;

/// How far a signature's time may be from the receiver's, both ways, unless set otherwise: 300 s.
pub const DEFAULT_TOLERANCE: Duration = Duration::from_secs(300);

/// Checks signatures against the secrets that are live.
///
/// It cannot be built without a secret, and holds no bytes of the secrets themselves but the keyed state
/// of the hash, which is as secret. Cheap to share; make it once per secret set, not per request.
#[derive(Clone)]
pub struct Verifier {
    keys: Vec<Key>,
    tolerance: Duration,
    legacy_sha256: bool,
}

impl Verifier {
    /// Accepts signatures made with `secret`.
    ///
    /// # Errors
    /// [`VerifierError`] when the secret is empty.
    pub fn new(secret: &Secret) -> Result<Self, VerifierError> {
        Ok(Self {
            keys: vec![Key::new(secret)?],
            tolerance: DEFAULT_TOLERANCE,
            legacy_sha256: false,
        })
    }

    /// Also accepts signatures made with `secret`: the previous one while rotating, or another
    /// subscription's. Requests carry no key id, so each secret is tried in the order given, and each one
    /// more costs a forged request one more HMAC.
    ///
    /// # Errors
    /// [`VerifierError`] when the secret is empty.
    pub fn also(mut self, secret: &Secret) -> Result<Self, VerifierError> {
        self.keys.push(Key::new(secret)?);
        Ok(self)
    }

    /// Accepts what is made with `secret` alone, by the rules of this verifier: its tolerance and the forms
    /// that it accepts.
    ///
    /// # Errors
    /// [`VerifierError`] when the secret is empty.
    pub fn with_secret(&self, secret: &Secret) -> Result<Self, VerifierError> {
        Ok(Self {
            keys: vec![Key::new(secret)?],
            ..*self
        })
    }

    /// Refuses with as many HMACs as a verifier of `secrets` secrets, if it has fewer: so that a clock does not
    /// tell how many are live.
    pub(in crate::webhook) fn refuse_like(mut self, secrets: usize) -> Self {
        while self.keys.len() < secrets {
            self.keys.push(Key::decoy());
        }
        self
    }

    /// How many HMACs a refusal costs, if the signature is of a form and a time that are looked into.
    #[cfg(test)]
    pub(in crate::webhook) const fn hmacs(&self) -> usize {
        self.keys.len()
    }

    /// Sets how far the signature's time may be from `now`, both ways. Fanvue suggests 300 s, the default.
    /// Whoever captures a request can replay it for as long.
    #[must_use]
    pub const fn tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Also accepts the form `sha256=<hex>` over the body alone, which senders other than Fanvue use.
    ///
    /// **It has no time, so a request that was captured once can be replayed for ever.** Only for a
    /// sender that cannot do better, and only where every event is de-duplicated by
    /// [`EventKey`](super::EventKey) without an end of retention.
    #[must_use]
    pub const fn accept_replayable_sha256(mut self) -> Self {
        self.legacy_sha256 = true;
        self
    }

    /// Proves `body` by the value of its [`SIGNATURE_HEADER`](super::SIGNATURE_HEADER); an absent header
    /// is an empty value, and of a header that occurs more than once all values are to be joined with
    /// commas. `body` must be the bytes as received, before any decoding, and the HTTP layer must have
    /// bounded their number.
    ///
    /// The secrets and the expected signature are compared in constant time. How long a refusal takes
    /// depends on the header, the length of the body and the number of secrets, not on how wrong the
    /// signature is.
    ///
    /// # Errors
    /// [`SignatureError`] says which check failed. Tell the sender none of it.
    pub fn verify<'a>(
        &self,
        signature: &[u8],
        body: &'a [u8],
        now: Timestamp,
    ) -> Result<VerifiedBody<'a>, SignatureError> {
        let header = Header::read(signature)?;
        let signed_at = header.signed.map(|signed| signed.time);
        match signed_at {
            Some(time) if now.since(time).max(time.since(now)) > self.tolerance => {
                return Err(SignatureError::OutsideTolerance);
            }
            None if !self.legacy_sha256 => return Err(SignatureError::LegacyScheme),
            _ => {}
        }
        let secret = self
            .keys
            .iter()
            .position(|key| key.proves(&header, body))
            .ok_or(SignatureError::Mismatch)?;
        Ok(VerifiedBody {
            body,
            secret,
            signed_at,
        })
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("secrets", &self.keys.len())
            .field("tolerance", &self.tolerance)
            .field("legacy_sha256", &self.legacy_sha256)
            .finish()
    }
}

/// Refuses everything, in the time that a [`Verifier`] takes to refuse: for a request whose tenant is not
/// known, so that its answer cannot be told by a clock from that to a bad signature.
#[derive(Debug, Clone)]
pub struct Decoy(Verifier);

impl Decoy {
    /// Takes as long as `verifier`, with its settings and its number of secrets.
    #[must_use]
    pub fn like(verifier: &Verifier) -> Self {
        Self::of(verifier.keys.len(), verifier)
    }

    /// Takes as long as a verifier of `secrets` secrets with the settings of `rules`.
    pub(in crate::webhook) fn of(secrets: usize, rules: &Verifier) -> Self {
        Self(Verifier {
            keys: vec![Key::decoy(); secrets],
            ..*rules
        })
    }

    /// How many HMACs a refusal costs.
    #[cfg(test)]
    pub(in crate::webhook) const fn hmacs(&self) -> usize {
        self.0.hmacs()
    }

    /// Does the work of [`Verifier::verify`] and refuses.
    #[must_use]
    pub fn refuse(&self, signature: &[u8], body: &[u8], now: Timestamp) -> SignatureError {
        match self.0.verify(signature, body, now) {
            Ok(_) => SignatureError::Mismatch,
            Err(error) => error,
        }
    }
}

impl Default for Decoy {
    /// Takes as long as a [`Verifier`] of one secret and the default tolerance.
    fn default() -> Self {
        Self(Verifier {
            keys: vec![Key::decoy()],
            tolerance: DEFAULT_TOLERANCE,
            legacy_sha256: false,
        })
    }
}

/// A body that a [`Verifier`] proved. Nothing else makes one, and nothing else can be parsed, but for one that was
/// proved before it was kept in an [`Inbox`](crate::inbox::Inbox).
#[derive(Clone, Copy)]
pub struct VerifiedBody<'a> {
    body: &'a [u8],
    secret: usize,
    signed_at: Option<Timestamp>,
}

impl<'a> VerifiedBody<'a> {
    /// One that was proved before it was kept.
    pub(crate) const fn kept(body: &'a [u8]) -> Self {
        Self {
            body,
            secret: 0,
            signed_at: None,
        }
    }

    /// Reads the event.
    ///
    /// # Errors
    /// [`ParseEventError`] when the body is not JSON, or lacks an id without which the event cannot be
    /// placed. Unknown events, unknown fields, missing optional ones and values of another type than
    /// expected are no errors.
    pub fn parse(&self, hints: &Hints<'_>) -> Result<Event, ParseEventError> {
        super::event::parse(self.body, hints)
    }

    /// The bytes.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.body
    }

    /// Which secret proved it, counted from 0 in the order given to the [`Verifier`]. Once nothing is
    /// proved by the previous secret any more, a rotation is complete.
    #[must_use]
    pub const fn secret_index(&self) -> usize {
        self.secret
    }

    /// When it was signed; `None` for the form that has no time.
    #[must_use]
    pub const fn signed_at(&self) -> Option<Timestamp> {
        self.signed_at
    }
}

impl fmt::Debug for VerifiedBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedBody")
            .field("bytes", &self.body.len())
            .field("secret", &self.secret)
            .field("signed_at", &self.signed_at)
            .finish()
    }
}

/// Why a [`Verifier`] or [`Signer`] cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifierError {
    /// The secret has no bytes: anyone could sign.
    #[error("the webhook signing secret is empty; copy it from the app's events page at Fanvue")]
    EmptySecret,
}

/// Why a body is not proved. No variant holds anything of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// No signature.
    #[error("the request carries no X-Fanvue-Signature header")]
    Missing,
    /// The header is not of the form `t=<unix seconds>,v0=<64 lower-case hex digits>`.
    #[error(
        "the X-Fanvue-Signature header must look like t=<unix seconds>,v0=<64 lower-case hex digits>"
    )]
    Malformed,
    /// A signature without a time, which is not accepted here.
    #[error("a sha256= signature has no time and is accepted only where that was switched on")]
    LegacyScheme,
    /// The signature is too old, or from the future: a replay, or a clock that is wrong.
    #[error("the signature's time is too far from now; check this machine's clock")]
    OutsideTolerance,
    /// No live secret made this signature for these bytes.
    #[error("the signature does not match the body under any live secret")]
    Mismatch,
}

impl SignatureError {
    /// A name of few values, for metric labels.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::LegacyScheme => "legacy_scheme",
            Self::OutsideTolerance => "outside_tolerance",
            Self::Mismatch => "mismatch",
        }
    }
}

#[cfg(test)]
mod tests;

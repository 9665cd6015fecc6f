//! One signing secret, ready to hash with.

use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use super::VerifierError;
use super::header::{Header, Mac};
use crate::secret::Secret;

/// The HMAC's state after its key went in: two blocks less to hash per request than from the secret.
#[derive(Clone)]
pub(super) struct Key {
    hmac: Hmac<Sha256>,
    /// Does the work of a key, and proves nothing.
    decoy: Choice,
}

impl Key {
    pub(super) fn new(secret: &Secret) -> Result<Self, VerifierError> {
        if secret.expose().is_empty() {
            return Err(VerifierError::EmptySecret);
        }
        let hmac = Hmac::new_from_slice(secret.expose());
        Ok(Self {
            hmac: hmac.map_err(|_| VerifierError::EmptySecret)?,
            decoy: Choice::from(0),
        })
    }

    /// A key that proves nothing, not even what is signed with its bytes, which everybody knows.
    pub(super) fn decoy() -> Self {
        Self {
            hmac: Hmac::new(&Default::default()),
            decoy: Choice::from(1),
        }
    }

    /// The signature of `parts` one after the other.
    pub(super) fn sign(&self, parts: [&[u8]; 3]) -> Mac {
        let mut hmac = self.hmac.clone();
        for part in parts {
            hmac.update(part);
        }
        hmac.finalize().into_bytes().into()
    }

    /// Whether one of the header's signatures is this key's for `body`. Compares all of them, each in
    /// constant time.
    pub(super) fn proves(&self, header: &Header<'_>, body: &[u8]) -> bool {
        let expected = match header.signed {
            Some(signed) => self.sign([signed.digits, b".", body]),
            None => self.sign([b"", b"", body]),
        };
        let found = header
            .macs
            .iter()
            .fold(Choice::from(0), |found, mac| found | equal(mac, &expected));
        (found & !self.decoy).into()
    }
}

/// Compares in constant time, by words: byte by byte it would cost a tenth of the HMAC.
fn equal(left: &Mac, right: &Mac) -> Choice {
    let words = |mac: &Mac| {
        let (words, _) = mac.as_chunks::<8>();
        [0, 1, 2, 3].map(|at| u64::from_le_bytes(words[at]))
    };
    words(left).as_slice().ct_eq(words(right).as_slice())
}

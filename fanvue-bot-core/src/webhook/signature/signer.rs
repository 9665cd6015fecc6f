//! Making signatures, as Fanvue does.

use std::fmt;

use super::VerifierError;
use super::key::Key;
use crate::secret::Secret;
use crate::time::Timestamp;

/// Signs bodies: for a self-test that sends itself an event, for simulators and for tests.
#[derive(Clone)]
pub struct Signer(Key);

impl Signer {
    /// Signs with `secret`.
    ///
    /// # Errors
    /// [`VerifierError`] when the secret is empty.
    pub fn new(secret: &Secret) -> Result<Self, VerifierError> {
        Key::new(secret).map(Self)
    }

    /// The value of the [`SIGNATURE_HEADER`](crate::webhook::SIGNATURE_HEADER) for `body` signed at `at`,
    /// of which whole seconds count. Times before 1970 sign as 1970.
    #[must_use]
    pub fn header(&self, at: Timestamp, body: &[u8]) -> String {
        let seconds = at.as_seconds().max(0).to_string();
        let mac = self.0.sign([seconds.as_bytes(), b".", body]);
        let mut header = format!("t={seconds},v0=");
        push_hex(&mut header, &mac);
        header
    }

    /// The value in the form `sha256=<hex>`, over `body` alone; see
    /// [`Verifier::accept_replayable_sha256`](super::Verifier::accept_replayable_sha256).
    #[must_use]
    pub fn replayable_header(&self, body: &[u8]) -> String {
        let mut header = String::from("sha256=");
        push_hex(&mut header, &self.0.sign([b"", b"", body]));
        header
    }
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 0xf] {
            text.extend(char::from_digit(u32::from(digit), 16));
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(..)")
    }
}

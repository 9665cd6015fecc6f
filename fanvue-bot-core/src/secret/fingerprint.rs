//! Recognizing a secret without seeing it.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::Secret;

/// What a secret is recognized by when it is not shown any more: the first 32 bits of its SHA-256, as eight
/// hexadecimal digits. Enough to tell two secrets apart, and useless for guessing one that is random.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 4]);

impl Fingerprint {
    /// Of these bytes.
    #[must_use]
    pub fn of(secret: &[u8]) -> Self {
        let digest = Sha256::digest(secret);
        let mut first = [0; 4];
        first.copy_from_slice(&digest[..4]);
        Self(first)
    }
}

impl Secret {
    /// What the secret is recognized by.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.expose())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_beginning_of_the_hash() {
        // The first example of FIPS 180-4's test vectors.
        assert_eq!(Fingerprint::of(b"abc").to_string(), "ba7816bf");
        let secret = Secret::new(*b"abc");
        assert_eq!(
            format!("{:?}", secret.fingerprint()),
            "Fingerprint(ba7816bf)"
        );
    }
}

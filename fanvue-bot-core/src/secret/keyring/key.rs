//! Master keys.

use std::fmt;

use hmac::digest::Digest as _;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use super::KeyringError;
use crate::entropy::Entropy;

/// Names a master key: eight bytes of a hash of it, so that nobody has to keep names and keys in step and
/// one key cannot have two names. Not secret; it does not help to guess a random key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

impl KeyId {
    /// The id that stands in a sealed secret as these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The bytes, as they stand in a sealed secret.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A key that data keys are wrapped under: 32 random bytes, from outside the database.
///
/// `Debug` shows the id alone; the memory is overwritten on drop, which does not reach copies that others
/// made.
pub struct MasterKey {
    bytes: Zeroizing<[u8; 32]>,
    id: KeyId,
}

impl MasterKey {
    /// The key with these bytes, of which there must be 32.
    ///
    /// # Errors
    /// [`KeyringError::KeyLength`] for another number, [`KeyringError::PlaceholderKey`] when all are the
    /// same.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyringError> {
        let mut key = Zeroizing::new([0; 32]);
        if bytes.len() != key.len() {
            return Err(KeyringError::KeyLength { found: bytes.len() });
        }
        key.copy_from_slice(bytes);
        if key.iter().all(|byte| *byte == key[0]) {
            return Err(KeyringError::PlaceholderKey);
        }
        let hash = Sha256::new()
            .chain_update(b"fanvue-bot master key id\0")
            .chain_update(key.as_slice())
            .finalize();
        let mut id = [0; 8];
        for (to, from) in id.iter_mut().zip(hash) {
            *to = from;
        }
        Ok(Self {
            bytes: key,
            id: KeyId(id),
        })
    }

    /// The key that `text` writes as 64 hex digits or as base64 (either alphabet, padded or not). White
    /// space around it, such as a file's last line break, does not count.
    ///
    /// # Errors
    /// [`KeyringError::KeyText`] when it is neither, else as [`MasterKey::from_bytes`].
    pub fn from_text(text: &str) -> Result<Self, KeyringError> {
        let text = text.trim();
        let mut bytes = match hex(text) {
            Some(bytes) => bytes,
            None => base64(text).ok_or(KeyringError::KeyText)?,
        };
        let key = Self::from_bytes(&bytes);
        bytes.zeroize();
        key
    }

    /// A new key.
    ///
    /// # Errors
    /// [`KeyringError::Entropy`] when `entropy` has none to give.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, KeyringError> {
        let mut bytes = Zeroizing::new([0; 32]);
        entropy.fill(bytes.as_mut())?;
        Self::from_bytes(bytes.as_ref())
    }

    /// The key's name.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({}, ..)", self.id)
    }
}

/// The bytes of 64 hex digits. No 64 digits of base64 are 32 bytes, so there is no doubt which is meant.
fn hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 {
        return None;
    }
    let mut bytes = Vec::with_capacity(32);
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    for pair in pairs {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        bytes.push(u8::try_from(high? * 16 + low?).ok()?);
    }
    Some(bytes)
}

/// The bytes of base64 text: one alphabet or the other, padded in full or not at all, no stray bits.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    if padding > 2 || (padding > 0 && !text.len().is_multiple_of(4)) {
        return None;
    }
    let (plus, slash) = if text.contains(['-', '_']) {
        (b'-', b'_')
    } else {
        (b'+', b'/')
    };
    // The capacity keeps the vector from leaving copies behind as it grows.
    let mut bytes = Vec::with_capacity(text.len());
    let (mut bits, mut count) = (0_u32, 0);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            _ if digit == plus => 62,
            _ if digit == slash => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count).to_le_bytes()[0]);
            bits &= (1 << count) - 1;
        }
    }
    // A last digit that gives no byte, or bits that no encoder writes.
    (count < 6 && bits == 0 && !bytes.is_empty()).then_some(bytes)
}

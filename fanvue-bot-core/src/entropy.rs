//! Randomness: from the system for keys, from a recorded seed for behavior.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A source of bytes that nobody can guess, for keys, nonces, tokens and seeds.
pub trait Entropy: fmt::Debug + Send + Sync + 'static {
    /// Fills `buffer` with random bytes.
    ///
    /// # Errors
    /// [`EntropyError`] when the source has none to give; the buffer is then not to be used.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError>;
}

/// The source of randomness failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the source of randomness gave nothing")]
#[non_exhaustive]
pub struct EntropyError;

impl EntropyError {
    /// The error, for sources outside this crate.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Default for EntropyError {
    fn default() -> Self {
        Self::new()
    }
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to configure")]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that asks the system for randomness"
        )]
        getrandom::fill(buffer).map_err(|_| EntropyError)
    }
}

impl<E: Entropy + ?Sized> Entropy for Arc<E> {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        (**self).fill(buffer)
    }
}

/// Randomness as a value: the same seed always yields the same draws, so a recorded turn replays
/// exactly. Not for secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(u64);

impl Seed {
    /// A seed with this value.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// A fresh seed from `entropy`.
    ///
    /// # Errors
    /// When `entropy` fails.
    pub fn draw(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut bytes = [0; 8];
        entropy.fill(&mut bytes)?;
        Ok(Self(u64::from_le_bytes(bytes)))
    }

    /// The value.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }

    /// An independent seed for the purpose named by `label`.
    #[must_use]
    pub fn derive(self, label: &str) -> Self {
        let mut hash = self.0 ^ 0xcbf2_9ce4_8422_2325;
        for byte in label.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Self(mix(hash))
    }

    /// A whole number in `low..=high`; `low` if the range is empty.
    #[must_use]
    pub fn in_range(self, low: u64, high: u64) -> u64 {
        match high.checked_sub(low).and_then(|width| width.checked_add(1)) {
            None if high < low => low,
            None => mix(self.0),
            Some(width) => low + mix(self.0) % width,
        }
    }
}

/// The finalizer of splitmix64: every input bit reaches every output bit.
const fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_in_range_and_differ_by_label() {
        let seed = Seed::new(7);
        for label in ["a", "b", "c", "d"] {
            let draw = seed.derive(label).in_range(20, 180);
            assert!((20..=180).contains(&draw));
        }
        assert_ne!(seed.derive("delay"), seed.derive("retry"));
        assert_eq!(seed.in_range(5, 5), 5);
        assert_eq!(seed.in_range(9, 3), 9);
        let _ = seed.in_range(0, u64::MAX);
    }
}

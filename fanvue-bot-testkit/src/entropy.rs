//! Randomness that repeats.

use std::sync::atomic::{AtomicU64, Ordering};

use fanvue_bot_core::entropy::{Entropy, EntropyError, Seed};

/// Entropy that yields the same bytes in the same order for the same seed. For tests only: everyone who
/// knows the seed knows the bytes.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: Seed,
    drawn: AtomicU64,
}

impl SeededEntropy {
    /// The bytes that follow from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            seed: Seed::new(seed),
            drawn: AtomicU64::new(0),
        }
    }

    /// The next eight bytes, as a number.
    pub fn next(&self) -> u64 {
        let number = self.drawn.fetch_add(1, Ordering::SeqCst);
        let base = self.seed.derive("entropy").value();
        // Odd, so that all 2^64 steps differ.
        let step = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Seed::new(base.wrapping_add(step)).in_range(0, u64::MAX)
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in buffer.chunks_mut(8) {
            let bytes = self.next().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        Ok(())
    }
}

/// A source that has nothing to give.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct NoEntropy;

impl Entropy for NoEntropy {
    fn fill(&self, _buffer: &mut [u8]) -> Result<(), EntropyError> {
        Err(EntropyError::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_yields_the_same_bytes_and_no_two_draws_are_equal() {
        let draws = |seed| {
            let entropy = SeededEntropy::new(seed);
            (0..100).map(|_| entropy.next()).collect::<Vec<_>>()
        };
        assert_eq!(draws(7), draws(7));
        let mut all = draws(7);
        all.extend(draws(8));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 200);
    }
}

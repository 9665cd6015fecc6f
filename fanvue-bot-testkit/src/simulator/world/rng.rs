//! Seeded randomness: equal seeds and equal operations give equal worlds, ids included.

use uuid::{Builder, Uuid};

/// SplitMix64. Not for secrets: the simulator's tokens are as predictable as its ids.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator that always draws the same numbers for the same seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, or 0 if that is 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        let drawn = self.next_u64();
        if bound == 0 { 0 } else { drawn % bound }
    }

    /// True with the given probability: never for 0.0 and below, always for 1.0 and above.
    pub fn chance(&mut self, probability: f64) -> bool {
        let drawn = u32::try_from(self.next_u64() >> 32).unwrap_or(u32::MAX);
        f64::from(drawn) < probability * 4_294_967_296.0
    }

    /// A uuid of version 4.
    pub fn uuid(&mut self) -> Uuid {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next_u64().to_be_bytes());
        bytes[8..].copy_from_slice(&self.next_u64().to_be_bytes());
        Builder::from_random_bytes(bytes).into_uuid()
    }

    /// 128 bits in lower-case hex, behind `prefix`.
    pub fn token(&mut self, prefix: &str) -> String {
        format!("{prefix}{:016x}{:016x}", self.next_u64(), self.next_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_draw_equal_uuids_and_others_do_not() {
        assert_eq!(Rng::new(7).uuid(), Rng::new(7).uuid());
        assert_ne!(Rng::new(7).uuid(), Rng::new(8).uuid());
        assert_eq!(Rng::new(7).uuid().get_version_num(), 4);
    }

    #[test]
    fn chances_of_nought_and_one_are_certain() {
        let mut rng = Rng::new(1);
        assert!((0..1000).all(|_| !rng.chance(0.0)));
        assert!((0..1000).all(|_| rng.chance(1.0)));
        let hits = (0..10_000).filter(|_| rng.chance(0.25)).count();
        assert!((2300..2700).contains(&hits), "{hits}");
    }
}

//! How many of a worker's hands one creator may fill.

use std::collections::BTreeMap;

use crate::id::CreatorId;
use crate::queue::ClaimLimits;

/// How many lanes of each creator are in hand, and what a claim may take so that none has more than its share.
///
/// A creator with a thousand messages due would otherwise fill every hand, and another's message would wait until one
/// is free. So the hands that no creator may fill alone stay free while nobody else has work.
///
/// For those who claim by themselves; a [`Worker`](super::Worker) has its own.
#[derive(Debug, Clone)]
pub struct Shares {
    of_one_creator: usize,
    in_hand: BTreeMap<CreatorId, usize>,
}

impl Shares {
    /// Nothing is in hand, and of one creator never more than `of_one_creator` lanes, at least one.
    #[must_use]
    pub const fn new(of_one_creator: usize) -> Self {
        Self {
            of_one_creator: if of_one_creator == 0 {
                1
            } else {
                of_one_creator
            },
            in_hand: BTreeMap::new(),
        }
    }

    /// The share of one creator of `hands`, unless set otherwise: three quarters, at least one.
    #[must_use]
    pub const fn usual(hands: usize) -> usize {
        match hands - hands.div_ceil(4) {
            0 => 1,
            share => share,
        }
    }

    /// A lane of `creator` was taken.
    pub fn take(&mut self, creator: CreatorId) {
        *self.in_hand.entry(creator).or_default() += 1;
    }

    /// A lane of `creator` is no longer in hand.
    pub fn give_back(&mut self, creator: CreatorId) {
        if let Some(lanes) = self.in_hand.get_mut(&creator) {
            *lanes = lanes.saturating_sub(1);
            if *lanes == 0 {
                self.in_hand.remove(&creator);
            }
        }
    }

    /// What a claim for `free` hands may take. Creators with all of their share are left out; what the fullest of the
    /// others has left bounds each of them, and the next claim takes what that leaves over.
    #[must_use]
    pub fn limits(&self, free: usize) -> ClaimLimits {
        let is_full = |lanes: usize| lanes >= self.of_one_creator;
        let full = self.in_hand.iter().filter(|(_, lanes)| is_full(**lanes));
        let others = self.in_hand.values().filter(|lanes| !is_full(**lanes));
        let most = others.max().copied().unwrap_or(0);
        ClaimLimits::lanes(free)
            .of_one_creator(self.of_one_creator - most)
            .except(full.map(|(creator, _)| *creator))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn creator(number: u128) -> CreatorId {
        CreatorId::from_uuid(Uuid::from_u128(number))
    }

    fn shares(of_one_creator: usize, in_hand: &[u128]) -> Shares {
        let mut shares = Shares::new(of_one_creator);
        for number in in_hand {
            shares.take(creator(*number));
        }
        shares
    }

    #[test]
    fn a_quarter_of_the_hands_stays_free() {
        for (hands, share) in [(0, 1), (1, 1), (2, 1), (3, 2), (4, 3), (16, 12), (64, 48)] {
            assert_eq!(Shares::usual(hands), share, "of {hands}");
        }
    }

    #[test]
    fn what_is_left_of_a_share_bounds_a_claim() {
        let limits = shares(3, &[]).limits(4);
        assert_eq!(limits, ClaimLimits::lanes(4).of_one_creator(3));
        let limits = shares(3, &[1, 1, 2]).limits(1);
        assert_eq!(limits, ClaimLimits::lanes(1).of_one_creator(1));
    }

    #[test]
    fn who_has_a_share_is_left_out_until_a_hand_is_free() {
        let mut shares = shares(2, &[1, 1, 2]);
        let expected = ClaimLimits::lanes(5).of_one_creator(1).except([creator(1)]);
        assert_eq!(shares.limits(5), expected);
        shares.give_back(creator(1));
        let expected = ClaimLimits::lanes(5).of_one_creator(1);
        assert_eq!(shares.limits(5), expected);
        shares.give_back(creator(1));
        shares.give_back(creator(2));
        shares.give_back(creator(2));
        let expected = ClaimLimits::lanes(5).of_one_creator(2);
        assert_eq!(shares.limits(5), expected);
    }

    #[test]
    fn a_share_is_at_least_one_lane() {
        let limits = Shares::new(0).limits(1);
        assert_eq!(limits, ClaimLimits::lanes(1).of_one_creator(1));
    }
}

//! How close a fan is: from what they wrote and what they paid.

use serde::{Deserialize, Serialize};

use super::Spend;
use crate::money::Cents;
use crate::settings::Stages;

/// How close a fan is to a creator, the least first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "the stages of the persona's guidance, which names all of them"
)]
pub enum Stage {
    /// Has written little and paid nothing to speak of.
    #[default]
    New,
    /// Has begun to talk.
    Warm,
    /// Talks often, or stays subscribed.
    Regular,
    /// Has paid much.
    Supporter,
    /// Has paid very much.
    Vip,
}

impl Stage {
    /// All of them, the least first.
    pub const ALL: [Self; 5] = [
        Self::New,
        Self::Warm,
        Self::Regular,
        Self::Supporter,
        Self::Vip,
    ];

    /// The name, as a persona's guidance and the stored form have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Warm => "warm",
            Self::Regular => "regular",
            Self::Supporter => "supporter",
            Self::Vip => "vip",
        }
    }

    /// The stage of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == name)
    }

    /// The stage of a fan who wrote this many messages and paid this much: the highest of which they have reached
    /// what `stages` asks for. Money alone makes a supporter or a VIP, however little they wrote; a refund may
    /// take them back.
    #[must_use]
    pub fn of(messages: u64, spend: &Spend, stages: &Stages) -> Self {
        let paid = spend.greatest_total();
        let at_least = |threshold: u32| messages >= u64::from(threshold);
        if paid >= stages.vip_spend {
            Self::Vip
        } else if paid >= stages.supporter_spend {
            Self::Supporter
        } else if at_least(stages.regular_messages) {
            Self::Regular
        } else if at_least(stages.warm_messages) || paid > Cents::ZERO {
            Self::Warm
        } else {
            Self::New
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::Currency;

    fn spend(totals: &[(&str, i64)]) -> Spend {
        let mut spend = Spend::none();
        for (code, cents) in totals {
            let currency = Currency::from_wire(code);
            spend.totals.insert(currency, Cents::new(*cents));
        }
        spend
    }

    #[test]
    fn names_read_back() {
        for stage in Stage::ALL {
            assert_eq!(Stage::from_name(stage.as_str()), Some(stage));
            let json = serde_json::to_string(&stage).unwrap();
            assert_eq!(json, format!("\"{}\"", stage.as_str()));
        }
        assert_eq!(Stage::from_name("whale"), None);
    }

    #[test]
    fn each_stage_begins_at_its_threshold() {
        let stages = Stages::default();
        for (messages, totals, expected) in [
            (0, &[][..], Stage::New),
            (9, &[], Stage::New),
            (10, &[], Stage::Warm),
            (0, &[("USD", 1)], Stage::Warm),
            (99, &[("USD", 1)], Stage::Warm),
            (100, &[], Stage::Regular),
            (100, &[("USD", 4_999)], Stage::Regular),
            (0, &[("USD", 5_000)], Stage::Supporter),
            (9_999, &[("USD", 49_999)], Stage::Supporter),
            (0, &[("USD", 50_000)], Stage::Vip),
            // Currencies are not added, and what was refunded does not count.
            (0, &[("EUR", 4_000), ("USD", 4_000)], Stage::Warm),
            (0, &[("EUR", 5_000), ("USD", -9_000)], Stage::Supporter),
            (0, &[("USD", -1)], Stage::New),
        ] {
            let stage = Stage::of(messages, &spend(totals), &stages);
            assert_eq!(stage, expected, "{messages} messages, {totals:?}");
        }
    }

    proptest! {
        #[test]
        fn who_writes_or_pays_more_is_never_further_away(
            messages in 0_u64..300, more in 0_u64..300,
            paid in -10_000_i64..100_000, tip in 0_i64..100_000,
        ) {
            let stages = Stages::default();
            let before = Stage::of(messages, &spend(&[("USD", paid)]), &stages);
            let after = Stage::of(messages + more, &spend(&[("USD", paid + tip)]), &stages);
            prop_assert!(after >= before);
        }
    }
}

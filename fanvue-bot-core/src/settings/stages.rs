//! From when on a fan is at which stage.

use serde::{Deserialize, Serialize};

use super::fault::{Faults, Nearest};
use crate::money::Cents;

/// What a fan must have written or paid to reach each [`Stage`](crate::ledger::Stage).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Stages {
    /// So many messages of theirs make a fan warm; so does any payment. Default: 10, about one real
    /// conversation. At least 1, and at most `regular_messages`.
    pub warm_messages: u32,
    /// So many make them a regular. Default: 100, which takes most fans some weeks. At most 1,000,000.
    pub regular_messages: u32,
    /// Having paid this much, in cents of one currency, makes a supporter. Default: $50, some months of a
    /// subscription or a few purchases. At least 1 cent, and at most `vip_spend`.
    pub supporter_spend: Cents,
    /// Having paid this much makes a VIP. Default: $500, which few fans of a creator reach. At most
    /// $10,000,000.
    pub vip_spend: Cents,
}

/// In cents.
const MOST_SPEND: i64 = 1_000_000_000;

impl Default for Stages {
    fn default() -> Self {
        Self {
            warm_messages: 10,
            regular_messages: 100,
            supporter_spend: Cents::new(5_000),
            vip_spend: Cents::new(50_000),
        }
    }
}

impl Stages {
    pub(super) fn check(&self, faults: &mut Faults) {
        faults.count(
            "stages.regular_messages",
            u64::from(self.regular_messages),
            1..=1_000_000,
            "a fan who wrote nothing is new, and nobody writes more",
        );
        let most = u64::from(self.regular_messages).clamp(1, 1_000_000);
        faults.count(
            "stages.warm_messages",
            u64::from(self.warm_messages),
            1..=most,
            "a fan who wrote nothing is new, and a regular is warm before",
        );
        cents(
            faults,
            "stages.vip_spend",
            self.vip_spend,
            MOST_SPEND,
            "a fan who paid nothing is none, and nobody pays more",
        );
        cents(
            faults,
            "stages.supporter_spend",
            self.supporter_spend,
            self.vip_spend.get().clamp(1, MOST_SPEND),
            "a fan who paid nothing is none, and a VIP is a supporter before",
        );
    }
}

fn cents(faults: &mut Faults, field: &str, value: Cents, most: i64, why: &str) {
    let value = value.get();
    if !(1..=most).contains(&value) {
        let nearest = u64::try_from(value.clamp(1, most)).unwrap_or(1);
        faults.push(
            field,
            format!("{value} cents is not between 1 and {most}: {why}"),
            Some(Nearest::Count(nearest)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    #[test]
    fn thresholds_that_contradict_each_other_are_named_with_the_nearest_value() {
        let stages = Stages {
            warm_messages: 101,
            supporter_spend: Cents::new(60_000),
            ..Stages::default()
        };
        let settings = Settings {
            stages,
            ..Settings::default()
        };
        let refused = settings.validate().unwrap_err();
        let faults: Vec<_> = refused
            .faults()
            .iter()
            .map(|fault| (&*fault.field, fault.nearest.clone().unwrap()))
            .collect();
        assert_eq!(
            faults,
            [
                ("stages.warm_messages", Nearest::Count(100)),
                ("stages.supporter_spend", Nearest::Count(50_000)),
            ]
        );
    }

    #[test]
    fn the_nearest_value_of_each_is_valid() {
        let stages = Stages {
            warm_messages: 0,
            regular_messages: u32::MAX,
            supporter_spend: Cents::new(-5),
            vip_spend: Cents::new(i64::MAX),
        };
        let mut faults = Faults::default();
        stages.check(&mut faults);
        let refused = faults.into_result().unwrap_err();
        let nearest: Vec<_> = refused
            .faults()
            .iter()
            .map(|fault| fault.nearest.clone().unwrap())
            .collect();
        let expected = [1_000_000, 1, 1_000_000_000, 1].map(Nearest::Count);
        assert_eq!(nearest, expected);
    }
}

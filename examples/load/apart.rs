//! Whether a clock tells two kinds of requests apart.

use std::time::Duration;

/// Two samples as one test sees them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Apart {
    /// How likely a time of the first is longer than one of the second, where equal ones count half: the effect
    /// size of the Mann-Whitney test. A half says that neither is slower. Outliers of a busy machine move it little.
    pub(crate) slower: f64,
    /// How far the distributions are from each other at most, as the Kolmogorov-Smirnov test measures it: sees also
    /// what makes neither slower, such as times that scatter more.
    pub(crate) distance: f64,
}

/// What chance does to both figures, once in `1 / odds` runs, for two samples of this size of one distribution.
pub(crate) fn by_chance(samples: usize, odds: f64) -> Apart {
    let samples = float(samples);
    // The normal quantile of a small tail by its asymptotic expansion, iterated: good to a hundredth here.
    let tail = odds / 2.0;
    let mut quantile = 3.0_f64;
    for _ in 0..20 {
        let inverse = 1.0 / (tail * quantile * std::f64::consts::TAU.sqrt());
        quantile = (2.0 * (inverse * (1.0 - quantile.powi(-2))).ln()).sqrt();
    }
    Apart {
        slower: quantile * ((2.0 * samples + 1.0) / (12.0 * samples * samples)).sqrt(),
        distance: (-tail.ln() / 2.0).sqrt() * (2.0 / samples).sqrt(),
    }
}

impl Apart {
    /// Compares two sorted samples.
    pub(crate) fn between(left: &[Duration], right: &[Duration]) -> Self {
        let (mut less, mut distance) = (0, 0.0_f64);
        for (index, time) in left.iter().enumerate() {
            let shorter = right.partition_point(|other| other < time);
            let not_longer = right.partition_point(|other| other <= time);
            less += shorter + not_longer;
            let before = part(index, left.len()) - part(shorter, right.len());
            let after = part(index + 1, left.len()) - part(not_longer, right.len());
            distance = distance.max(before.abs()).max(after.abs());
        }
        Self {
            slower: part(less, 2 * left.len() * right.len()),
            distance,
        }
    }

    /// Whether it is more than chance does.
    pub(crate) fn exceeds(self, chance: Self) -> bool {
        (self.slower - 0.5).abs() > chance.slower || self.distance > chance.distance
    }
}

/// The smallest difference between two sorted samples of one kind that the test would find, to a sixteenth: found by
/// adding it to one of them.
pub(crate) fn finds(left: &[Duration], right: &[Duration], chance: Apart) -> Duration {
    let found = |difference: Duration| {
        let later: Vec<_> = left.iter().map(|time| *time + difference).collect();
        Apart::between(&later, right).exceeds(chance)
    };
    let mut difference = Duration::from_nanos(16);
    while !found(difference) && difference < Duration::from_secs(1) {
        difference += difference / 16;
    }
    difference
}

fn part(some: usize, all: usize) -> f64 {
    float(some) / float(all.max(1))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "no count of samples or pairs here comes near 2 to the 53rd"
)]
fn float(count: usize) -> f64 {
    count as f64
}

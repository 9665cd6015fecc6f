//! How long things took.

use std::time::Duration;

/// Every measured time, to be asked for percentiles.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    times: Vec<Duration>,
    sorted: bool,
}

impl Samples {
    pub(crate) fn push(&mut self, time: Duration) {
        self.times.push(time);
        self.sorted = false;
    }

    pub(crate) fn append(&mut self, other: &mut Self) {
        self.times.append(&mut other.times);
        self.sorted = false;
    }

    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    /// The shortest time that at least this part of all samples stayed within; zero without samples.
    pub(crate) fn percentile(&mut self, part: f64) -> Duration {
        if !self.sorted {
            self.times.sort_unstable();
            self.sorted = true;
        }
        let last = self.times.len().saturating_sub(1);
        self.times
            .get(rank(part, self.times.len()).min(last))
            .copied()
            .unwrap_or_default()
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of a count of samples is a small positive number"
)]
fn rank(part: f64, samples: usize) -> usize {
    ((part * samples as f64).ceil() as usize).saturating_sub(1)
}

//! A day of a deployment in virtual time, with everything going wrong that can.
//!
//! Fans write in bursts and at all hours, creators step in by hand and keep quiet hours, webhooks come twice, late, out of order and not at all, Fanvue limits
//! the rate and loses answers, the model fails, processes die in the middle of any call or freeze for longer
//! than their lease, and the whole is run by the real engine on the backend under test. At the end, what
//! Fanvue saw is compared with what the store says.
//!
//! ```
//! use std::sync::Arc;
//!
//! use fanvue_bot_core::memory::MemoryBackend;
//! use fanvue_bot_testkit::day::Day;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let backend = Arc::new(MemoryBackend::new());
//! let clock = Arc::clone(&backend);
//! let report = Day::new(7).next_due(move || clock.next_due()).run(backend).await?;
//! assert!(report.replies > 0);
//! # Ok(())
//! # }
//! ```

mod audit;
mod cast;
mod character;
mod conduct;
mod crash;
mod interleave;
mod report;
mod run;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::backend::CommitAndEnqueue;
use fanvue_bot_core::inbox::Inbox;
use fanvue_bot_core::queue::JobQueue;
use fanvue_bot_core::store::Store;
use fanvue_bot_core::time::Timestamp;

pub use self::character::Character;
pub use self::report::{DayFailure, DayReport, Fared};
use crate::fault::FaultRates;

/// A day to be simulated.
#[derive(Clone)]
#[non_exhaustive]
pub struct Day {
    seed: u64,
    start: Timestamp,
    creators: usize,
    fans: usize,
    characters: &'static [Character],
    bursts: u64,
    length: Duration,
    faults: FaultRates,
    requests_per_minute: u64,
    interleave: u64,
    processes: usize,
    /// How many lanes a process claims at once.
    claims: usize,
    /// How long the model writes.
    writing: Duration,
    /// How far time moves at most where nobody can say when the next job is due.
    step: Duration,
    next_due: Option<NextDue>,
    inbox: Option<Arc<dyn Inbox>>,
}

type NextDue = Arc<dyn Fn() -> Option<Timestamp> + Send + Sync>;

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Day")
            .field("seed", &self.seed)
            .field("creators", &self.creators)
            .field("fans", &self.fans)
            .field("bursts", &self.bursts)
            .field("length", &self.length)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

impl Day {
    /// A day that follows from `seed`: 2 creators with 3 fans each, 4 bursts a fan, all faults on.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            start: Timestamp::from_seconds(1_790_000_000),
            creators: 2,
            fans: 3,
            characters: &[Character::Plain],
            bursts: 4,
            length: Duration::from_secs(86_400),
            faults: FaultRates {
                before: 12,
                after: 8,
                hang_before: 6,
                hang_after: 6,
            },
            requests_per_minute: 6,
            interleave: 60,
            processes: 1,
            claims: 4,
            writing: Duration::from_millis(1_500),
            step: Duration::from_secs(1),
            next_due: None,
            inbox: None,
        }
    }

    /// A week that follows from `seed`, in which the clocks change: 100 creators with 50 fans each, of all
    /// [characters](Character), 4 bursts a fan, two processes on the same backend, all faults on.
    ///
    /// For the same seed every backend comes to the same report, as all that is due at one time is claimed
    /// at once and worked off in one order.
    #[must_use]
    pub fn week(seed: u64) -> Self {
        Self {
            // Three days before the clocks of Europe are set back.
            start: Timestamp::from_seconds(1_792_592_000),
            creators: 100,
            fans: 50,
            characters: &Character::ALL,
            length: Duration::from_secs(7 * 86_400),
            requests_per_minute: 30,
            interleave: 10,
            processes: 2,
            claims: 1_000,
            writing: Duration::ZERO,
            step: Duration::from_secs(5),
            ..Self::new(seed)
        }
    }

    /// With this many creators, and fans for each.
    #[must_use]
    pub const fn people(mut self, creators: usize, fans: usize) -> Self {
        self.creators = creators;
        self.fans = fans;
        self
    }

    /// With this many bursts of each fan.
    #[must_use]
    pub const fn bursts(mut self, bursts: u64) -> Self {
        self.bursts = bursts;
        self
    }

    /// Lasting this long.
    #[must_use]
    pub const fn length(mut self, length: Duration) -> Self {
        self.length = length;
        self
    }

    /// With calls failing at these rates.
    #[must_use]
    pub const fn faults(mut self, rates: FaultRates) -> Self {
        self.faults = rates;
        self
    }

    /// With this many of a thousand calls interrupted by something else that happens: a fan writes, a
    /// webhook arrives, or the process freezes and another takes its work.
    #[must_use]
    pub const fn interleaving(mut self, thousandths: u64) -> Self {
        self.interleave = thousandths;
        self
    }

    /// Keeping webhooks' events in an inbox, an empty one, which fails as the rest does.
    #[must_use]
    pub fn inbox(mut self, inbox: Arc<dyn Inbox>) -> Self {
        self.inbox = Some(inbox);
        self
    }

    /// Asking the queue this way when its next job is due. Without it, time moves in steps of a second, in a week of five.
    #[must_use]
    pub fn next_due(
        mut self,
        next_due: impl Fn() -> Option<Timestamp> + Send + Sync + 'static,
    ) -> Self {
        self.next_due = Some(Arc::new(next_due));
        self
    }

    /// Runs the day on an empty backend.
    ///
    /// # Errors
    /// [`DayFailure`], naming the seed and everything that is not as it must be.
    pub async fn run<B>(&self, backend: Arc<B>) -> Result<DayReport, DayFailure>
    where
        B: Store + JobQueue + CommitAndEnqueue,
    {
        run::run(self, backend).await
    }
}

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
mod crash;
mod interleave;
mod run;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::backend::CommitAndEnqueue;
use fanvue_bot_core::inbox::Inbox;
use fanvue_bot_core::queue::JobQueue;
use fanvue_bot_core::store::Store;
use fanvue_bot_core::time::Timestamp;

use crate::fault::FaultRates;

/// A day to be simulated.
#[derive(Clone)]
#[non_exhaustive]
pub struct Day {
    pub(crate) seed: u64,
    pub(crate) creators: usize,
    pub(crate) fans: usize,
    pub(crate) bursts: u64,
    pub(crate) length: Duration,
    pub(crate) faults: FaultRates,
    pub(crate) requests_per_minute: u64,
    pub(crate) interleave: u64,
    pub(crate) next_due: Option<NextDue>,
    pub(crate) inbox: Option<Arc<dyn Inbox>>,
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
            creators: 2,
            fans: 3,
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
            next_due: None,
            inbox: None,
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

    /// Asking the queue this way when its next job is due. Without it, time moves in steps of a second.
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

/// What happened in a day that went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DayReport {
    /// Messages that fans wrote.
    pub inbound: u64,
    /// Replies that fans received from the bot.
    pub replies: u64,
    /// Messages that a human answered or took over.
    pub by_human: u64,
    /// Messages that came in quiet hours, in which no reply went out.
    pub in_quiet_hours: u64,
    /// Faults that were injected.
    pub faults: u64,
    /// Crashes among them: processes that died in the middle of a call.
    pub crashes: u64,
    /// Processes that froze for longer than their lease.
    pub freezes: u64,
    /// Requests that Fanvue refused for their rate.
    pub rate_limited: u64,
    /// Messages that no webhook told of in time, and the poll brought up.
    pub found_by_poll: u64,
}

impl std::ops::Add for DayReport {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            inbound: self.inbound + other.inbound,
            replies: self.replies + other.replies,
            by_human: self.by_human + other.by_human,
            in_quiet_hours: self.in_quiet_hours + other.in_quiet_hours,
            faults: self.faults + other.faults,
            crashes: self.crashes + other.crashes,
            freezes: self.freezes + other.freezes,
            rate_limited: self.rate_limited + other.rate_limited,
            found_by_poll: self.found_by_poll + other.found_by_poll,
        }
    }
}

/// What was not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DayFailure {
    /// The seed that shows it again.
    pub seed: u64,
    /// One line for each fault.
    pub faults: Vec<String>,
}

impl fmt::Display for DayFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the day of seed {} went wrong:", self.seed)?;
        for fault in &self.faults {
            write!(f, "\n- {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for DayFailure {}

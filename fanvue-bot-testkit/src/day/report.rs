//! What came of a day.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Add, AddAssign};
use std::time::Duration;

use super::Character;

/// What happened in a day that went well. Its [`Display`](fmt::Display) is a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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
    /// Drafts of the model that must not go out, of which none did.
    pub unfit_drafts: u64,
    /// How the fans of each character fared.
    pub by_character: BTreeMap<Character, Fared>,
}

/// How the fans of one character fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Fared {
    /// How many fans there are.
    pub fans: u64,
    /// Messages that they wrote.
    pub inbound: u64,
    /// Replies that they received from the bot.
    pub replies: u64,
    /// Messages that a reply answered, alone or together with others.
    pub answered: u64,
    /// Messages that a human answered or took over.
    pub by_human: u64,
    /// Messages that were not answered since the fan wants none.
    pub opted_out: u64,
    /// Messages that were not answered since the fan may be a minor or is in a crisis.
    pub safety: u64,
    /// Messages that were not answered since the model wrote nothing that may go out.
    pub unfit: u64,
    /// Messages that came in quiet hours.
    pub in_quiet_hours: u64,
    /// How long what was answered waited for it, summed up.
    pub waited: Duration,
    /// How long the message waited that waited longest.
    pub longest: Duration,
}

impl AddAssign for Fared {
    fn add_assign(&mut self, other: Self) {
        self.fans += other.fans;
        self.inbound += other.inbound;
        self.replies += other.replies;
        self.answered += other.answered;
        self.by_human += other.by_human;
        self.opted_out += other.opted_out;
        self.safety += other.safety;
        self.unfit += other.unfit;
        self.in_quiet_hours += other.in_quiet_hours;
        self.waited += other.waited;
        self.longest = self.longest.max(other.longest);
    }
}

impl Add for DayReport {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self.inbound += other.inbound;
        self.replies += other.replies;
        self.by_human += other.by_human;
        self.in_quiet_hours += other.in_quiet_hours;
        self.faults += other.faults;
        self.crashes += other.crashes;
        self.freezes += other.freezes;
        self.rate_limited += other.rate_limited;
        self.found_by_poll += other.found_by_poll;
        self.unfit_drafts += other.unfit_drafts;
        for (character, fared) in other.by_character {
            *self.by_character.entry(character).or_default() += fared;
        }
        self
    }
}

impl fmt::Display for DayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<12} {:>6} {:>8} {:>8} {:>9} {:>9} {:>10} {:>7} {:>6} {:>9} {:>9} {:>10}",
            "fans who are",
            "fans",
            "messages",
            "replies",
            "answered",
            "by human",
            "opted out",
            "safety",
            "unfit",
            "in quiet",
            "waited s",
            "longest s"
        )?;
        for (character, fared) in &self.by_character {
            let waited = fared.waited.as_secs_f64() / f64_of(fared.answered.max(1));
            writeln!(
                f,
                "{character:<12} {:>6} {:>8} {:>8} {:>9} {:>9} {:>10} {:>7} {:>6} {:>9} {waited:>9.0} {:>10}",
                fared.fans,
                fared.inbound,
                fared.replies,
                fared.answered,
                fared.by_human,
                fared.opted_out,
                fared.safety,
                fared.unfit,
                fared.in_quiet_hours,
                fared.longest.as_secs()
            )?;
        }
        write!(
            f,
            "in all {} messages, {} replies, {} messages left to a human, {} came in quiet hours; \
             {} faults, of them {} crashes; {} freezes, {} requests refused for their rate, \
             {} messages found by the poll, {} unfit drafts",
            self.inbound,
            self.replies,
            self.by_human,
            self.in_quiet_hours,
            self.faults,
            self.crashes,
            self.freezes,
            self.rate_limited,
            self.found_by_poll,
            self.unfit_drafts
        )
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a mean for a table, of counts far below 2^52"
)]
const fn f64_of(count: u64) -> f64 {
    count as f64
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

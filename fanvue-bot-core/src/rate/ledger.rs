//! What all processes of a deployment know together of one bucket of Fanvue's: the value of a register.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Told;
use super::bucket::{WINDOW, regained, tokens, whole};
use super::class::Class;
use super::remaining::Remaining;
use crate::fields::{Fields, FieldsWriter};
use crate::time::Timestamp;

/// How long a process may use a loan.
pub(super) const LOAN: Duration = Duration::from_secs(2);
/// When a loan counts as lapsed. Longer than it may be used, for clocks that differ.
const LAPSE: Duration = Duration::from_secs(3);
/// Of its part a process gets at most one in so many for what nobody waits for yet.
const AHEAD: u32 = 4;
/// With more loans on record, those that lapsed count as used.
const MAX_LOANS: usize = 64;

/// The bucket as the deployment keeps it.
///
/// It holds: what is not lent, and what is lent and not used, are together never more than Fanvue's bucket holds,
/// if that was full when the ledger began. So what is lent also limits how far the rest refills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ledger {
    capacity: u32,
    /// What is not lent, as of `at`, in units of a token bucket's level.
    level: u64,
    at: Timestamp,
    held_until: Timestamp,
    serial: u64,
    /// One for each process, the oldest first.
    loans: Vec<Loan>,
}

/// What a process has in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Loan {
    holder: u64,
    serial: u64,
    tokens: u32,
    /// From then on it may have been lost with its process. It can still be given back until the bucket would
    /// otherwise be full.
    until: Timestamp,
    /// The serial of the last loan of more than nothing.
    served: u64,
}

/// What a process reports and asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) holder: u64,
    /// The loan that it gives back, and what is left of it.
    pub(super) back: Option<(u64, u32)>,
    /// What it used without a loan while the store was away.
    pub(super) spent: u32,
    /// What answers have said since, and when they did.
    pub(super) told: Option<(Told, Timestamp)>,
    /// Fanvue wants nothing before this.
    pub(super) hold: Option<Timestamp>,
    /// How many tokens it has a use for at once.
    pub(super) want: u32,
    /// How many more it will have a use for if it goes on as before.
    pub(super) ahead: u32,
    /// The first of the classes that it has a use for.
    pub(super) class: Class,
    /// How many of the tokens are for floors, and so leave nothing for others.
    pub(super) floor: u32,
}

/// What a process gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lent {
    pub(super) serial: u64,
    pub(super) tokens: u32,
    pub(super) capacity: u32,
    /// What is left for everybody.
    pub(super) left: u32,
    /// How many processes have loans, this one included.
    pub(super) processes: u32,
    pub(super) held_until: Timestamp,
}

impl Ledger {
    /// That of a full bucket which nobody has drawn from.
    pub(super) fn new(capacity: u32, now: Timestamp) -> Self {
        let capacity = capacity.max(1);
        Self {
            capacity,
            level: tokens(capacity),
            at: now,
            held_until: now,
            serial: 0,
            loans: Vec::new(),
        }
    }

    /// Takes a process's old loan back and gives it a new one, of no tokens if there are none.
    pub(super) fn renew(&mut self, request: &Request, now: Timestamp) -> Lent {
        self.advance(now);
        let holder = request.holder;
        let mut own = self.loans.iter().filter(|loan| loan.holder == holder);
        let served = own.next().map_or(0, |loan| loan.served);
        self.take_back(request);
        self.learn(request, now);
        self.loans.retain(|loan| loan.holder != holder);
        let (others, processes) = self.live(now);
        let lent = if self.held_until > now {
            0
        } else {
            let free = whole(self.level);
            // Nearly all, so that a process that comes in between finds something.
            let fair = (free + others) / processes;
            let first = self.before(served, now);
            let share = (fair - fair / 8).max(1).min(free.saturating_sub(first));
            let above = free.saturating_sub(request.class.leaves(self.capacity));
            let floor = request.floor.min(free);
            // What turns out not to be used is missing elsewhere until it is given back.
            let ahead = request.ahead.min(share / AHEAD);
            let want = request.want.saturating_add(ahead);
            want.min(share).min(above).max(floor)
        };
        self.level -= tokens(lent);
        self.serial += 1;
        let served = if lent > 0 { self.serial } else { served };
        self.loans.push(Loan {
            holder,
            serial: self.serial,
            tokens: lent,
            until: now + LAPSE,
            served,
        });
        if self.loans.len() > MAX_LOANS
            && let Some(lapsed) = self.loans.iter().position(|loan| loan.until <= now)
        {
            self.loans.remove(lapsed);
        }
        Lent {
            serial: self.serial,
            tokens: lent,
            capacity: self.capacity,
            left: whole(self.level),
            processes,
            held_until: self.held_until,
        }
    }

    /// What is left at `now`, loans that may still be used included.
    pub(super) fn remaining(&self, now: Timestamp) -> Remaining {
        let at = self.at;
        let mut seen = self.clone();
        seen.advance(now);
        let held_until = Some(seen.held_until).filter(|until| *until > now);
        let (lent, _) = seen.live(now);
        Remaining {
            requests: match held_until {
                Some(_) => 0,
                None => whole(seen.level) + lent,
            },
            limit: seen.capacity,
            held_until,
            at,
        }
    }

    /// How many processes have nothing and have waited for longer than one that was last served at `served`.
    fn before(&self, served: u64, now: Timestamp) -> u32 {
        let live = self.loans.iter().filter(|loan| loan.until > now);
        let count = live.filter(|loan| loan.tokens == 0 && loan.served < served);
        u32::try_from(count.count()).unwrap_or(u32::MAX)
    }

    /// What others have in hand, and how many processes there are with the one that asks.
    fn live(&self, now: Timestamp) -> (u32, u32) {
        let live = || self.loans.iter().filter(|loan| loan.until > now);
        let count = u32::try_from(live().count()).unwrap_or(u32::MAX - 1);
        (live().map(|loan| loan.tokens).sum(), count + 1)
    }

    fn take_back(&mut self, request: &Request) {
        if let Some((serial, left)) = request.back {
            let own = |loan: &&mut Loan| loan.holder == request.holder && loan.serial == serial;
            if let Some(loan) = self.loans.iter_mut().find(own) {
                self.level += tokens(left.min(loan.tokens));
                loan.tokens = 0;
            }
        }
        self.level = self.level.saturating_sub(tokens(request.spent));
    }

    fn learn(&mut self, request: &Request, now: Timestamp) {
        if let Some((told, at)) = request.told {
            if let Some(limit) = told.limit.filter(|&limit| limit > 0) {
                let grown = tokens(limit.saturating_sub(self.capacity));
                self.capacity = limit;
                let lent: u32 = self.loans.iter().map(|loan| loan.tokens).sum();
                let most = tokens(limit).saturating_sub(tokens(lent));
                self.level = self.level.saturating_add(grown).min(most);
            }
            if let Some(remaining) = told.remaining {
                let since = regained(self.capacity, now.since(at));
                self.level = self.level.min(tokens(remaining).saturating_add(since));
            }
        }
        if let Some(until) = request.hold {
            self.level = 0;
            self.held_until = self.held_until.max(until);
        }
    }

    /// Adds what came back since the last call.
    fn advance(&mut self, now: Timestamp) {
        let back = self.at.since(now);
        if back > WINDOW {
            // Some host's clock was wrong. Waiting for its time could take years.
            self.held_until = self.held_until.minus(back);
            self.at = now;
            for loan in &mut self.loans {
                loan.until = loan.until.min(now + LAPSE);
            }
        }
        let mut ends: Vec<Timestamp> = self.loans.iter().map(|loan| loan.until).collect();
        ends.retain(|&end| end > self.at && end < now);
        ends.sort_unstable();
        for end in ends {
            self.refill(end);
        }
        if now > self.at {
            self.refill(now);
        }
    }

    /// Refills up to `to`, between which and now no loan lapses.
    fn refill(&mut self, to: Timestamp) {
        let from = self.at;
        let next = self
            .level
            .saturating_add(regained(self.capacity, to.since(from)));
        let room = |loans: &[Loan], capacity| {
            let lent: u32 = loans.iter().map(|loan| loan.tokens).sum();
            tokens(capacity).saturating_sub(tokens(lent))
        };
        // What lapsed counts as used as soon as there is no room for it otherwise.
        while next > room(&self.loans, self.capacity)
            && let Some(lapsed) = self.loans.iter().position(|loan| loan.until <= from)
        {
            self.loans.remove(lapsed);
        }
        self.level = next.min(room(&self.loans, self.capacity));
        self.at = to;
    }

    pub(super) fn to_text(&self) -> String {
        let mut fields = FieldsWriter::default();
        fields.add("capacity", self.capacity);
        fields.add("level", self.level);
        fields.time("at", self.at);
        fields.time("held", self.held_until);
        fields.add("serial", self.serial);
        let loans: Vec<String> = self.loans.iter().map(Loan::to_string).collect();
        fields.add("loans", loans.join(","));
        fields.into_text()
    }

    /// `None` if something that is needed is missing.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let fields = Fields::read(text);
        let capacity = fields.get::<u32>("capacity")?.max(1);
        let loans: String = fields.get("loans")?;
        Some(Self {
            capacity,
            level: fields.get::<u64>("level")?.min(tokens(capacity)),
            at: fields.time("at")?,
            held_until: fields.time("held")?,
            serial: fields.get("serial")?,
            loans: loans
                .split(',')
                .filter_map(|loan| loan.parse().ok())
                .collect(),
        })
    }
}

impl fmt::Display for Loan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            holder,
            serial,
            tokens,
            until,
            served,
        } = self;
        let until = until.as_micros();
        write!(f, "{holder:016x}:{serial}:{tokens}:{until}:{served}")
    }
}

impl FromStr for Loan {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split(':');
        let mut part = || parts.next().ok_or(());
        Ok(Self {
            holder: u64::from_str_radix(part()?, 16).map_err(drop)?,
            serial: part()?.parse().map_err(drop)?,
            tokens: part()?.parse().map_err(drop)?,
            until: Timestamp::from_micros(part()?.parse().map_err(drop)?),
            served: part()?.parse().map_err(drop)?,
        })
    }
}

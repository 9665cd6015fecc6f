//! What one process has in hand of one bucket, and which class of requests may draw from it.

use std::time::Duration;

use super::Told;
use super::bucket::{TokenBucket, WINDOW};
use super::class::Class;
use super::ledger::{LOAN, Lent, Request};
use crate::time::Timestamp;

/// A loan is renewed by the first request after this long, so that what is not needed goes to others.
const RENEW: Duration = Duration::from_secs(1);
/// Where the ledger had nothing left, it is not asked again before this.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// A process that has used little borrows this much.
const SMALLEST: u32 = 8;
/// How long a store that failed is left alone.
const AWAY: Duration = Duration::from_secs(2);
/// A class that was refused within this time has its floor kept.
const REFUSED: Duration = Duration::from_secs(120);
/// One in so many tokens is kept for each class that is refused.
const FLOOR: u32 = 20;

const CLASSES: usize = Class::ALL.len();

/// One process's part of a bucket.
#[derive(Debug)]
pub(super) struct Share {
    capacity: u32,
    source: Source,
    /// Given back with a request that is on its way to the ledger.
    handed: u32,
    /// What the ledger has not been told yet.
    told: Option<(Told, Timestamp)>,
    hold: Option<Timestamp>,
    spent: u32,
    /// Since the ledger was asked.
    used: u32,
    /// How many wait for the ledger's answer.
    waiting: u32,
    asked_for: Option<Class>,
    /// How many processes there are, this one included.
    processes: u32,
    held_until: Timestamp,
    lines: [Line; CLASSES],
}

/// Where tokens come from.
#[derive(Debug)]
enum Source {
    /// There is no loan yet.
    None,
    Loan(Loan),
    /// A bucket of this process's own; with a time, only until then.
    Own(TokenBucket, Option<Timestamp>),
}

#[derive(Debug, Clone, Copy)]
struct Loan {
    serial: u64,
    tokens: u32,
    /// What everybody else could still borrow when it was granted.
    left: u32,
    granted_at: Timestamp,
    /// Whether it is less than was asked for.
    short: bool,
}

/// How a class waits.
#[derive(Debug, Clone, Copy)]
struct Line {
    /// When it was last refused; `None` once it was served.
    refused_at: Option<Timestamp>,
    /// When its floor has the next token.
    floor_at: Timestamp,
    /// The time that was told to whoever was refused last.
    last: Timestamp,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It may go out.
    Taken,
    /// Not before this has passed.
    Wait(Duration),
    /// The ledger has to be asked.
    Ask,
}

impl Share {
    /// That of a process that asks a ledger.
    pub(super) const fn shared(capacity: u32, now: Timestamp) -> Self {
        Self::new(capacity, Source::None, now)
    }

    /// That of a process that asks nobody.
    pub(super) fn alone(capacity: u32, now: Timestamp) -> Self {
        let bucket = TokenBucket::new(capacity, now);
        Self::new(capacity, Source::Own(bucket, None), now)
    }

    const fn new(capacity: u32, source: Source, now: Timestamp) -> Self {
        Self {
            capacity,
            source,
            handed: 0,
            told: None,
            hold: None,
            spent: 0,
            used: 0,
            waiting: 0,
            asked_for: None,
            processes: 1,
            held_until: now,
            lines: [Line {
                refused_at: None,
                floor_at: now,
                last: now,
            }; CLASSES],
        }
    }

    /// Takes one token for a request of this class.
    pub(super) fn try_take(&mut self, class: Class, now: Timestamp) -> Answer {
        self.set_back(now);
        if self.held_until > now {
            return self.refuse(class, self.held_until.since(now), now);
        }
        self.asked_for = Some(self.asked_for.map_or(class, |first| first.min(class)));
        match &self.source {
            Source::None => return Answer::Ask,
            Source::Own(_, Some(until)) if *until <= now => return Answer::Ask,
            Source::Loan(loan) if now.since(loan.granted_at) >= RENEW => return Answer::Ask,
            Source::Loan(_) | Source::Own(..) => {}
        }
        let line = self.lines[class.index()];
        let by_floor =
            line.refused_at.is_some() && line.floor_at <= now && class > Class::LiveReply;
        let tokens = self.tokens(now);
        let allowed = tokens >= 1 && (by_floor || self.short_by(class, now) == 0);
        if allowed {
            return self.take(class, by_floor, now);
        }
        if let Source::Loan(loan) = &self.source {
            let wait = ASK_AGAIN.saturating_sub(now.since(loan.granted_at));
            if (tokens == 0 && self.ledger_has(class, loan)) || wait.is_zero() {
                return Answer::Ask;
            }
        }
        let refill = self.period() * self.short_by(class, now).max(1);
        let wait = match &self.source {
            Source::Own(bucket, _) => bucket.clone().try_take(now).err().unwrap_or(refill),
            _ => refill.max(ASK_AGAIN),
        };
        let wait = if class > Class::LiveReply {
            wait.min(line.floor_at.since(now).max(ASK_AGAIN))
        } else {
            wait
        };
        self.refuse(class, wait, now)
    }

    /// Somebody waits for the ledger's answer, until [`Share::waited`].
    pub(super) const fn wait(&mut self) {
        self.waiting = self.waiting.saturating_add(1);
    }

    /// One who waited does no longer.
    pub(super) const fn waited(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// Learns what an answer said.
    pub(super) fn observe(&mut self, told: Told, now: Timestamp) {
        let current = told.reset.is_none_or(|reset| reset > now);
        let told = Told {
            remaining: told.remaining.filter(|_| current),
            ..told
        };
        if let Some(limit) = told.limit.filter(|&limit| limit > 0) {
            self.capacity = limit;
        }
        match &mut self.source {
            Source::None => {}
            Source::Loan(loan) => {
                loan.tokens = told
                    .remaining
                    .map_or(loan.tokens, |left| loan.tokens.min(left));
            }
            Source::Own(bucket, _) => {
                let limit = told.limit.filter(|&limit| limit > 0);
                let limit = limit.map(|limit| (limit / self.processes).max(1));
                bucket.observe(limit, told.remaining, told.reset, now);
            }
        }
        self.told = Some((told, now));
    }

    /// Gives nothing before `until`: Fanvue said so.
    pub(super) fn hold(&mut self, until: Timestamp, now: Timestamp) {
        self.set_back(now);
        self.held_until = self.held_until.max(until);
        self.hold = Some(self.held_until);
        match &mut self.source {
            Source::None => {}
            Source::Loan(loan) => loan.tokens = 0,
            Source::Own(bucket, _) => bucket.hold(until, now),
        }
    }

    /// Whether the ledger does not know yet that Fanvue wants nothing.
    pub(super) const fn has_untold_hold(&self) -> bool {
        self.hold.is_some()
    }

    /// How many requests of the first class may go out now, as far as this process knows.
    pub(super) fn left(&self, now: Timestamp) -> u32 {
        if self.held_until > now {
            return 0;
        }
        match &self.source {
            Source::None => self.capacity,
            Source::Own(bucket, _) => bucket.available(now),
            Source::Loan(loan) => {
                let since = now.since(loan.granted_at).min(WINDOW);
                let back = since.as_micros() * u128::from(self.capacity) / WINDOW.as_micros();
                let back = u32::try_from(back).unwrap_or(u32::MAX);
                (loan.tokens + loan.left)
                    .saturating_add(back)
                    .min(self.capacity)
            }
        }
    }

    /// What to ask the ledger. What is in hand is given back with it, and is not there until
    /// [`Share::granted`] or [`Share::store_away`].
    pub(super) fn begin(&mut self, holder: u64, now: Timestamp) -> Request {
        let mut back = None;
        match &mut self.source {
            Source::None => {}
            Source::Loan(loan) => {
                back = Some((loan.serial, loan.tokens));
                self.handed = std::mem::take(&mut loan.tokens);
            }
            Source::Own(bucket, _) => self.handed = bucket.available(now),
        }
        let floors = Class::ALL[1..]
            .iter()
            .filter(|class| self.floor_is_kept(**class, now));
        let floor = u32::try_from(floors.count()).unwrap_or(0);
        Request {
            holder,
            back,
            spent: self.spent,
            told: self.told,
            hold: self.hold,
            want: self.waiting.saturating_add(floor),
            ahead: self.used.saturating_mul(2).max(SMALLEST),
            class: self.asked_for.unwrap_or_default(),
            floor,
        }
    }

    /// What the ledger granted upon `request`.
    pub(super) fn granted(&mut self, request: &Request, lent: Lent, now: Timestamp) {
        self.handed = 0;
        self.spent = self.spent.saturating_sub(request.spent);
        if self.told == request.told {
            self.told = None;
        }
        if self.hold == request.hold {
            self.hold = None;
        }
        self.used = 0;
        self.asked_for = None;
        self.capacity = lent.capacity;
        self.processes = lent.processes;
        self.held_until = self.held_until.max(lent.held_until);
        self.source = Source::Loan(Loan {
            serial: lent.serial,
            tokens: lent.tokens,
            left: lent.left,
            granted_at: now,
            short: lent.tokens < request.want,
        });
    }

    /// The store does not answer: what was in hand, and an even part of what comes back, are used without it.
    pub(super) fn store_away(&mut self, now: Timestamp) {
        let handed = std::mem::take(&mut self.handed);
        let until = Some(now + AWAY);
        self.source = match std::mem::replace(&mut self.source, Source::None) {
            Source::Own(bucket, _) => Source::Own(bucket, until),
            source => {
                let left = match source {
                    Source::Loan(loan) => loan.tokens,
                    _ => self.capacity / 8,
                };
                let part = (self.capacity / self.processes).max(1);
                let mut bucket = TokenBucket::new(part, now);
                bucket.observe(None, Some(handed + left), None, now);
                Source::Own(bucket, until)
            }
        };
    }

    /// A clock that was set back must not hold anybody for longer than what they were told.
    fn set_back(&mut self, now: Timestamp) {
        let Source::Loan(Loan { granted_at, .. }) = &self.source else {
            return;
        };
        let back = granted_at.since(now);
        if back > WINDOW {
            self.held_until = self.held_until.minus(back);
            self.source = Source::None;
        }
    }

    fn tokens(&self, now: Timestamp) -> u32 {
        match &self.source {
            Source::None => 0,
            Source::Loan(loan) if now.since(loan.granted_at) >= LOAN => 0,
            Source::Loan(loan) => loan.tokens,
            Source::Own(bucket, _) => bucket.available(now),
        }
    }

    /// How many tokens are missing for a request of this class, which leaves what it must to others.
    fn short_by(&self, class: Class, now: Timestamp) -> u32 {
        let tokens = self.tokens(now);
        let kept = Class::ALL[1..]
            .iter()
            .filter(|other| **other != class && self.floor_is_kept(**other, now));
        let kept = u32::try_from(kept.count()).unwrap_or(0);
        let in_hand = (kept + 1).saturating_sub(tokens);
        let left = match &self.source {
            Source::Loan(loan) => loan.left / self.processes,
            _ => 0,
        };
        let leaves = class.leaves(self.capacity) / self.processes;
        let of_all = (leaves + 1).saturating_sub(tokens + left);
        in_hand.max(of_all)
    }

    /// Whether asking again at once may bring something: all that was asked for was there, or not all of what was
    /// there was lent to a process among others.
    fn ledger_has(&self, class: Class, loan: &Loan) -> bool {
        !loan.short || loan.left.saturating_sub(class.leaves(self.capacity)) >= self.processes
    }

    fn floor_is_kept(&self, class: Class, now: Timestamp) -> bool {
        let line = self.lines[class.index()];
        line.floor_at <= now && line.refused_at.is_some_and(|at| now.since(at) < REFUSED)
    }

    fn take(&mut self, class: Class, by_floor: bool, now: Timestamp) -> Answer {
        match &mut self.source {
            Source::None => return Answer::Ask,
            Source::Loan(loan) => loan.tokens = loan.tokens.saturating_sub(1),
            Source::Own(bucket, until) => {
                if let Err(wait) = bucket.try_take(now) {
                    return self.refuse(class, wait, now);
                }
                if until.is_some() {
                    self.spent = self.spent.saturating_add(1);
                }
            }
        }
        self.used = self.used.saturating_add(1);
        let floor_at = now + self.period() * FLOOR;
        let line = &mut self.lines[class.index()];
        line.refused_at = None;
        if by_floor {
            line.floor_at = floor_at;
        }
        Answer::Taken
    }

    /// Everybody who is refused is told a time of their own, so that they do not come back at once.
    fn refuse(&mut self, class: Class, wait: Duration, now: Timestamp) -> Answer {
        let period = self.period();
        let line = &mut self.lines[class.index()];
        line.refused_at = Some(now);
        let earliest = now + wait;
        let turn = (line.last + period).max(earliest).min(earliest + WINDOW);
        line.last = turn;
        Answer::Wait(turn.since(now))
    }

    /// In which time a token comes back for this process.
    fn period(&self) -> Duration {
        WINDOW * self.processes / self.capacity.max(1)
    }
}

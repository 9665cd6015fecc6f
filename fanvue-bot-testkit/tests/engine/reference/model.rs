//! What should happen where nothing fails: the rules of a conversation once more, in another shape.
//!
//! No phases of a send, no leases, no retries and no duplicates: writing, looking at the chat and sending take
//! no time and always end well. Times are milliseconds since the beginning.

use std::collections::BTreeMap;

use fanvue_bot_core::settings::Mode;

use super::script::{Act, How, Sign};

pub(super) const SETTLE: u64 = 8_250;
pub(super) const LONGEST_SETTLE: u64 = 25_250;
pub(super) const HUMAN_PAUSE: u64 = 100_250;
pub(super) const OPERATOR_PAUSE: u64 = 50_250;
pub(super) const DRAFT_EXPIRY: u64 = 600_250;

/// What became of a message of the fan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The reply of this number answers it, counted from 1.
    Answered(usize),
    Waiting,
    AwaitingApproval,
    Paused,
    OptedOut,
    ModeOff,
    Rejected,
    Expired,
    Deleted,
}

/// What can be seen of a conversation at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) fates: BTreeMap<u32, Fate>,
    pub(super) replies: usize,
    pub(super) opted_out: bool,
    pub(super) paused: bool,
    pub(super) draft_waits: bool,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    number: u32,
    sent_at: u64,
    arrived_at: u64,
    sign: Sign,
    /// Whether its words are known.
    read: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Settling {
        until: u64,
        latest: u64,
    },
    /// The reply is written, and about to be sent.
    Ready,
    AwaitingApproval {
        until: u64,
    },
}

#[derive(Debug)]
pub(super) struct Model {
    now: u64,
    mode: Mode,
    opted_out: bool,
    /// When the fan's latest word on whether they want messages was sent.
    consent_at: Option<u64>,
    paused_until: Option<u64>,
    human_at: Option<u64>,
    /// What no reply covers yet, in order of arrival.
    pending: Vec<Line>,
    turn: Option<Turn>,
    /// What is in the chat and no event has told of, in the order in which it was sent.
    untold: Vec<Line>,
    /// What is decided on, and of which the words are read next.
    unread: Vec<Line>,
    fates: BTreeMap<u32, Fate>,
    replies: usize,
}

impl Model {
    pub(super) const fn new() -> Self {
        Self {
            now: 0,
            mode: Mode::Auto,
            opted_out: false,
            consent_at: None,
            paused_until: None,
            human_at: None,
            pending: Vec::new(),
            turn: None,
            untold: Vec::new(),
            unread: Vec::new(),
            fates: BTreeMap::new(),
            replies: 0,
        }
    }

    pub(super) fn seen(&self) -> Seen {
        Seen {
            fates: self.fates.clone(),
            replies: self.replies,
            opted_out: self.opted_out,
            paused: self.paused_until.is_some_and(|until| until > self.now),
            draft_waits: matches!(self.turn, Some(Turn::AwaitingApproval { .. })),
        }
    }

    /// Lets time pass, and does what falls due in it.
    pub(super) fn pass_to(&mut self, to: u64) {
        while let Some(due) = self.due_at().filter(|due| *due < to) {
            self.now = due;
            self.work();
        }
        self.now = to;
    }

    fn due_at(&self) -> Option<u64> {
        match self.turn {
            Some(Turn::Settling { until, .. } | Turn::AwaitingApproval { until }) => Some(until),
            Some(Turn::Ready) => Some(self.now),
            None if self.pending.is_empty() => None,
            None => self.paused_until,
        }
    }

    pub(super) fn act(&mut self, act: &Act) {
        match *act {
            Act::FanWrites { number, sign, how } => {
                let line = Line {
                    number,
                    sent_at: self.now,
                    arrived_at: self.now,
                    sign,
                    read: !how.is_wordless(),
                };
                match how {
                    How::AtOnce | How::Wordless => self.arrive(line),
                    How::Late | How::LateAndWordless => self.untold.push(line),
                }
            }
            Act::Arrives { number } => {
                if let Some(at) = self.untold.iter().position(|line| line.number == number) {
                    let line = self.untold.remove(at);
                    self.arrive(line);
                }
            }
            Act::FanDeletes { number } => self.delete(number),
            Act::HumanWrites { .. } => self.human(),
            Act::ArrivesAgain { .. } | Act::Echo { .. } => {}
            Act::Pause => {
                self.paused_until = Some(self.now + OPERATOR_PAUSE);
                self.turn = None;
                self.mark(Fate::Paused);
            }
            Act::Resume => self.paused_until = None,
            Act::OptOut => self.opted_out = true,
            Act::OptIn => self.opted_out = false,
            Act::Mode(mode) => self.mode = mode,
            Act::Approve => {
                if self.may_decide() {
                    self.turn = Some(Turn::Ready);
                    self.mark(Fate::Waiting);
                }
            }
            Act::Reject => {
                if self.may_decide() {
                    self.turn = None;
                    self.conclude(Fate::Rejected);
                }
            }
            Act::Regenerate => {
                if self.may_decide() {
                    self.compose();
                }
            }
        }
        self.work();
    }

    fn may_decide(&self) -> bool {
        self.forbidden().is_none() && matches!(self.turn, Some(Turn::AwaitingApproval { .. }))
    }

    /// Why no reply may be written, whatever the fan says.
    fn forbidden(&self) -> Option<Fate> {
        if self.opted_out {
            Some(Fate::OptedOut)
        } else if self.mode == Mode::Off {
            Some(Fate::ModeOff)
        } else {
            None
        }
    }

    fn is_paused(&self) -> bool {
        self.paused_until.is_some_and(|until| until > self.now)
    }

    fn mark(&mut self, fate: Fate) {
        for line in &self.pending {
            self.fates.insert(line.number, fate);
        }
    }

    fn conclude(&mut self, fate: Fate) {
        self.mark(fate);
        self.unread
            .extend(self.pending.drain(..).filter(|line| !line.read));
    }

    /// Does what is due now, until nothing is.
    fn work(&mut self) {
        loop {
            self.abide();
            if !self.unread.is_empty() {
                let line = self.unread.remove(0);
                self.notice(line);
                continue;
            }
            match self.turn {
                None if !self.pending.is_empty() && !self.is_paused() => self.settle(),
                Some(Turn::Settling { until, .. }) if until <= self.now => self.compose(),
                Some(Turn::AwaitingApproval { until }) if until <= self.now => {
                    self.turn = None;
                    self.conclude(Fate::Expired);
                }
                Some(Turn::Ready) => self.send(),
                _ => return,
            }
        }
    }

    /// Nothing is written where nothing may be.
    fn abide(&mut self) {
        if let Some(fate) = self.forbidden() {
            self.turn = None;
            self.conclude(fate);
        } else if self.is_paused() && self.turn.take().is_some() {
            self.mark(Fate::Paused);
        }
    }

    fn arrive(&mut self, line: Line) {
        if self.fates.contains_key(&line.number) {
            return;
        }
        let line = Line {
            arrived_at: self.now,
            ..line
        };
        self.place(line);
        if line.read {
            self.notice(line);
        }
        self.abide();
    }

    /// Whether the fan is owed an answer to it.
    fn place(&mut self, line: Line) {
        let theirs = self.human_at.is_some_and(|human| line.sent_at <= human);
        if let Some(fate) = self.forbidden().or(theirs.then_some(Fate::Paused)) {
            self.fates.insert(line.number, fate);
            if !line.read {
                self.unread.push(line);
            }
            return;
        }
        self.pending.push(line);
        if self.is_paused() {
            self.fates.insert(line.number, Fate::Paused);
        } else {
            self.settle();
        }
    }

    /// The words of a message are known.
    fn notice(&mut self, line: Line) {
        if line.sign == Sign::None || self.consent_at.is_some_and(|known| known > line.sent_at) {
            return;
        }
        self.consent_at = Some(line.sent_at);
        let wanted_none = std::mem::replace(&mut self.opted_out, line.sign == Sign::Stop);
        if wanted_none && line.sign == Sign::Resume {
            let arrived_at = self.now;
            self.place(Line {
                arrived_at,
                read: true,
                ..line
            });
        }
    }

    /// Waits for the end of the burst, counted from its oldest message.
    fn settle(&mut self) {
        let oldest = self.pending.iter().map(|line| line.arrived_at).min();
        let newest = self.pending.iter().map(|line| line.arrived_at).max();
        let latest = (oldest.unwrap_or(self.now) + LONGEST_SETTLE).max(self.now);
        let window = newest.unwrap_or(self.now) + SETTLE;
        self.turn = Some(match self.turn {
            Some(Turn::Settling { until, latest }) => Turn::Settling {
                until: until.max((self.now + SETTLE).min(latest)),
                latest,
            },
            _ => Turn::Settling {
                until: window.clamp(self.now, latest),
                latest,
            },
        });
        self.mark(Fate::Waiting);
    }

    fn compose(&mut self) {
        while let Some(line) = self.pending.iter_mut().find(|line| !line.read) {
            line.read = true;
            let line = *line;
            self.notice(line);
            self.abide();
            if self.turn.is_none() {
                return;
            }
        }
        if self.mode == Mode::Draft {
            self.turn = Some(Turn::AwaitingApproval {
                until: self.now + DRAFT_EXPIRY,
            });
            self.mark(Fate::AwaitingApproval);
        } else {
            self.turn = Some(Turn::Ready);
        }
    }

    /// Looks at the chat once more, and sends if it says nothing new.
    fn send(&mut self) {
        for line in std::mem::take(&mut self.untold) {
            self.arrive(Line { read: true, ..line });
        }
        if self.turn == Some(Turn::Ready) {
            self.turn = None;
            self.replies += 1;
            self.mark(Fate::Answered(self.replies));
            self.pending.clear();
        }
    }

    /// A human has the conversation, and what the fan had written before is theirs.
    fn human(&mut self) {
        self.human_at = Some(self.now);
        self.paused_until = self.paused_until.max(Some(self.now + HUMAN_PAUSE));
        self.turn = None;
        self.conclude(Fate::Paused);
    }

    fn delete(&mut self, number: u32) {
        self.untold.retain(|line| line.number != number);
        let before = self.pending.len();
        self.pending.retain(|line| line.number != number);
        if self.pending.len() == before {
            return;
        }
        self.fates.insert(number, Fate::Deleted);
        if self.pending.is_empty() {
            self.turn = None;
        } else if matches!(self.turn, Some(Turn::AwaitingApproval { .. })) {
            self.turn = None;
            let now = self.now;
            let oldest = self.pending.iter().map(|line| line.arrived_at).min();
            let latest = (oldest.unwrap_or(now) + LONGEST_SETTLE).max(now);
            self.turn = Some(Turn::Settling {
                until: (now + SETTLE).min(latest),
                latest,
            });
            self.mark(Fate::Waiting);
        }
    }
}

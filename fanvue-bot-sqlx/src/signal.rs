//! What a process knows about work that can be claimed, and waking those who wait for it.

use std::sync::Mutex;

use fanvue_bot_core::queue::{ClaimLimits, ClaimedLane};
use fanvue_bot_core::time::Timestamp;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

#[derive(Debug, Default)]
pub(crate) struct Signal {
    moved: Notify,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Grows whenever a lane may have become claimable.
    moves: u64,
    /// The last claim and when it was, if it found nothing and nothing moved since.
    idle: Option<(Idle, Instant)>,
}

/// What there was to claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Lanes; there may be more.
    Some,
    Nothing,
    /// Nothing of those creators whom the claim did not leave out.
    NothingOfOthers,
}

impl Found {
    /// What a claim within `limits` that took `lanes` tells.
    pub(crate) const fn by(limits: &ClaimLimits, lanes: &[ClaimedLane]) -> Self {
        if !lanes.is_empty() || limits.is_nothing() {
            Self::Some
        } else if limits.except.is_empty() {
            Self::Nothing
        } else {
            Self::NothingOfOthers
        }
    }
}

/// A claim found nothing, and nothing moved since.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Idle {
    /// The time that the claim named. Callers pass the time in, so this is the only clock that agrees with theirs.
    pub(crate) named: Timestamp,
    /// What it is by now.
    pub(crate) now: Timestamp,
    /// It left creators out, who may have lanes.
    #[cfg_attr(
        not(feature = "sqlite"),
        expect(
            dead_code,
            reason = "a claim of Postgres tells by itself when the next lane is due that it does not leave out"
        )
    )]
    pub(crate) left_out: bool,
}

/// Up to which move a claim that begins now sees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen(u64);

impl Signal {
    /// A lane may be claimable earlier than before.
    pub(crate) fn raise(&self) {
        if let Ok(mut state) = self.state.lock() {
            state.moves += 1;
            state.idle = None;
        }
        self.moved.notify_waiters();
    }

    /// To be asked before a claim, for [`Signal::claimed`].
    pub(crate) fn seen(&self) -> Seen {
        Seen(self.state.lock().map_or(0, |state| state.moves))
    }

    /// A claim that began at `seen` looked for what is due at `now`. If it found nothing, whatever is due
    /// later by that clock is not due yet.
    pub(crate) fn claimed(&self, seen: Seen, now: Timestamp, found: Found) {
        if let Ok(mut state) = self.state.lock() {
            let idle = Idle {
                named: now,
                now,
                left_out: found == Found::NothingOfOthers,
            };
            let is_idle = found != Found::Some && state.moves == seen.0;
            state.idle = is_idle.then(|| (idle, Instant::now()));
        }
    }

    /// How things are, unless there may be work that can be claimed at once.
    pub(crate) fn idle(&self) -> Option<Idle> {
        let (idle, at) = self.state.lock().ok()?.idle?;
        Some(Idle {
            now: idle.named + at.elapsed(),
            ..idle
        })
    }

    /// Resolves at the next [`Signal::raise`] after it was enabled.
    pub(crate) fn moved(&self) -> Notified<'_> {
        self.moved.notified()
    }
}

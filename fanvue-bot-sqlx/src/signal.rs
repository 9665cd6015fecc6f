//! What a process knows about work that can be claimed, and waking those who wait for it.

use std::sync::Mutex;

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
    /// The time that the last claim named and when it did, if it found nothing and nothing moved since.
    /// Callers pass the time in, so this is the only clock that agrees with theirs.
    idle: Option<(Timestamp, Instant)>,
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
    pub(crate) fn claimed(&self, seen: Seen, now: Timestamp, found: bool) {
        if let Ok(mut state) = self.state.lock() {
            state.idle = (!found && state.moves == seen.0).then(|| (now, Instant::now()));
        }
    }

    /// The time by the callers' clock, unless there may be work that can be claimed at once.
    pub(crate) fn idle_at(&self) -> Option<Timestamp> {
        let (named, at) = self.state.lock().ok()?.idle?;
        Some(named + at.elapsed())
    }

    /// Resolves at the next [`Signal::raise`] after it was enabled.
    pub(crate) fn moved(&self) -> Notified<'_> {
        self.moved.notified()
    }
}

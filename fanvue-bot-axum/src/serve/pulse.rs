//! Where a connection is in its life, and by when it has to move on.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::limits::Limits;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing has come of the next request. A new connection has the header's time, a used one the idle
    /// time.
    Waiting,
    /// A part of the head is here.
    Head,
    /// A request is with its handler, or its response on the way.
    Busy,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Whether no request has come yet.
    fresh: bool,
    deadline: Instant,
    draining: bool,
    /// The connection's task, while it waits without a deadline.
    asleep: Option<Waker>,
}

/// Shared between a connection's stream, which sees bytes, and its service, which sees requests.
#[derive(Debug)]
pub(super) struct Pulse {
    limits: Limits,
    state: Mutex<State>,
}

/// What a stream that has nothing to read should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Wait for as long as it takes.
    Forever,
    /// Wait until then.
    Until(Instant),
    /// End the connection as if the client had.
    End,
}

impl Pulse {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            state: Mutex::new(State {
                phase: Phase::Waiting,
                fresh: true,
                deadline: after(limits.header),
                draining: false,
                asleep: None,
            }),
            limits,
        }
    }

    /// Bytes came.
    pub(super) fn received(&self) {
        self.with(|state, limits| {
            if state.phase == Phase::Waiting {
                state.phase = Phase::Head;
                // A first request's time runs from the connection's begin.
                if !state.fresh {
                    state.deadline = after(limits.header);
                }
            }
        });
    }

    /// A whole head came. The request is over when what this returns is dropped.
    pub(super) fn request(self: &Arc<Self>) -> Busy {
        self.with(|state, _| {
            state.phase = Phase::Busy;
            state.fresh = false;
        });
        Busy(Arc::clone(self))
    }

    /// No further request is wanted.
    pub(super) fn drain(&self) {
        self.with(|state, _| state.draining = true);
    }

    /// What to do while there is nothing to read. hyper looks for a next request before it lets go of a
    /// response, so whoever is told to wait for ever is woken when that changes.
    pub(super) fn wait(&self, waker: &Waker) -> Wait {
        self.with(|state, _| match state.phase {
            Phase::Waiting if state.draining => Wait::End,
            Phase::Waiting | Phase::Head => Wait::Until(state.deadline),
            Phase::Busy => {
                state.asleep = Some(waker.clone());
                Wait::Forever
            }
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut State, &Limits) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut state, &self.limits)
    }
}

/// A request in flight.
#[derive(Debug)]
pub(super) struct Busy(Arc<Pulse>);

impl Drop for Busy {
    fn drop(&mut self) {
        let asleep = self.0.with(|state, limits| {
            state.phase = Phase::Waiting;
            state.deadline = after(limits.idle);
            state.asleep.take()
        });
        if let Some(waker) = asleep {
            waker.wake();
        }
    }
}

/// The point in time `duration` from now, or one that never comes if it cannot be counted.
pub(super) fn after(duration: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    let now = Instant::now();
    now.checked_add(duration.min(NEVER)).unwrap_or(now)
}

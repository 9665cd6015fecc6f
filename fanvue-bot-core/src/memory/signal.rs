//! Tells waiting workers that a claim may find work, without a runtime.

use std::collections::BTreeMap;
use std::mem;
use std::task::{Context, Poll, Waker};

/// Raised until a claim has found everything there was: a signal between a claim that found nothing and
/// the wait after it is not lost.
#[derive(Debug, Default)]
pub(super) struct Signal {
    raised: bool,
    waiting: BTreeMap<u64, Waker>,
    last_slot: u64,
    woken: Vec<Waker>,
}

impl Signal {
    pub(super) fn raise(&mut self) {
        self.raised = true;
        self.woken
            .extend(mem::take(&mut self.waiting).into_values());
    }

    pub(super) const fn clear(&mut self) {
        self.raised = false;
    }

    /// Those to wake, once the lock is released: a waker may run its task at once.
    pub(super) fn take_woken(&mut self) -> Vec<Waker> {
        mem::take(&mut self.woken)
    }

    /// `slot` names the waiting future between its polls.
    pub(super) fn poll(&mut self, slot: &mut Option<u64>, context: &Context<'_>) -> Poll<()> {
        // Also if another's claim has cleared it since: that claim may have left out what this one is to have.
        let was_woken = slot.is_some_and(|slot| !self.waiting.contains_key(&slot));
        if self.raised || was_woken {
            self.forget(slot);
            return Poll::Ready(());
        }
        let slot = *slot.get_or_insert_with(|| {
            self.last_slot += 1;
            self.last_slot
        });
        self.waiting.insert(slot, context.waker().clone());
        Poll::Pending
    }

    pub(super) fn forget(&mut self, slot: &mut Option<u64>) {
        if let Some(slot) = slot.take() {
            self.waiting.remove(&slot);
        }
    }
}

/// A wait for a signal. Gives its place up when it is dropped, so that abandoned waits leave nothing behind.
pub(super) struct Raised<F: Fn(&mut dyn FnMut(&mut Signal))> {
    with_signal: F,
    slot: Option<u64>,
}

impl<F: Fn(&mut dyn FnMut(&mut Signal))> Raised<F> {
    /// Resolves when the signal is raised that `with_signal` reaches.
    pub(super) async fn wait(with_signal: F) {
        let mut wait = Self {
            with_signal,
            slot: None,
        };
        std::future::poll_fn(move |context| {
            let Self { with_signal, slot } = &mut wait;
            let mut polled = Poll::Pending;
            with_signal(&mut |signal| polled = signal.poll(slot, context));
            polled
        })
        .await;
    }
}

impl<F: Fn(&mut dyn FnMut(&mut Signal))> Drop for Raised<F> {
    fn drop(&mut self) {
        if self.slot.is_some() {
            let slot = &mut self.slot;
            (self.with_signal)(&mut |signal| signal.forget(slot));
        }
    }
}

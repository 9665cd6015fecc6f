//! Dropping a future in the middle.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// After how many polls the cancel cases drop a call: never polled, first poll, and on.
pub(crate) const CUTS: std::ops::Range<usize> = 0..8;

/// How long a call that waits for nothing but a signal is waited for.
const PATIENCE: Duration = Duration::from_millis(100);

/// Polls `call` at most `polls` times, as often as it wakes, then drops it. `None` if it was not done by
/// then.
pub(crate) async fn cut<F: Future>(polls: usize, call: F) -> Option<F::Output> {
    let mut call = pin!(call);
    let mut polled = 0;
    let polling = poll_fn(move |context| {
        if polled == polls {
            return Poll::Ready(None);
        }
        polled += 1;
        match call.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polled == polls => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    });
    tokio::time::timeout(PATIENCE, polling).await.ok().flatten()
}

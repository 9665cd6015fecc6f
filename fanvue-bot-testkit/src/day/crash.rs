//! Dropping a future that never answers: the process died there.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::fault::FaultPlan;

/// The process died in the middle of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Crashed;

/// Runs `future` to its end, or until one of the calls of `plan` in it hangs.
pub(super) async fn unless_crashed<F: Future>(
    plan: &FaultPlan,
    future: F,
) -> Result<F::Output, Crashed> {
    UnlessCrashed {
        plan,
        future: Box::pin(future),
    }
    .await
}

struct UnlessCrashed<'a, F> {
    future: Pin<Box<F>>,
    plan: &'a FaultPlan,
}

impl<F: Future> Future for UnlessCrashed<'_, F> {
    type Output = Result<F::Output, Crashed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending if self.plan.notice_hang() => Poll::Ready(Err(Crashed)),
            Poll::Pending => Poll::Pending,
        }
    }
}

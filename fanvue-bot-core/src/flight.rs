//! One piece of work that many wait for.
//!
//! Core spawns nothing, so the work is polled by whoever waits for it. It belongs to none of them: a waiter
//! that is dropped, as when a worker aborts a task, leaves the work as it is, and the next one goes on with
//! it. That matters for a token refresh, whose answer exists only once.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::time::Timestamp;

/// Work in one hand at a time, whose outcome every waiter gets a copy of.
pub(crate) struct Flight<T> {
    course: Mutex<Course<T>>,
    waiters: Arc<Waiters>,
    begun: Timestamp,
}

enum Course<T> {
    UnderWay(Pin<Box<dyn Future<Output = T> + Send>>),
    Landed(T),
    Cancelled,
}

/// Whom to wake. It is the waker of the work itself: one waiter alone may be gone by the time it is woken.
struct Waiters {
    /// Whether the work may get on by a poll.
    woken: AtomicBool,
    wakers: Mutex<Wakers>,
}

#[derive(Default)]
struct Wakers {
    next: u64,
    by_waiter: BTreeMap<u64, Option<Waker>>,
}

impl<T: Clone> Flight<T> {
    pub(crate) fn new(work: impl Future<Output = T> + Send + 'static, begun: Timestamp) -> Self {
        Self {
            course: Mutex::new(Course::UnderWay(Box::pin(work))),
            waiters: Arc::new(Waiters {
                woken: AtomicBool::new(true),
                wakers: Mutex::default(),
            }),
            begun,
        }
    }

    pub(crate) const fn begun(&self) -> Timestamp {
        self.begun
    }

    /// Whether nobody waits, so that nobody polls.
    pub(crate) fn is_orphaned(&self) -> bool {
        self.waiters.lock().by_waiter.is_empty()
    }

    /// Waits. `None` means that the work was cancelled.
    pub(crate) fn join(self: &Arc<Self>) -> Waiting<T> {
        let mut wakers = self.waiters.lock();
        let waiter = wakers.next;
        wakers.next += 1;
        wakers.by_waiter.insert(waiter, None);
        drop(wakers);
        Waiting {
            flight: Arc::clone(self),
            waiter,
        }
    }

    /// Polls the work if it has anything to do. Whoever calls this without waiting must know that nobody may
    /// be woken for what comes next.
    pub(crate) fn advance(&self) -> Poll<Option<T>> {
        // A poll that panicked has left nothing to go on with.
        let Ok(mut course) = self.course.lock() else {
            return Poll::Ready(None);
        };
        let work = match &mut *course {
            Course::Landed(outcome) => return Poll::Ready(Some(outcome.clone())),
            Course::Cancelled => return Poll::Ready(None),
            Course::UnderWay(work) => work,
        };
        if !self.waiters.woken.swap(false, Ordering::SeqCst) {
            return Poll::Pending;
        }
        let waker = Waker::from(Arc::clone(&self.waiters));
        let ended = Ended(&self.waiters);
        match work.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => {
                std::mem::forget(ended);
                Poll::Pending
            }
            Poll::Ready(outcome) => {
                *course = Course::Landed(outcome.clone());
                drop(course);
                Poll::Ready(Some(outcome))
            }
        }
    }

    /// Gives the work up: its waiters get `None`.
    pub(crate) fn cancel(&self) {
        let before = match self.course.lock() {
            Ok(mut course) if matches!(*course, Course::UnderWay(_)) => {
                std::mem::replace(&mut *course, Course::Cancelled)
            }
            _ => return,
        };
        drop(before);
        self.waiters.wake_all();
    }
}

/// Wakes everybody when a poll ends the work, by an outcome or by a panic.
struct Ended<'a>(&'a Waiters);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.wake_all();
    }
}

impl Waiters {
    fn lock(&self) -> MutexGuard<'_, Wakers> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_all(&self) {
        let wakers: Vec<Waker> = self.lock().by_waiter.values().flatten().cloned().collect();
        for waker in wakers {
            waker.wake();
        }
    }
}

impl Wake for Waiters {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.wake_all();
    }
}

/// One who waits for a [`Flight`].
pub(crate) struct Waiting<T> {
    flight: Arc<Flight<T>>,
    waiter: u64,
}

impl<T: Clone> Future for Waiting<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Before the poll, so that no wake-up falls between the two.
        if let Some(waker) = self.flight.waiters.lock().by_waiter.get_mut(&self.waiter) {
            *waker = Some(cx.waker().clone());
        }
        self.flight.advance()
    }
}

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        self.flight.waiters.lock().by_waiter.remove(&self.waiter);
        // The wake-up that this one had may have been for the work; another one takes it on.
        self.flight.waiters.wake_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Work of so many steps; the waker of each step is kept for the test to use.
    #[derive(Default)]
    struct Steps {
        polls: AtomicU32,
        waker: Mutex<Option<Waker>>,
    }

    impl Steps {
        fn work(self: &Arc<Self>, steps: u32) -> impl Future<Output = u32> + Send + 'static {
            let this = Arc::clone(self);
            std::future::poll_fn(move |cx| {
                *this.waker.lock().unwrap() = Some(cx.waker().clone());
                let polls = this.polls.fetch_add(1, Ordering::SeqCst) + 1;
                if polls > steps {
                    Poll::Ready(polls)
                } else {
                    Poll::Pending
                }
            })
        }

        fn wake(&self) {
            let waker = self.waker.lock().unwrap().clone();
            waker.unwrap().wake();
        }

        fn polls(&self) -> u32 {
            self.polls.load(Ordering::SeqCst)
        }
    }

    fn flight(steps: &Arc<Steps>, count: u32) -> Arc<Flight<u32>> {
        Arc::new(Flight::new(steps.work(count), Timestamp::UNIX_EPOCH))
    }

    fn poll(waiting: &mut Waiting<u32>, count: &Arc<Count>) -> Poll<Option<u32>> {
        let waker = Waker::from(Arc::clone(count));
        Pin::new(waiting).poll(&mut Context::from_waker(&waker))
    }

    #[test]
    fn all_who_wait_get_the_outcome_and_only_a_wake_up_leads_to_a_poll() {
        let (steps, count) = (Arc::default(), Arc::default());
        let flight = flight(&steps, 1);
        let mut first = flight.join();
        let mut second = flight.join();
        assert_eq!(poll(&mut first, &count), Poll::Pending);
        assert_eq!(poll(&mut second, &count), Poll::Pending);
        assert_eq!(poll(&mut first, &count), Poll::Pending);
        assert_eq!(steps.polls(), 1);
        steps.wake();
        assert_eq!(count.0.load(Ordering::SeqCst), 2, "both are woken");
        assert_eq!(poll(&mut second, &count), Poll::Ready(Some(2)));
        assert_eq!(poll(&mut first, &count), Poll::Ready(Some(2)));
        assert_eq!(steps.polls(), 2);
    }

    #[test]
    fn the_work_outlives_those_who_wait_for_it() {
        let (steps, count) = (Arc::default(), Arc::default());
        let flight = flight(&steps, 1);
        let mut first = flight.join();
        assert_eq!(poll(&mut first, &count), Poll::Pending);
        drop(first);
        assert!(flight.is_orphaned());
        steps.wake();
        assert_eq!(poll(&mut flight.join(), &count), Poll::Ready(Some(2)));
    }

    #[test]
    fn whoever_is_left_is_woken_when_another_gives_up() {
        let (steps, count) = (Arc::default(), Arc::<Count>::default());
        let flight = flight(&steps, 1);
        let (mut first, mut second) = (flight.join(), flight.join());
        assert_eq!(poll(&mut first, &Arc::default()), Poll::Pending);
        assert_eq!(poll(&mut second, &count), Poll::Pending);
        steps.wake();
        drop(first);
        assert!(count.0.load(Ordering::SeqCst) > 0);
        assert_eq!(poll(&mut second, &count), Poll::Ready(Some(2)));
    }

    #[test]
    fn cancelled_work_is_dropped_and_its_waiters_are_told() {
        let (steps, count) = (Arc::<Steps>::default(), Arc::<Count>::default());
        let flight = flight(&steps, 1);
        let mut waiting = flight.join();
        assert_eq!(poll(&mut waiting, &count), Poll::Pending);
        flight.cancel();
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert_eq!(Arc::strong_count(&steps), 1);
        assert_eq!(poll(&mut waiting, &count), Poll::Ready(None));
    }

    #[test]
    fn a_panic_in_the_work_reaches_one_and_tells_the_others() {
        let flight: Arc<Flight<u32>> = Arc::new(Flight::new(
            async { panic!("on purpose") },
            Timestamp::UNIX_EPOCH,
        ));
        let count = Arc::<Count>::default();
        let mut other = flight.join();
        let mut first = flight.join();
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            poll(&mut first, &Arc::default())
        }));
        assert!(caught.is_err());
        assert_eq!(poll(&mut other, &count), Poll::Ready(None));
    }
}

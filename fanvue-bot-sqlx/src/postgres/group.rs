//! Operations that share transactions: whatever waits when one can begin.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot};

/// How many operations may wait before further callers wait for their place.
const WAITING: usize = 1_024;

/// So many transactions of one kind at a time: while one waits for the disk, the next is under way. More would
/// only make the groups smaller.
const IN_FLIGHT: usize = 2;

/// An operation and who waits for what comes of it. The caller may have gone: the operation is done all the same,
/// since nobody here can know that it was given up.
pub(super) struct Call<A, T> {
    pub(super) args: A,
    reply: oneshot::Sender<T>,
}

impl<A, T> Call<A, T> {
    pub(super) fn answer(self, outcome: T) {
        // The caller may have gone.
        let _ = self.reply.send(outcome);
    }
}

/// Where operations of one kind are handed in.
pub(super) struct Batcher<A, T>(mpsc::Sender<Call<A, T>>);

impl<A: Send + 'static, T: Send + 'static> Batcher<A, T> {
    /// A batcher whose operations are done by `work`, up to `most` at a time, until it is closed or dropped.
    pub(super) fn new<W, F>(most: usize, work: W) -> Self
    where
        W: Fn(Vec<Call<A, T>>) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let (handed_in, waiting) = mpsc::channel(WAITING);
        tokio::spawn(serve(waiting, most, work));
        Self(handed_in)
    }

    /// Hands an operation in and waits for what comes of it; `None` if nobody works any more.
    pub(super) async fn ask(&self, args: A) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Call { args, reply }).await.ok()?;
        answer.await.ok()
    }
}

async fn serve<A, T, W, F>(mut waiting: mpsc::Receiver<Call<A, T>>, most: usize, work: W)
where
    W: Fn(Vec<Call<A, T>>) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(IN_FLIGHT));
    loop {
        // First the place, then the operations: what comes while one waits for a place is of the group.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let mut group = Vec::new();
        if waiting.recv_many(&mut group, most).await == 0 {
            return;
        }
        let working = work(group);
        tokio::spawn(async move {
            working.await;
            drop(place);
        });
        // Lets those just woken hand in what they do next, so that it shares a transaction too.
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn what_waits_while_others_work_is_one_group() {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let gate = Arc::new(Semaphore::new(0));
        let batcher = {
            let (sizes, gate) = (Arc::clone(&sizes), Arc::clone(&gate));
            Arc::new(Batcher::new(100, move |group: Vec<Call<u32, u32>>| {
                let gate = Arc::clone(&gate);
                sizes.lock().unwrap().push(group.len());
                async move {
                    gate.acquire().await.unwrap().forget();
                    for call in group {
                        let answer = call.args * 2;
                        call.answer(answer);
                    }
                }
            }))
        };
        let ask = |number| {
            let batcher = Arc::clone(&batcher);
            tokio::spawn(async move { (number, batcher.ask(number).await) })
        };
        let mut callers = Vec::new();
        for number in 0..IN_FLIGHT {
            callers.push(ask(u32::try_from(number).unwrap()));
            while sizes.lock().unwrap().len() <= number {
                tokio::task::yield_now().await;
            }
        }
        callers.extend((100..120).map(ask));
        // All of them hand in what they have before the next group can begin.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(100);
        for caller in callers {
            let (number, answer) = caller.await.unwrap();
            assert_eq!(answer, Some(number * 2));
        }
        assert_eq!(*sizes.lock().unwrap(), [1, 1, 20]);
    }
}

//! The deployment's ceiling and its stop.

use super::sweep::AT_ONCE;
use super::{Engine, EngineError};
use crate::ceiling::Ceiling;
use crate::decision::WaitCause;
use crate::flow::Input;
use crate::page::PageRequest;
use crate::queue::Priority;

impl Engine {
    /// What holds for the whole deployment now.
    ///
    /// # Errors
    /// As [`Ceiling::read`].
    pub async fn ceiling(&self) -> Result<Ceiling, EngineError> {
        Ok(Ceiling::read(&**self.backend().store()).await?)
    }

    /// Changes how far the bot may go in the whole deployment. Acts on the next decision of every process.
    /// Messages that came in while the mode was off keep their decision, as with a creator's mode. To stop
    /// and to go on, [`stop_all`](Self::stop_all) and [`resume_all`](Self::resume_all) do all that belongs to it.
    ///
    /// # Errors
    /// As [`Ceiling::change`].
    pub async fn limit(
        &self,
        change: impl Fn(&mut Ceiling) + Send + Sync,
    ) -> Result<Ceiling, EngineError> {
        Ok(Ceiling::change(&**self.backend().store(), change).await?)
    }

    /// Stops everything now, in all processes: no reply is written any more and none is sent, approved ones
    /// included. When this returns, no send begins any more but one that another process has begun already.
    /// Messages are still taken in, and whoever is owed an answer waits with the cause
    /// [`WaitCause::Stopped`].
    ///
    /// Idempotent: a second call leaves the time of the first.
    ///
    /// # Errors
    /// As [`Ceiling::change`].
    pub async fn stop_all(&self) -> Result<Ceiling, EngineError> {
        let now = self.now();
        let stop = |ceiling: &mut Ceiling| {
            ceiling.stopped_at.get_or_insert(now);
        };
        let ceiling = self.limit(stop).await?;
        tracing::warn!("everything is stopped by an operator");
        Ok(ceiling)
    }

    /// Lets everything go on after [`stop_all`](Self::stop_all), and answers how many conversations do.
    ///
    /// Idempotent. A conversation that is not reached because of an error goes on by itself within
    /// [`Timing::longest_look`](crate::flow::Timing::longest_look).
    ///
    /// # Errors
    /// As [`Ceiling::change`]; those of [`Engine::act`], but for those of an operator's text.
    pub async fn resume_all(&self) -> Result<usize, EngineError> {
        self.limit(|ceiling| ceiling.stopped_at = None).await?;
        tracing::warn!("everything goes on by an operator");
        self.wake_stopped().await
    }

    async fn wake_stopped(&self) -> Result<usize, EngineError> {
        let until = self.now() + self.shared.intake.send_timing().longest_look;
        let mut request = PageRequest::first(AT_ONCE);
        let mut woken = 0;
        loop {
            let store = self.backend().store();
            let page = store.due(None, until, &request).await?;
            for due in page.items {
                let stored = store.conversation(due.conversation).await?;
                let is_stopped = stored
                    .and_then(|stored| stored.value.hold)
                    .is_some_and(|hold| hold.cause == WaitCause::Stopped);
                if is_stopped {
                    let wake = Input::Wake.into();
                    self.commit(due.conversation, &wake, Some(Priority::default()))
                        .await?;
                    woken += 1;
                }
            }
            match page.next {
                Some(next) => request = PageRequest::after(AT_ONCE, next),
                None => return Ok(woken),
            }
        }
    }
}

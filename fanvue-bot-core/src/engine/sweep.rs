//! Work that no job asks for: nudges that are due, wake-ups that got lost, and what waited for a person.

use super::{Engine, EngineError};
use crate::conversation::Conversation;
use crate::decision::WaitCause;
use crate::flow::{Input, OperatorAction};
use crate::id::CreatorId;
use crate::page::{Cursor, PageRequest};
use crate::queue::{IdempotencyKey, NewJob, Priority};
use std::time::Duration;

/// A conversation that is due for longer than this has a nudge to begin, which has no job of its own; or it has lost
/// its wake-up, or its worker is busy with it, in which case one more wake-up does no harm.
const OVERDUE: Duration = Duration::from_secs(60);
/// How many conversations one call looks at.
pub(super) const AT_ONCE: usize = 200;

impl Engine {
    /// Wakes conversations that are long due, one page of them; answers where the next call goes on, `None`
    /// at the end.
    ///
    /// That begins the nudges that are due. And a wake-up can get lost where store and queue share no database, between
    /// the two steps of a commit, and when somebody deletes jobs. Idempotent; a worker does it every half minute.
    ///
    /// # Errors
    /// The store's and the queue's.
    pub async fn wake_overdue(&self, from: Option<Cursor>) -> Result<Option<Cursor>, EngineError> {
        let now = self.now();
        let request = match from {
            Some(cursor) => PageRequest::after(AT_ONCE, cursor),
            None => PageRequest::first(AT_ONCE),
        };
        let page = self
            .backend()
            .store()
            .due(None, now.minus(OVERDUE), &request)
            .await?;
        let mut jobs: Vec<NewJob> = Vec::with_capacity(page.items.len());
        for due in &page.items {
            let id = due.conversation;
            let Some(stored) = self.backend().store().conversation(id).await? else {
                continue;
            };
            let key = format!("due/{}", due.wake_at.as_micros());
            let job = NewJob::wake(id, now, IdempotencyKey::in_lane(&id.into(), &key));
            jobs.push(job.priority(stored.value.priority()));
        }
        if !jobs.is_empty() {
            self.backend().queue().enqueue(&jobs).await?;
            tracing::debug!(conversations = jobs.len(), "overdue conversations woken");
        }
        Ok(page.next)
    }

    /// Tries now what of this creator's work failed and is put off: after their account was connected again,
    /// or the deployment was mended. Answers how many conversations go on.
    ///
    /// Idempotent. What is not reached because of an error goes on when its wait ends, as without this call.
    ///
    /// # Errors
    /// As [`Engine::act`], but for those of an operator's text.
    pub async fn try_again(&self, creator: CreatorId) -> Result<usize, EngineError> {
        let until = self.now() + self.shared.intake.send_timing().longest_look;
        let mut request = PageRequest::first(AT_ONCE);
        let mut woken = 0;
        loop {
            let page = self
                .backend()
                .store()
                .due(Some(creator), until, &request)
                .await?;
            for due in page.items {
                let stored = self
                    .backend()
                    .store()
                    .conversation(due.conversation)
                    .await?;
                let held = |conversation: &Conversation| {
                    conversation.hold.is_some_and(|hold| {
                        hold.until > self.now()
                            && !matches!(hold.cause, WaitCause::QuietHours | WaitCause::Stopped)
                    })
                };
                if stored.is_some_and(|stored| held(&stored.value)) {
                    let input = Input::Operator(OperatorAction::TryNow);
                    self.commit(due.conversation, &input.into(), Some(Priority::default()))
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

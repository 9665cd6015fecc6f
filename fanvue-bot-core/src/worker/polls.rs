//! Polls chats beside the lanes, which they take no hand from.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::engine::Engine;
use crate::queue::FailureNote;

/// How often to see whose poll is due. In memory, but for once an interval.
const LOOK: Duration = Duration::from_secs(1);

/// Polls whoever is due, `at_once` creators at a time, for ever. May be dropped at any point.
pub(super) async fn poll_chats(engine: Engine, at_once: usize) {
    if at_once == 0 {
        return std::future::pending().await;
    }
    let mut polls = JoinSet::new();
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // What fails for each creator is told once, and not with every poll.
    let mut failing = false;
    loop {
        tokio::select! {
            Some(ended) = polls.join_next(), if !polls.is_empty() => {
                let fault = match ended {
                    Ok(Ok(_)) => None,
                    Ok(Err(error)) => Some(FailureNote::from_error(&error)),
                    Err(_) => Some(FailureNote::new("a poll panicked")),
                };
                note(&mut failing, fault);
            }
            _ = look.tick() => {
                let free = at_once.saturating_sub(polls.len());
                if free == 0 {
                    continue;
                }
                match engine.due_for_catch_up(free).await {
                    Ok(due) => for creator in due {
                        let engine = engine.clone();
                        polls.spawn(async move { engine.catch_up(creator).await });
                    },
                    Err(error) => note(&mut failing, Some(FailureNote::from_error(&error))),
                }
            }
        }
    }
}

fn note(failing: &mut bool, fault: Option<FailureNote>) {
    match fault {
        Some(cause) if !*failing => {
            *failing = true;
            tracing::warn!(%cause, "chats could not be polled; what webhooks miss is not found meanwhile");
        }
        Some(cause) => tracing::debug!(%cause, "chats could not be polled"),
        None => *failing = false,
    }
}

//! Sees to broadcasts beside the lanes, which do the sends.

use std::time::Duration;

use crate::broadcast::{Advanced, Broadcaster};
use crate::engine::Engine;
use crate::queue::FailureNote;

/// How often to see which broadcasts are due while none has anything to do.
const LOOK: Duration = Duration::from_secs(1);
/// The same while one goes out: what became of its sends is noted, and more is placed.
const SOON: Duration = Duration::from_millis(50);
/// How many broadcasts are seen to in turns.
const AT_ONCE: usize = 50;

/// Sees to broadcasts for ever. May be dropped at any point.
pub(super) async fn see_to_broadcasts(engine: Engine) {
    let Some(broadcaster) = Broadcaster::new(&engine) else {
        return std::future::pending().await;
    };
    // What fails for each is told once, and not with every look.
    let mut failing = false;
    loop {
        let mut more = false;
        let mut fault = None;
        match broadcaster.due(AT_ONCE).await {
            Ok(due) => {
                for (creator, id) in due {
                    match broadcaster.advance(creator, id).await {
                        Ok(advanced) => more |= advanced == Advanced::More,
                        Err(error) => fault = Some(FailureNote::from_error(&error)),
                    }
                }
            }
            Err(error) => fault = Some(FailureNote::from_error(&error)),
        }
        match fault {
            Some(cause) if !failing => {
                failing = true;
                tracing::warn!(%cause, "a broadcast could not be seen to");
            }
            Some(cause) => tracing::debug!(%cause, "a broadcast could not be seen to"),
            None => failing = false,
        }
        tokio::time::sleep(if more { SOON } else { LOOK }).await;
    }
}

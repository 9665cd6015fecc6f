//! Erases creators beside the lanes.

use std::time::Duration;

use crate::engine::Engine;
use crate::queue::FailureNote;

/// How often to see who is being erased.
const LOOK: Duration = Duration::from_secs(15);
/// How long one look erases at most, so that the list is looked at now and then.
const LONGEST: Duration = Duration::from_secs(60);

/// Erases creators for ever. May be dropped at any point.
pub(super) async fn erase_creators(engine: Engine) {
    loop {
        let until = engine.now() + LONGEST;
        if let Err(error) = engine.erase_creators(until).await {
            tracing::warn!(error = %FailureNote::from_error(&error), "it could not be read which creators are being erased");
        }
        tokio::time::sleep(LOOK).await;
    }
}

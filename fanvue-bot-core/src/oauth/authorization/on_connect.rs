//! Going on with what waited for an account.

use std::fmt;

use async_trait::async_trait;

use crate::engine::Engine;
use crate::id::CreatorId;
use crate::queue::FailureNote;

/// What an [`Authorizer`](super::Authorizer) lets know that a creator's account is connected. An [`Engine`]
/// tries again what waited for it.
#[async_trait]
pub trait OnConnect: fmt::Debug + Send + Sync + 'static {
    /// The account is connected and its tokens are stored. The browser waits meanwhile, and a failure is
    /// for this to handle: the connection stands.
    ///
    /// Called for each creator whom the grant reaches, each time it is connected; idempotent.
    async fn connected(&self, creator: CreatorId);
}

#[async_trait]
impl OnConnect for Engine {
    async fn connected(&self, creator: CreatorId) {
        match self.try_again(creator).await {
            Ok(0) => {}
            Ok(conversations) => {
                tracing::info!(creator.id = %creator, conversations, "what waited for the account goes on");
            }
            // It goes on by itself when its wait ends.
            Err(error) => {
                tracing::warn!(
                    creator.id = %creator,
                    error = %FailureNote::from_error(&error),
                    "what waited for the account could not be woken at once"
                );
            }
        }
    }
}

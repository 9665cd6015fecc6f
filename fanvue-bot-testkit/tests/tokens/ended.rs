//! A disconnect ends what was begun to connect the account, however far it has come.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use fanvue_bot_core::oauth::{AuthorizeError, Authorized, TokenSource};
use fanvue_bot_core::revision::{Revision, Versioned};
use fanvue_bot_core::secret::{Secret, SecretId, SecretKind, SecretOwner, SecretVault, VaultError};

use crate::connect::Stage;

/// A vault in which, just before a secret of this kind is stored for the first time, somebody disconnects.
struct Meddled {
    inner: Arc<dyn SecretVault>,
    kind: SecretKind,
    by: Mutex<Option<TokenSource>>,
}

impl fmt::Debug for Meddled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meddled")
    }
}

#[async_trait]
impl SecretVault for Meddled {
    async fn get(&self, id: &SecretId) -> Result<Option<Versioned<Secret>>, VaultError> {
        self.inner.get(id).await
    }

    async fn put(
        &self,
        id: &SecretId,
        secret: &Secret,
        expected: Option<Revision>,
    ) -> Result<Revision, VaultError> {
        if id.kind == self.kind {
            let by = self.by.lock().unwrap().take();
            if let (Some(tokens), SecretOwner::Creator(creator)) = (by, id.owner) {
                tokens.disconnect(creator).await.unwrap();
            }
        }
        self.inner.put(id, secret, expected).await
    }

    async fn delete(&self, id: &SecretId, expected: Revision) -> Result<(), VaultError> {
        self.inner.delete(id, expected).await
    }
}

fn live_chains(stage: &Stage) -> usize {
    let world = stage.scene.world.lock().unwrap();
    world.live_chains()
}

#[tokio::test]
async fn who_comes_back_after_a_disconnect_connects_nothing() {
    let stage = Stage::new().await;
    let asked = stage.start().await;
    let query = stage.agree(&asked, stage.luna);
    stage
        .process
        .tokens
        .disconnect(stage.creator)
        .await
        .unwrap();
    let error = stage.callback(&query).await.unwrap_err();
    assert!(matches!(error, AuthorizeError::NotBegun), "{error:?}");
    assert_eq!(stage.token_of().await, None);
    assert_eq!(stage.woken.take(), []);
    stage.connect(stage.luna).await.unwrap();
    assert_eq!(stage.token_of().await, Some(stage.luna));
}

#[tokio::test]
async fn a_callback_that_is_under_way_in_a_disconnect_connects_nothing() {
    let stage = Stage::new().await;
    let inner = Arc::clone(&stage.scene.vault);
    let meddled = Arc::new(Meddled {
        inner,
        kind: SecretKind::TokenSet,
        by: Mutex::new(None),
    });
    let stage = stage.with_vault(Arc::<Meddled>::clone(&meddled));
    *meddled.by.lock().unwrap() = Some(stage.scene.process().tokens);
    let error = stage.connect(stage.luna).await.unwrap_err();
    assert!(matches!(error, AuthorizeError::Disconnected), "{error:?}");
    assert_eq!(stage.token_of().await, None);
    assert_eq!(live_chains(&stage), 0, "what was issued is revoked");
    assert_eq!(stage.woken.take(), [], "nobody's work goes on");
    stage.connect(stage.luna).await.unwrap();
    assert_eq!(stage.token_of().await, Some(stage.luna));
}

#[tokio::test]
async fn another_account_that_waits_for_a_yes_is_given_back() {
    let stage = Stage::new().await;
    stage.connect(stage.luna).await.unwrap();
    let asked = stage.connect(stage.nova).await.unwrap();
    let Authorized::OtherAccount { confirmation, .. } = asked else {
        panic!("{asked:?}");
    };
    assert_eq!(live_chains(&stage), 2);
    stage
        .process
        .tokens
        .disconnect(stage.creator)
        .await
        .unwrap();
    assert_eq!(live_chains(&stage), 0);
    let confirmed = stage.authorizer.confirm(stage.session, &confirmation).await;
    let error = confirmed.unwrap_err();
    assert!(matches!(error, AuthorizeError::NotBegun), "{error:?}");
    assert_eq!(stage.token_of().await, None);
}

#[tokio::test]
async fn one_that_is_begun_while_another_ends_changes_nothing_for_it() {
    let stage = Stage::new().await;
    let first = stage.start().await;
    let query = stage.agree(&first, stage.luna);
    let second = stage.start().await;
    let error = stage.callback(&query).await.unwrap_err();
    assert!(matches!(error, AuthorizeError::NotBegun), "{error:?}");
    let query = stage.agree(&second, stage.luna);
    stage.callback(&query).await.unwrap();
    assert_eq!(stage.token_of().await, Some(stage.luna));
}

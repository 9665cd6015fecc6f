//! The master key is lost: what it sealed does not open any more, and all of it can be entered again.

use std::sync::Arc;

use fanvue_bot_core::client::{AppCredentials, ClientSecret};
use fanvue_bot_core::memory::SealedMemoryVault;
use fanvue_bot_core::oauth::{App, AppOwner, TokenError};
use fanvue_bot_core::secret::{Keyring, MasterKey, Secret, SecretOwner, VaultError};
use fanvue_bot_core::webhook::WebhookSecrets;

use crate::connect::Stage;
use crate::scene::{CLIENT_ID, CLIENT_SECRET};

fn keyring(number: u8) -> Keyring {
    let mut key = *b"0123456789abcdef0123456789abcdef";
    key[0] = number;
    Keyring::new(MasterKey::from_bytes(&key).unwrap())
}

fn app() -> App {
    App::new(AppCredentials {
        client_id: CLIENT_ID.into(),
        client_secret: ClientSecret::new(CLIENT_SECRET),
    })
}

/// A deployment that had a secret of every kind, and has another master key now. The vault as it opens now.
async fn after_the_loss() -> (Stage, Arc<SealedMemoryVault>) {
    let before = SealedMemoryVault::new(keyring(1));
    let now = Arc::new(before.reopen(keyring(2)));
    let stage = Stage::new().await.with_vault(Arc::new(before.clone()));
    stage.connect(stage.luna).await.unwrap();
    let tokens = &stage.process.tokens;
    tokens.apps().save(stage.creator, &app()).await.unwrap();
    let secrets = WebhookSecrets::new(Arc::new(before));
    for secret in ["whsec_1", "whsec_2"] {
        secrets
            .rotate(owner(&stage), &Secret::new(secret))
            .await
            .unwrap();
    }
    stage.start().await;
    let stage = stage.with_vault(Arc::<SealedMemoryVault>::clone(&now));
    let shut = stage.process.tokens.auth(&stage.stored().await).await;
    let Err(TokenError::Vault(shut)) = shut else {
        panic!("{shut:?}");
    };
    assert!(matches!(*shut, VaultError::Sealed { .. }), "{shut:?}");
    (stage, now)
}

fn owner(stage: &Stage) -> SecretOwner {
    SecretOwner::Creator(stage.creator)
}

#[tokio::test]
async fn what_a_lost_key_sealed_is_entered_again() {
    let (stage, vault) = after_the_loss().await;
    let apps = stage.process.tokens.apps();
    let saved = apps.save(stage.creator, &app()).await.unwrap();
    assert_eq!(apps.summary(stage.creator).await.unwrap(), saved);

    let secrets = WebhookSecrets::new(vault);
    let entered = Secret::new("whsec_3");
    let live = secrets.rotate(owner(&stage), &entered).await.unwrap();
    assert_eq!(live.current, Some(entered.fingerprint()));
    assert_eq!(live.previous, None, "what does not open proves nothing");
    let next = Secret::new("whsec_4");
    let live = secrets.rotate(owner(&stage), &next).await.unwrap();
    assert_eq!(live.previous, Some(entered.fingerprint()));

    stage.connect(stage.luna).await.unwrap();
    assert_eq!(stage.token_of().await, Some(stage.luna));
}

#[tokio::test]
async fn what_a_lost_key_sealed_is_erased() {
    let (stage, vault) = after_the_loss().await;
    let tokens = &stage.process.tokens;
    tokens.apps().remove(stage.creator).await.unwrap();
    let summary = tokens.apps().summary(stage.creator).await.unwrap();
    assert_eq!(summary.owner, AppOwner::Deployment);

    let secrets = WebhookSecrets::new(vault);
    secrets.remove(owner(&stage)).await.unwrap();
    let live = secrets.live(owner(&stage)).await.unwrap();
    assert_eq!((live.current, live.previous), (None, None));

    // Whether Fanvue is to be told cannot be known, so that is not left out unasked.
    let refused = tokens.disconnect(stage.creator).await;
    assert!(matches!(refused, Err(TokenError::Vault(_))), "{refused:?}");
    tokens.erase(stage.creator).await.unwrap();
    assert_eq!(stage.token_of().await, None);
}

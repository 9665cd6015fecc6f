//! Apps that creators have of their own.

use fanvue_bot_core::client::{AppCredentials, ClientSecret};
use fanvue_bot_core::oauth::{
    App, AppOwner, AuthorizeError, Connection, RefreshFailure, TokenError,
};
use fanvue_bot_testkit::simulator::world;

use crate::connect::{Stage, of};

const OWN_CALLBACK: &str = "https://luna.example.test/oauth/callback";

fn own_app(secret: &str) -> App {
    App::new(AppCredentials {
        client_id: "luna-app".into(),
        client_secret: ClientSecret::new(secret),
    })
    .redirect_uri(OWN_CALLBACK)
}

/// A stage whose creator has an app of their own at Fanvue.
async fn stage() -> Stage {
    let stage = Stage::new().await;
    let app = world::App::new("luna-app", "luna-secret").redirect_uri(OWN_CALLBACK);
    stage.scene.world.lock().unwrap().add_app(app);
    stage
}

#[tokio::test]
async fn a_creator_with_an_app_of_their_own_is_connected_refreshed_and_revoked_by_it() {
    let stage = stage().await;
    let tokens = &stage.process.tokens;
    let saved = tokens
        .apps()
        .save(stage.creator, &own_app("luna-secret"))
        .await
        .unwrap();
    let asked = stage.start().await;
    assert_eq!(of(&asked, "client_id"), "luna-app");
    assert_eq!(of(&asked, "redirect_uri"), OWN_CALLBACK);
    stage
        .callback(&stage.agree(&asked, stage.luna))
        .await
        .unwrap();
    let luna = stage.stored().await;
    let first = tokens.auth(&luna).await.unwrap();
    stage.scene.advance(3_601);
    let second = tokens.auth(&luna).await.unwrap();
    assert_ne!(first, second);
    assert!(stage.scene.accepts(&second));

    let shown = tokens.apps().summary(stage.creator).await.unwrap();
    assert_eq!(shown, saved);
    assert_eq!(
        (shown.owner, &*shown.client_id),
        (AppOwner::Own, "luna-app")
    );
    assert!(!format!("{shown:?}").contains("luna-secret"));

    tokens.disconnect(stage.creator).await.unwrap();
    assert!(!stage.scene.accepts(&second));
    for _ in 0..2 {
        tokens.apps().remove(stage.creator).await.unwrap();
    }
    let shown = tokens.apps().summary(stage.creator).await.unwrap();
    assert_eq!(shown.owner, AppOwner::Deployment);
    let asked = stage.start().await;
    assert_eq!(of(&asked, "client_id"), crate::scene::CLIENT_ID);
}

#[tokio::test]
async fn a_new_secret_of_the_same_app_counts_from_the_next_refresh_on() {
    let stage = stage().await;
    let tokens = &stage.process.tokens;
    let apps = tokens.apps();
    apps.save(stage.creator, &own_app("luna-secret"))
        .await
        .unwrap();
    stage.connect(stage.luna).await.unwrap();
    let luna = stage.stored().await;
    let changed = world::App::new("luna-app", "luna-secret-2").redirect_uri(OWN_CALLBACK);
    stage.scene.world.lock().unwrap().add_app(changed);
    stage.scene.advance(3_601);
    let error = tokens.auth(&luna).await.unwrap_err();
    assert!(matches!(error, TokenError::Client { .. }), "{error:?}");
    let seen = tokens.status(stage.creator).await.unwrap();
    assert_eq!(seen.last_failure, Some(RefreshFailure::InvalidClient));
    apps.save(stage.creator, &own_app("luna-secret-2"))
        .await
        .unwrap();
    stage.scene.advance(60);
    tokens.auth(&luna).await.unwrap();
}

#[tokio::test]
async fn with_another_app_the_account_has_to_be_connected_anew_and_no_grant_is_misused() {
    let stage = stage().await;
    stage.connect(stage.luna).await.unwrap();
    let luna = stage.stored().await;
    let tokens = &stage.process.tokens;
    let before = tokens.auth(&luna).await.unwrap();
    tokens
        .apps()
        .save(stage.creator, &own_app("luna-secret"))
        .await
        .unwrap();
    assert_eq!(tokens.auth(&luna).await.unwrap(), before);
    stage.scene.advance(3_601);
    let asked = stage.process.requests();
    let error = tokens.auth(&luna).await.unwrap_err();
    assert!(matches!(error, TokenError::NotConnected), "{error:?}");
    assert_eq!(stage.process.requests(), asked);
    let seen = tokens.status(stage.creator).await.unwrap();
    assert_eq!(seen.connection, Connection::NeedsReconnect);
    assert_eq!(seen.last_failure, Some(RefreshFailure::AppChanged));
    assert_eq!(stage.scene.alerts.told().len(), 1);
    stage.connect(stage.luna).await.unwrap();
    tokens.auth(&luna).await.unwrap();
}

#[tokio::test]
async fn a_wrong_secret_of_an_own_app_is_told_with_its_remedy() {
    let stage = stage().await;
    let apps = stage.process.tokens.apps();
    apps.save(stage.creator, &own_app("wrong")).await.unwrap();
    let error = stage.connect(stage.luna).await.unwrap_err();
    assert!(matches!(error, AuthorizeError::InvalidClient), "{error:?}");
    assert!(error.remedy().contains("client id and secret"));
    assert_eq!(stage.token_of().await, None);
}

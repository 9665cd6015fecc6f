//! Webhook secrets, and subscriptions through the API.

use std::sync::Arc;

use fanvue_bot_core::client::FanvueClient as _;
use fanvue_bot_core::id::AgencyId;
use fanvue_bot_core::secret::{Secret, SecretOwner};
use fanvue_bot_core::time::Clock as _;
use fanvue_bot_core::webhook::{Signer, SubscribeError, Subscriptions, Verifier, WebhookSecrets};
use fanvue_bot_testkit::fault::Fault;
use fanvue_bot_testkit::world_client::moment;
use uuid::Uuid;

use crate::connect::Stage;
use crate::scene::{CLIENT_ID, PUT};

const URL: &str = "https://bot.example.test/webhooks/fanvue";

fn subscriptions(stage: &Stage) -> Subscriptions {
    Subscriptions::new(
        stage.process.tokens.clone(),
        Arc::clone(&stage.process.client),
        Arc::clone(&stage.scene.vault),
        URL,
    )
}

fn secrets(stage: &Stage) -> WebhookSecrets {
    WebhookSecrets::new(Arc::clone(&stage.scene.vault))
}

/// Whether an event that is signed with `secret` would get in.
async fn accepts(stage: &Stage, owner: SecretOwner, secret: &Secret) -> bool {
    let rules = Verifier::new(&Secret::new("rules")).unwrap();
    let verifier = secrets(stage).verifier(owner, &rules).await.unwrap();
    let now = stage.scene.clock.now();
    let signature = Signer::new(secret).unwrap().header(now, b"{}");
    verifier.is_some_and(|verifier| verifier.verify(signature.as_bytes(), b"{}", now).is_ok())
}

#[tokio::test]
async fn two_secrets_are_live_while_one_is_rotated_and_only_fingerprints_are_shown() {
    let stage = Stage::new().await;
    let secrets = secrets(&stage);
    let [one, two, three] = ["one", "two", "three"].map(Secret::new);
    for owner in [
        SecretOwner::Deployment,
        SecretOwner::Creator(stage.creator),
        SecretOwner::Agency(AgencyId::from_uuid(stage.creator.as_uuid())),
    ] {
        assert!(!accepts(&stage, owner, &one).await);
        let live = secrets.rotate(owner, &one).await.unwrap();
        assert_eq!(
            (live.current, live.previous),
            (Some(one.fingerprint()), None)
        );
        let live = secrets.rotate(owner, &two).await.unwrap();
        assert_eq!(live.previous, Some(one.fingerprint()));
        assert_eq!(secrets.rotate(owner, &two).await.unwrap(), live);
        assert!(accepts(&stage, owner, &one).await && accepts(&stage, owner, &two).await);
        secrets.rotate(owner, &three).await.unwrap();
        assert!(!accepts(&stage, owner, &one).await && accepts(&stage, owner, &two).await);
        for _ in 0..2 {
            secrets.end_previous(owner).await.unwrap();
        }
        assert!(!accepts(&stage, owner, &two).await && accepts(&stage, owner, &three).await);
        secrets.rotate(owner, &Secret::new("")).await.unwrap_err();
        assert!(accepts(&stage, owner, &three).await);
    }
    secrets.remove(SecretOwner::Deployment).await.unwrap();
    assert!(!accepts(&stage, SecretOwner::Deployment, &three).await);
    assert!(accepts(&stage, SecretOwner::Creator(stage.creator), &three).await);
}

#[tokio::test]
async fn a_subscription_is_made_rotated_listed_and_ended() {
    let stage = Stage::new().await;
    stage.connect(stage.luna).await.unwrap();
    let owner = SecretOwner::Creator(stage.creator);
    let subscriptions = subscriptions(&stage);
    let first = subscriptions.subscribe(stage.creator).await.unwrap();
    assert_eq!(first.live.current, Some(first.secret.fingerprint()));
    let listed = subscriptions.list(stage.creator).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].id, first.id);
    assert!(
        listed[0]
            .events
            .contains(&"creator.message.received".to_owned())
    );

    // Somebody else's address on the same account is none of ours.
    let auth = stage.process.tokens.account(stage.creator).await.unwrap();
    let events = ["creator.message.received".to_owned()];
    let foreign = "https://other.example.test/hooks";
    stage
        .process
        .client
        .subscribe_webhook(&auth, foreign, &events)
        .await
        .unwrap();

    let second = subscriptions.subscribe(stage.creator).await.unwrap();
    assert_eq!(second.ended, 1);
    for secret in [&first.secret, &second.secret] {
        assert!(accepts(&stage, owner, secret).await);
    }
    let listed = subscriptions.list(stage.creator).await.unwrap();
    assert_eq!(
        listed.iter().map(|one| &one.id).collect::<Vec<_>>(),
        [&second.id]
    );

    assert_eq!(subscriptions.unsubscribe(stage.creator).await.unwrap(), 1);
    assert_eq!(subscriptions.unsubscribe(stage.creator).await.unwrap(), 0);
    assert!(!accepts(&stage, owner, &second.secret).await);
    let left = stage.process.client.webhook_subscriptions(&auth).await;
    assert_eq!(left.unwrap().len(), 1);
}

#[tokio::test]
async fn where_fanvue_refuses_subscriptions_the_portals_steps_are_told() {
    let stage = Stage::new().await;
    let error = subscriptions(&stage).subscribe(stage.creator).await;
    assert!(matches!(error, Err(SubscribeError::Token(_))), "{error:?}");
    stage.connect(stage.luna).await.unwrap();
    {
        let mut world = stage.scene.world.lock().unwrap();
        world.app_mut(CLIENT_ID).unwrap().refuses_subscriptions = true;
    }
    let error = subscriptions(&stage)
        .subscribe(stage.creator)
        .await
        .unwrap_err();
    assert!(matches!(error, SubscribeError::Refused { .. }), "{error:?}");
    for step in [
        "fanvue.com/developers/apps",
        "Events tab",
        "View Signing Secret",
    ] {
        assert!(error.remedy().contains(step), "{step}");
    }
}

#[tokio::test]
async fn a_secret_that_could_not_be_stored_is_replaced_by_the_next_subscription() {
    let stage = Stage::new().await;
    stage.connect(stage.luna).await.unwrap();
    let faulty = fanvue_bot_testkit::fault::Faulty::new(
        Arc::clone(&stage.scene.vault),
        stage.process.plan.clone(),
    );
    let subscriptions = Subscriptions::new(
        stage.process.tokens.clone(),
        Arc::clone(&stage.process.client),
        Arc::new(faulty),
        URL,
    );
    stage.process.plan.fail_next(PUT, Fault::Before);
    let error = subscriptions.subscribe(stage.creator).await.unwrap_err();
    assert!(matches!(error, SubscribeError::Vault(_)), "{error:?}");
    let made = subscriptions.subscribe(stage.creator).await.unwrap();
    assert_eq!(made.ended, 1, "the one whose secret nobody has");
    assert_eq!(subscriptions.list(stage.creator).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_agencys_subscription_is_for_all_its_creators() {
    let stage = Stage::new().await;
    let agency = AgencyId::from_uuid(Uuid::from_u128(70));
    let account = {
        let now = moment(stage.scene.clock.now());
        let mut world = stage.scene.world.lock().unwrap();
        world.add_agency("agency", &[stage.luna, stage.nova], now)
    };
    stage.connect_for(agency.into(), account).await.unwrap();
    let made = subscriptions(&stage).subscribe(agency).await.unwrap();
    assert!(accepts(&stage, SecretOwner::Agency(agency), &made.secret).await);
    assert!(!accepts(&stage, SecretOwner::Creator(stage.creator), &made.secret).await);
}

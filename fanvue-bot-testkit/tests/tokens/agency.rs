//! Agencies: one grant for many creators.

use std::collections::BTreeSet;

use fanvue_bot_core::client::Reach;
use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::id::{AccountId, AgencyId, CreatorId};
use fanvue_bot_core::oauth::{AuthorizeError, Authorized, Connection, GrantId, TokenError};
use fanvue_bot_core::persona::Persona;
use fanvue_bot_core::settings::Overrides;
use fanvue_bot_core::time::Clock as _;
use fanvue_bot_testkit::world_client::moment;
use uuid::Uuid;

use crate::connect::Stage;

fn agency() -> AgencyId {
    AgencyId::from_uuid(Uuid::from_u128(70))
}

fn creator(n: u128) -> CreatorId {
    CreatorId::from_uuid(Uuid::from_u128(n))
}

/// Accounts of an agency at Fanvue that manages Luna and Nova.
fn found(stage: &Stage, handle: &str) -> Uuid {
    let now = moment(stage.scene.clock.now());
    let mut world = stage.scene.world.lock().unwrap();
    world.add_agency(handle, &[stage.luna, stage.nova], now)
}

/// Luna as creator 7 and Nova as creator 8, both reached by the agency.
async fn bound() -> (Stage, Uuid) {
    let stage = Stage::new().await;
    let account = found(&stage, "agency");
    stage.connect_for(agency().into(), account).await.unwrap();
    let nova = Creator::new(creator(8), Persona::named("Nova"));
    stage.scene.add(nova).await;
    for (id, user) in [(stage.creator, stage.luna), (creator(8), stage.nova)] {
        let user = AccountId::from_uuid(user);
        stage.authorizer.bind(agency(), id, user).await.unwrap();
    }
    (stage, account)
}

#[tokio::test]
async fn an_agency_is_connected_once_and_its_creators_are_bound_one_by_one() {
    let stage = Stage::new().await;
    let account = found(&stage, "agency");
    stage.connect(stage.luna).await.unwrap();
    let own = stage
        .process
        .tokens
        .auth(&stage.stored().await)
        .await
        .unwrap();
    let authorized = stage.connect_for(agency().into(), account).await.unwrap();
    let Authorized::Connected { grant, user } = authorized else {
        panic!("{authorized:?}");
    };
    assert_eq!(grant, GrantId::Agency(agency()));
    assert_eq!(user.id, AccountId::from_uuid(account));

    let listed = stage.authorizer.managed_creators(agency()).await.unwrap();
    let luna = AccountId::from_uuid(stage.luna);
    for managed in &listed {
        let here = (managed.user.id == luna).then_some(stage.creator);
        assert_eq!(managed.creator, here);
        assert_eq!(managed.grant, here.map(GrantId::Creator));
    }
    assert_eq!(listed.len(), 2);
    assert!(stage.scene.accepts(&own), "nothing has changed yet");

    stage.woken.take();
    for _ in 0..2 {
        let bound = stage.authorizer.bind(agency(), stage.creator, luna);
        bound.await.unwrap();
    }
    assert_eq!(stage.woken.take(), [stage.creator; 2]);
    let stored = stage.stored().await;
    assert_eq!(stored.grant(), GrantId::Agency(agency()));
    assert!(!stored.shows_typing(&Overrides::none()) && stored.settings.typing_signal);
    assert!(
        !stage.scene.accepts(&own),
        "a grant that nobody uses is revoked"
    );
    let auth = stage.process.tokens.auth(&stored).await.unwrap();
    assert_eq!(auth.reach, Reach::Agency(luna));
    assert!(stage.scene.accepts(&auth));
    let chats = stage.process.client.unread_counts(&auth).await.unwrap();
    assert_eq!(chats.chats, 0);
}

#[tokio::test]
async fn only_who_the_agency_manages_is_bound_and_nobodys_fans_are_mixed_up() {
    let (stage, _) = bound().await;
    let now = moment(stage.scene.clock.now());
    let stranger = stage
        .scene
        .world
        .lock()
        .unwrap()
        .add_creator("mia", "Mia", now);
    let bind = |id, user| {
        stage
            .authorizer
            .bind(agency(), id, AccountId::from_uuid(user))
    };
    for (id, user, wanted) in [
        (creator(8), stranger, "NotManaged"),
        (creator(9), stage.luna, "UnknownCreator"),
        (creator(8), stage.luna, "AccountTaken"),
    ] {
        let error = bind(id, user).await.unwrap_err();
        assert_eq!(format!("{error:?}"), wanted);
    }
    stage.authorizer.release(stage.creator).await.unwrap();
    let mia = Creator::new(creator(9), Persona::named("Mia"));
    let before = AccountId::from_uuid(stranger);
    stage.scene.add(mia.account(before)).await;
    let mut luna = stage.stored().await;
    luna.account = None;
    stage.scene.replace(luna).await;
    let error = bind(creator(9), stage.luna).await.unwrap_err();
    assert!(
        matches!(error, AuthorizeError::OtherAccountBefore),
        "{error:?}"
    );
}

#[tokio::test]
async fn creators_of_one_agency_share_one_refresh() {
    let (stage, _) = bound().await;
    let tokens = &stage.process.tokens;
    let creators = [stage.stored().await, stage.scene.creator(creator(8)).await];
    stage.scene.advance(3_601);
    let before = stage.process.requests();
    let tasks: Vec<_> = (0..64)
        .map(|task| {
            let (tokens, creator) = (tokens.clone(), creators[task % 2].clone());
            tokio::spawn(async move { tokens.auth(&creator).await.unwrap() })
        })
        .collect();
    let mut seen = BTreeSet::new();
    for task in tasks {
        let auth = task.await.unwrap();
        seen.insert((auth.token.expose().to_owned(), format!("{:?}", auth.reach)));
    }
    assert_eq!(stage.process.requests() - before, 1);
    assert_eq!(seen.len(), 2, "one token, two creators");
}

#[tokio::test]
async fn releasing_a_creator_leaves_the_agency_and_disconnecting_it_ends_all() {
    let (stage, account) = bound().await;
    let tokens = &stage.process.tokens;
    let nova = stage.scene.creator(creator(8)).await;
    let auth = tokens.auth(&nova).await.unwrap();

    tokens.disconnect(stage.creator).await.unwrap();
    tokens.auth(&stage.stored().await).await.unwrap();
    for _ in 0..2 {
        stage.authorizer.release(stage.creator).await.unwrap();
    }
    let error = tokens.auth(&stage.stored().await).await.unwrap_err();
    assert!(matches!(error, TokenError::NotConnected), "{error:?}");
    assert!(stage.scene.accepts(&auth));
    assert_eq!(tokens.auth(&nova).await.unwrap(), auth);

    tokens.disconnect(agency()).await.unwrap();
    assert!(!stage.scene.accepts(&auth));
    let error = tokens.auth(&nova).await.unwrap_err();
    assert!(matches!(error, TokenError::NotConnected), "{error:?}");
    let seen = tokens.status(nova.grant()).await.unwrap();
    assert_eq!(seen.connection, Connection::NotConnected);
    let error = stage.authorizer.managed_creators(agency()).await;
    assert!(matches!(
        error,
        Err(AuthorizeError::Token(TokenError::NotConnected))
    ));

    // Connected again, it reaches whom it reached before.
    stage.woken.take();
    stage.connect_for(agency().into(), account).await.unwrap();
    assert_eq!(stage.woken.take(), [creator(8)]);
    tokens.auth(&nova).await.unwrap();
    // And a creator who was released connects by a grant of their own.
    stage.connect(stage.luna).await.unwrap();
    assert_eq!(stage.token_of().await, Some(stage.luna));
}

#[tokio::test]
async fn an_agencys_end_is_told_once_and_with_its_own_link() {
    let (stage, account) = bound().await;
    let creators = [stage.stored().await, stage.scene.creator(creator(8)).await];
    stage
        .scene
        .world
        .lock()
        .unwrap()
        .revoke_all(crate::scene::CLIENT_ID, account);
    stage.scene.advance(3_601);
    for creator in &creators {
        let error = stage.process.tokens.auth(creator).await.unwrap_err();
        assert!(matches!(error, TokenError::NotConnected), "{error:?}");
    }
    let told = stage.scene.alerts.told();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].grant, GrantId::Agency(agency()));
    let link = format!("/oauth/start?agency_id={}", agency());
    assert!(told[0].link.ends_with(&link), "{}", told[0].link);
}

#[tokio::test]
async fn another_agency_than_before_is_connected_only_after_a_yes_and_a_creator_is_none() {
    let (stage, account) = bound().await;
    let error = stage.connect_for(agency().into(), stage.luna).await;
    assert!(
        matches!(error, Err(AuthorizeError::NotAnAgency)),
        "{error:?}"
    );

    let other = found(&stage, "other-agency");
    let asked = stage.connect_for(agency().into(), other).await.unwrap();
    let Authorized::OtherAccount {
        before,
        confirmation,
        ..
    } = asked
    else {
        panic!("{asked:?}");
    };
    assert_eq!(before, AccountId::from_uuid(account));
    let luna = stage.stored().await;
    let auth = stage.process.tokens.auth(&luna).await.unwrap();
    let confirmed = stage.authorizer.confirm(stage.session, &confirmation);
    assert_eq!(
        confirmed.await.unwrap(),
        (agency().into(), AccountId::from_uuid(other))
    );
    assert!(!stage.scene.accepts(&auth));
    stage.process.tokens.auth(&luna).await.unwrap();
}

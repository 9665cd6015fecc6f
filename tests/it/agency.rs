//! An agency answers for its creators, over HTTP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::time::Duration;

use fanvue_bot::id::{AccountId, AgencyId};
use fanvue_bot::oauth::TokenError;
use fanvue_bot::queue::WorkerId;
use fanvue_bot::worker::{Worker, WorkerOptions};

use crate::connect::{Stage, says};

const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn an_agencys_creator_is_answered_through_the_agencys_grant_without_a_typing_signal() {
    let stage = Stage::set("reply-bot-secret").await;
    let account = stage
        .simulator
        .with_world(|world, now| world.add_agency("agency", &[stage.luna, stage.nova], now));
    let agency = AgencyId::from_uuid(uuid::Uuid::from_u128(70));
    let page = stage.connect_at(stage.start_agency(agency), account).await;
    says(&page, 200, "@agency");
    let listed = stage.authorizer.managed_creators(agency).await.unwrap();
    let mut handles: Vec<_> = listed
        .iter()
        .filter_map(|managed| managed.user.handle.as_deref())
        .collect();
    handles.sort_unstable();
    assert_eq!(handles, ["luna", "nova"]);
    let luna = AccountId::from_uuid(stage.luna);
    stage
        .authorizer
        .bind(agency, stage.creator, luna)
        .await
        .unwrap();

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let options = WorkerOptions::new(WorkerId::new("worker-1"));
    let worker = tokio::spawn(Worker::new(stage.engine.clone(), options).run(async {
        let _ended = stopped.await;
    }));
    let ben = stage.simulator.add_fan("ben", "Ben");
    stage.simulator.fan_writes(stage.luna, ben, "hi").unwrap();
    let answered = stage
        .simulator
        .wait_until(LIMIT, |world| world.unanswered().is_empty())
        .await;
    assert!(answered);
    let _ended = stop.send(());
    worker.await.unwrap();

    let requests = stage.simulator.requests();
    let about_chats: Vec<_> = requests
        .iter()
        .map(|request| request.path.as_str())
        .filter(|path| path.contains("/chats"))
        .collect();
    let below = format!("/v1/creators/{luna}/chats");
    assert!(
        about_chats.iter().all(|path| path.starts_with(&below)),
        "{about_chats:?}"
    );
    assert!(about_chats.iter().any(|path| path.ends_with("/message")));
    assert!(about_chats.iter().all(|path| !path.ends_with("/typing")));

    stage.tokens.disconnect(agency).await.unwrap();
    let creator = stage.store.creators().remove(0).value;
    let error = stage.tokens.auth(&creator).await.unwrap_err();
    assert!(matches!(error, TokenError::NotConnected), "{error:?}");
    stage.end().await;
}

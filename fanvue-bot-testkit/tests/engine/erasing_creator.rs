//! A creator is erased, whatever is under way and wherever it is stopped, and does not come back.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::engine::{CreatorErasure, EngineError, ErasedCreators};
use fanvue_bot_core::intake::Accepted;
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::persona::Persona;
use fanvue_bot_core::queue::JobQueue as _;
use fanvue_bot_core::secret::SecretKind;
use fanvue_bot_core::self_test;
use fanvue_bot_core::store::{RegisterName, Store as _};
use fanvue_bot_core::tick::Tick;
use fanvue_bot_core::time::Clock as _;
use fanvue_bot_testkit::fault::{Fault, FaultPlan, Faulty};
use fanvue_bot_testkit::llm::Step;

use crate::erasing::{chat_of_another_fan, chat_with_another_creator, neighbor, unless_killed};
use crate::ids::{chat, creator};
use crate::scene::{Scene, settings};

const MINUTE: Duration = Duration::from_secs(60);

/// A scene in which a fan has been answered and has written again, with another fan of the creator and one of another
/// creator, and with all kinds of secrets.
async fn talking(plan: FaultPlan) -> Scene {
    let scene = Scene::with([Step::reply("nice to meet you")], settings(), |memory| {
        Backend::shared(Arc::new(Faulty::new(memory, plan)))
    })
    .await;
    let first = scene.received_from("Otto the canary", 1, "canary one");
    scene.deliver(&first).await.unwrap();
    scene.run_after(8).await;
    scene.clock.advance(MINUTE);
    scene.fan_writes(2, "canary two").await;
    neighbor(&scene, chat_of_another_fan()).await;
    neighbor(&scene, chat_with_another_creator()).await;
    for kind in [
        SecretKind::WebhookSecret,
        SecretKind::PreviousWebhookSecret,
        SecretKind::PendingAuthorization,
    ] {
        scene.seal(kind).await;
    }
    scene.engine.catch_up(creator()).await.unwrap();
    scene
}

/// Goes on with whoever is being erased, with time enough.
async fn go_on(scene: &Scene) -> ErasedCreators {
    let until = scene.clock.now() + MINUTE;
    scene.engine.erase_creators(until).await.unwrap()
}

async fn assert_erased(scene: &Scene, told: &str) {
    let (memory, all) = (&scene.memory, PageRequest::first(100));
    assert_eq!(memory.creator(creator()).await.unwrap(), None, "{told}");
    for id in [chat(), chat_of_another_fan()] {
        assert_eq!(memory.conversation(id).await.unwrap(), None, "{told}");
        let messages = memory.messages(id, &all).await.unwrap();
        assert!(messages.items.is_empty(), "{told}");
        let jobs = memory.jobs(&id.into(), &all).await.unwrap();
        assert!(jobs.items.is_empty(), "{told}: {jobs:?}");
    }
    assert_eq!(memory.fan(chat()).await.unwrap(), None, "{told}");
    assert_eq!(scene.sealed().await, 0, "{told}");
    let polls = RegisterName::new(format!("catch-up/{}", creator()));
    let polls = memory.register(&polls).await.unwrap().unwrap();
    assert_eq!(polls.value, "", "{told}");
    let list = RegisterName::new("erasing");
    let list = memory.register(&list).await.unwrap().unwrap();
    assert_eq!(list.value, "", "{told}");
    let other = chat_with_another_creator();
    let theirs = memory.messages(other, &all).await.unwrap();
    assert_eq!(theirs.items.len(), 1, "{told}");
    let theirs = memory.jobs(&other.into(), &all).await.unwrap();
    assert_eq!(theirs.items.len(), 1, "{told}");
}

#[tokio::test]
async fn nothing_is_held_of_a_creator_who_was_erased() {
    let scene = talking(FaultPlan::none()).await;
    let erasure = scene.engine.erase_creator(creator()).await.unwrap();
    assert_eq!(erasure.since, scene.clock.now());
    assert!(erasure.rows_from > erasure.since);
    let before = go_on(&scene).await;
    assert_eq!((before.finished, before.unfinished), (0, 1));
    assert_eq!(scene.fanvue.revoked(), 1);
    let page = PageRequest::first(100);
    let held = scene.memory.messages(chat(), &page).await.unwrap();
    assert!(held.items.len() >= 3, "what is under way may end");
    let listed: Vec<CreatorErasure> = scene.engine.creators_being_erased().await.unwrap();
    assert_eq!(listed, [erasure]);

    scene.clock.set(erasure.rows_from);
    let after = go_on(&scene).await;
    assert_eq!((after.finished, after.unfinished, after.failed), (1, 0, 0));
    assert_erased(&scene, "after its time").await;
    assert_eq!(go_on(&scene).await, ErasedCreators::default());
    assert_eq!(scene.fanvue.revoked(), 1);
}

#[tokio::test]
async fn a_creator_is_unknown_from_the_moment_they_are_erased() {
    let scene = talking(FaultPlan::none()).await;
    let (asked, sent) = (scene.llm.requests().len(), scene.fanvue.sent().len());
    scene.engine.erase_creator(creator()).await.unwrap();
    let late = scene.received(3, Some("are you there?"));
    let accepted = scene.deliver(&late).await.unwrap();
    assert_eq!(accepted, Accepted::UnknownCreator);
    // What was to be answered before is not answered.
    scene.run_to_rest(10).await;
    assert_eq!(scene.llm.requests().len(), asked);
    assert_eq!(scene.fanvue.sent().len(), sent);
    let polled = scene.engine.due_for_catch_up(10).await.unwrap();
    assert!(!polled.contains(&creator()));
    // Not even by who asks for it.
    let again = Creator::new(creator(), Persona::named("Mia"));
    assert!(scene.memory.commit(&again.into(), None).await.is_err());
}

#[tokio::test]
async fn a_tick_erases_as_a_worker_does() {
    let scene = talking(FaultPlan::none()).await;
    let erasure = scene.engine.erase_creator(creator()).await.unwrap();
    scene.clock.set(erasure.rows_from);
    let tick = Tick::new(&scene.engine);
    let report = tick.run(scene.clock.now() + MINUTE).await.unwrap();
    assert_eq!(report.creators_erased, 1);
    assert_erased(&scene, "by a tick").await;
}

#[tokio::test]
async fn what_fanvue_does_not_revoke_is_erased_all_the_same() {
    let scene = talking(FaultPlan::none()).await;
    scene.seal(SecretKind::ClientSecret).await;
    scene.fanvue.keep_grants();
    let erasure = scene.engine.erase_creator(creator()).await.unwrap();
    go_on(&scene).await;
    assert!(scene.sealed().await > 0, "it is tried again");
    scene.clock.set(erasure.rows_from);
    assert_eq!(go_on(&scene).await.finished, 1);
    assert_erased(&scene, "not revoked").await;
}

#[tokio::test]
async fn who_is_not_there_cannot_be_erased() {
    let scene = talking(FaultPlan::none()).await;
    let nobody = "5b0f3c1e-0000-4000-8000-00000000dead".parse().unwrap();
    for id in [nobody, self_test::CREATOR] {
        let refused = scene.engine.erase_creator(id).await;
        assert!(
            matches!(refused, Err(EngineError::UnknownCreator)),
            "{refused:?}"
        );
    }
    // Asking again is no mistake while it is done, and one when nothing is left.
    let erasure = scene.engine.erase_creator(creator()).await.unwrap();
    scene.clock.advance(Duration::from_secs(5));
    let again = scene.engine.erase_creator(creator()).await.unwrap();
    assert_eq!(again, erasure);
    scene.clock.set(erasure.rows_from);
    go_on(&scene).await;
    let refused = scene.engine.erase_creator(creator()).await;
    assert!(matches!(refused, Err(EngineError::UnknownCreator)));
}

/// Asks for the erasure and goes on with it, as an operator and workers do whose calls fail or are killed.
async fn erase(scene: &Scene) {
    for _ in 0..3 {
        if unless_killed(scene.engine.erase_creator(creator()))
            .await
            .is_some_and(|asked| asked.is_ok())
        {
            break;
        }
    }
    for _ in 0..12 {
        scene.clock.advance(MINUTE);
        let until = scene.clock.now() + MINUTE;
        let went = unless_killed(scene.engine.erase_creators(until)).await;
        if matches!(went, Some(Ok(report)) if report == ErasedCreators::default()) {
            return;
        }
    }
}

#[tokio::test]
async fn an_erasure_of_a_creator_that_fails_or_is_killed_at_any_point_goes_on() {
    let plan = FaultPlan::none();
    let scene = talking(plan.clone()).await;
    let before = plan.calls();
    erase(&scene).await;
    assert_erased(&scene, "without a fault").await;
    let calls = before + 1..=plan.calls();
    assert!(calls.clone().count() >= 15, "{calls:?}");
    for call in calls {
        for fault in Fault::ALL {
            let plan = FaultPlan::at(call, fault);
            let scene = talking(plan.clone()).await;
            erase(&scene).await;
            let [injected] = &*plan.injected() else {
                panic!("{:?}", plan.injected());
            };
            assert_erased(&scene, &format!("{injected:?}")).await;
        }
    }
}

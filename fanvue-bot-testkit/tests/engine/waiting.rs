//! Work that waits: for a server, for a person, for a wake-up that got lost.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::client::ClientError;
use fanvue_bot_core::decision::{Outcome, WaitCause};
use fanvue_bot_core::engine::RunOutcome;
use fanvue_bot_core::flow::OperatorAction;
use fanvue_bot_core::llm::LlmError;
use fanvue_bot_core::time::Clock as _;
use fanvue_bot_testkit::fault::{Fault, FaultPlan, Faulty};
use fanvue_bot_testkit::llm::Step;

use crate::ids::{chat, creator};
use crate::scene::{Scene, settings};
use crate::{overloaded, replied};

fn misconfigured() -> Step {
    Step::fail(LlmError::Misconfigured {
        message: "no such model".to_owned(),
    })
}

/// What the first message waits for, and how long from now.
async fn wait_of(scene: &Scene) -> (WaitCause, Duration) {
    match scene.outcome(1).await {
        Outcome::Waiting { until, cause } => (cause, until.since(scene.clock.now())),
        outcome => panic!("{outcome:?}"),
    }
}

#[tokio::test]
async fn a_failed_turn_says_until_when_it_is_put_off() {
    let scene = Scene::new([overloaded()]).await;
    scene.fan_writes(1, "hi").await;
    let outcomes = scene.run_after(8).await;
    let [RunOutcome::Retrying { at, .. }] = outcomes[..] else {
        panic!("{outcomes:?}");
    };
    let (cause, wait) = wait_of(&scene).await;
    assert_eq!(cause, WaitCause::Retrying);
    assert_eq!(scene.clock.now() + wait, at);
    scene.run_to_rest(9).await;
    assert_eq!(scene.outcome(1).await, replied());
}

#[tokio::test]
async fn a_misconfigured_model_makes_fans_wait_for_a_person_and_loses_none() {
    let scene = Scene::new((0..5).map(|_| misconfigured())).await;
    scene.fan_writes(1, "hi").await;
    scene.run_after(8).await;
    let minute = Duration::from_secs(60);
    assert_eq!(wait_of(&scene).await, (WaitCause::Deployment, minute));
    assert_eq!(scene.memory.job_count(), 1);
    scene.run_to_rest(9).await;
    assert_eq!(scene.outcome(1).await, replied());
    assert_eq!(scene.llm.requests().len(), 6);
    assert_eq!(scene.memory.dead_letters(), []);
}

#[tokio::test]
async fn what_waits_for_a_person_goes_on_at_once_when_they_say_so() {
    let scene = Scene::new([misconfigured()]).await;
    scene.fan_writes(1, "hi").await;
    scene.run_after(8).await;
    assert_eq!(scene.run_after(1).await, []);
    assert_eq!(scene.engine.try_again(creator()).await.unwrap(), 1);
    scene.run_after(0).await;
    assert_eq!(scene.outcome(1).await, replied());
    assert_eq!(scene.engine.try_again(creator()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_send_that_fanvue_forbids_waits_for_a_person_with_its_reply() {
    let scene = Scene::new([]).await;
    scene.fanvue.refuse_sends([ClientError::Forbidden {
        message: "the scope write:chat is missing".to_owned(),
    }]);
    scene.fan_writes(1, "hi").await;
    scene.run_after(8).await;
    assert_eq!(wait_of(&scene).await.0, WaitCause::Deployment);
    scene.run_to_rest(9).await;
    assert_eq!(scene.outcome(1).await, replied());
    assert_eq!(scene.llm.requests().len(), 1);
}

#[tokio::test]
async fn fans_of_an_account_that_is_not_connected_wait_until_it_is() {
    let scene = Scene::new([]).await;
    scene.disconnect().await;
    scene.fan_writes(1, "hi").await;
    scene.run_after(8).await;
    assert_eq!(wait_of(&scene).await.0, WaitCause::NotConnected);
    let jobs = scene.jobs_until(Duration::from_secs(3 * 3_600)).await;
    assert!(jobs < 20, "{jobs} jobs in three hours for one waiting fan");
    scene.connect(Duration::from_secs(3_600)).await;
    assert_eq!(scene.engine.try_again(creator()).await.unwrap(), 1);
    scene.run_after(0).await;
    assert_eq!(scene.outcome(1).await, replied());
}

#[tokio::test]
async fn a_new_message_does_not_cut_short_what_a_server_asked_for() {
    let scene = Scene::new([Step::fail(crate::limited(60))]).await;
    scene.fan_writes(1, "hi").await;
    scene.run_after(8).await;
    scene.clock.advance(Duration::from_secs(1));
    scene.fan_writes(2, "hello?").await;
    for _ in 0..5 {
        assert_eq!(scene.run_after(11).await, []);
    }
    scene.run_to_rest(9).await;
    assert_eq!(scene.llm.requests().len(), 2);
    assert_eq!(scene.outcome(2).await, replied());
}

#[tokio::test]
async fn in_two_steps_an_approval_whose_wake_up_got_lost_is_found_by_the_sweep() {
    let plan = FaultPlan::none();
    let queue_plan = plan.clone();
    let scene = Scene::with([], settings(), move |memory| {
        let queue = Arc::new(Faulty::new(Arc::clone(&memory), queue_plan));
        Backend::separate(memory, queue)
    })
    .await;
    scene.fan_writes(1, "hi").await;
    scene
        .engine
        .act(
            chat(),
            OperatorAction::Pause {
                until: scene.clock.now() + Duration::from_secs(600),
            },
        )
        .await
        .unwrap();
    scene.run_to_rest(1).await;
    plan.fail_next("JobQueue::enqueue", Fault::Before);
    scene
        .engine
        .act(chat(), OperatorAction::Resume)
        .await
        .unwrap_err();
    scene.drop_jobs().await;
    scene.clock.advance(Duration::from_secs(30));
    assert_eq!(scene.engine.wake_overdue(None).await.unwrap(), None);
    assert_eq!(scene.memory.job_count(), 0, "others may be busy with it");
    scene.clock.advance(Duration::from_secs(60));
    scene.engine.wake_overdue(None).await.unwrap();
    scene.engine.wake_overdue(None).await.unwrap();
    assert_eq!(scene.memory.job_count(), 1, "the second call adds nothing");
    scene.run_to_rest(9).await;
    assert!(matches!(scene.outcome(1).await, Outcome::Replied { .. }));
}

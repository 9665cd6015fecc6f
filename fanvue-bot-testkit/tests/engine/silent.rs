//! A fan who does not answer: one nudge by the sweep, in the order of right, and none that would be too much.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::conversation::FollowUpState;
use fanvue_bot_core::export::{FanExport, Line};
use fanvue_bot_core::flow::OperatorAction;
use fanvue_bot_core::health::Checkup;
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::queue::{JobQueue as _, Priority};
use fanvue_bot_core::settings::FollowUps;
use fanvue_bot_core::time::Clock as _;
use fanvue_bot_testkit::llm::Step;

use crate::ids::{chat, creator};
use crate::scene::{Scene, settings};

const DAY: Duration = Duration::from_secs(86_400);

/// The fan wrote message 1 and has the answer; they are nudged after two days, and once in three.
async fn answered(more: impl IntoIterator<Item = Step>) -> Scene {
    let script = [Step::reply("how was it?")].into_iter().chain(more);
    let attentive = settings().follow_ups(FollowUps::after(2 * DAY, 3 * DAY));
    let scene = Scene::with(script, attentive, Backend::shared).await;
    scene.fan_writes(1, "new job today!").await;
    scene.run_to_rest(9).await;
    assert_eq!(scene.fanvue.sent(), ["how was it?"]);
    scene
}

async fn state(scene: &Scene) -> FollowUpState {
    scene.conversation().await.follow_up.unwrap().state
}

/// Time passes, and the sweep that a worker and a tick make.
async fn sweep_after(scene: &Scene, time: Duration) {
    scene.clock.advance(time);
    let mut from = None;
    loop {
        from = scene.engine.wake_overdue(from).await.unwrap();
        if from.is_none() {
            return;
        }
    }
}

#[tokio::test]
async fn a_silent_fan_gets_one_nudge_that_no_job_waited_for() {
    let scene = answered([Step::reply("still busy?"), Step::reply("too much")]).await;
    assert_eq!(scene.memory.job_count(), 0, "two days are no job");
    sweep_after(&scene, 2 * DAY - Duration::from_secs(60)).await;
    assert_eq!(scene.memory.job_count(), 0, "it is not due yet");

    sweep_after(&scene, Duration::from_secs(180)).await;
    let (lane, page) = (chat().into(), PageRequest::first(9));
    let jobs = scene.memory.jobs(&lane, &page).await.unwrap().items;
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].priority, Priority::FollowUp);
    scene.run_to_rest(9).await;
    assert_eq!(scene.fanvue.sent(), ["how was it?", "still busy?"]);
    assert!(matches!(state(&scene).await, FollowUpState::Sent { .. }));

    let request = scene.llm.requests().pop().unwrap();
    let last = request.messages.last().unwrap();
    assert_eq!(&*last.content, "[no new message of the fan]");
    let note = &request.messages[request.messages.len() - 2].content;
    assert!(note.contains("for 2 days: send one light nudge"), "{note}");

    for _ in 0..30 {
        sweep_after(&scene, DAY).await;
        scene.run_to_rest(9).await;
    }
    assert_eq!(scene.fanvue.sent().len(), 2, "one for each silence");
}

#[tokio::test]
async fn a_fan_who_wrote_meanwhile_and_whose_webhook_got_lost_is_answered_instead() {
    let scene = answered([Step::reply("still busy?"), Step::reply("how nice!")]).await;
    scene.clock.advance(2 * DAY);
    // It is in the chat, and nobody told of it.
    let _ = scene.received(2, Some("it was great"));
    sweep_after(&scene, Duration::from_secs(120)).await;
    scene.run_to_rest(9).await;
    assert_eq!(scene.fanvue.sent(), ["how was it?", "how nice!"]);
    assert!(matches!(state(&scene).await, FollowUpState::Due { .. }));
}

#[tokio::test]
async fn an_account_that_is_not_connected_holds_it_and_for_too_long_ends_it() {
    let scene = answered([Step::reply("still busy?")]).await;
    scene.disconnect().await;
    sweep_after(&scene, 2 * DAY + Duration::from_secs(120)).await;
    scene.run_to_rest(5).await;
    assert!(matches!(state(&scene).await, FollowUpState::Open { .. }));
    assert_eq!(scene.fanvue.sent().len(), 1);
    sweep_after(&scene, 3 * DAY).await;
    scene.run_to_rest(5).await;
    scene.connect(DAY).await;
    scene.run_to_rest(5).await;
    let shown = state(&scene).await.to_string();
    assert_eq!(shown, "none: it could not be sent in time");
    assert_eq!(scene.fanvue.sent().len(), 1);
    assert_eq!(scene.memory.job_count(), 0);
}

#[tokio::test]
async fn an_operator_who_acts_leaves_no_job_for_it_and_what_they_opt_out_gets_none() {
    let scene = answered([]).await;
    let paused = OperatorAction::Pause {
        until: scene.clock.now() + Duration::from_secs(600),
    };
    scene.engine.act(chat(), paused).await.unwrap();
    assert_eq!(scene.memory.job_count(), 0);
    scene
        .engine
        .act(chat(), OperatorAction::OptOut)
        .await
        .unwrap();
    let shown = state(&scene).await.to_string();
    assert_eq!(shown, "none: the fan opted out");
    assert_eq!(scene.conversation().await.wake_at(), None);
}

#[tokio::test]
async fn one_that_is_due_for_a_moment_is_no_work_that_was_left_undone() {
    let scene = answered([]).await;
    scene.clock.advance(2 * DAY + Duration::from_secs(120));
    let health = Checkup::new(&scene.engine);
    let report = health.creator(creator()).await.unwrap().unwrap();
    let shown = format!("{report:?}");
    assert!(!shown.contains("WorkNotTaken"), "{shown}");
    scene.clock.advance(Duration::from_secs(600));
    let report = health.creator(creator()).await.unwrap().unwrap();
    let shown = format!("{report:?}");
    assert!(shown.contains("WorkNotTaken"), "nobody sweeps: {shown}");
}

#[tokio::test]
async fn a_fans_export_says_what_became_of_it() {
    let scene = answered([]).await;
    let backend = Backend::shared(Arc::clone(&scene.memory));
    let mut export = FanExport::new(&backend, chat(), scene.clock.now());
    let head = export.next_lines().await.unwrap().unwrap().remove(0);
    let Line::Head(head) = head else {
        panic!("{head:?}");
    };
    let shown = serde_json::to_string(&head.conversation).unwrap();
    for part in [
        r#""follow_up":{"since":"#,
        r#""is":"due""#,
        r#""last_fan_at":"#,
    ] {
        assert!(shown.contains(part), "{shown}");
    }
}

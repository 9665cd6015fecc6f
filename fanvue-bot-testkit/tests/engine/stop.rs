//! The stop of the whole deployment, and its ceiling.

use std::time::Duration;

use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::ceiling::Ceiling;
use fanvue_bot_core::decision::{Outcome, Rule, WaitCause};
use fanvue_bot_core::flow::{Acted, DraftId, OperatorAction};
use fanvue_bot_core::id::TurnId;
use fanvue_bot_core::settings::{Mode, Pace};
use fanvue_bot_testkit::llm::Step;

use crate::ids::chat;
use crate::replied;
use crate::scene::{Scene, settings};

async fn assert_stopped(scene: &Scene) {
    let outcome = scene.outcome(1).await;
    let cause = WaitCause::Stopped;
    assert!(
        matches!(outcome, Outcome::Waiting { cause: found, .. } if found == cause),
        "{outcome:?}"
    );
    assert_eq!(scene.fanvue.sent(), Vec::<String>::new());
}

#[tokio::test]
async fn while_all_is_stopped_nothing_is_written_or_sent_and_after_it_everybody_is_answered() {
    let scene = Scene::new([]).await;
    scene.engine.stop_all().await.unwrap();
    scene.fan_writes(1, "hi").await;
    scene.run_after(8).await;
    assert_stopped(&scene).await;
    let jobs = scene.jobs_until(Duration::from_secs(3 * 3_600)).await;
    assert!(jobs < 20, "{jobs} jobs in three hours for one waiting fan");
    assert_stopped(&scene).await;
    assert_eq!(scene.llm.requests().len(), 0);
    assert_eq!(scene.engine.resume_all().await.unwrap(), 1);
    scene.run_after(0).await;
    assert_eq!(scene.outcome(1).await, replied());
    assert_eq!(scene.engine.resume_all().await.unwrap(), 0);
}

#[tokio::test]
async fn a_reply_that_is_held_back_is_not_sent_after_the_stop() {
    let pace = settings().pace(Pace::default());
    let scene = Scene::with([Step::reply("hey you")], pace, Backend::shared).await;
    scene.fan_writes(1, "hi").await;
    scene.run_after(8).await;
    scene.engine.stop_all().await.unwrap();
    scene.run_to_rest(1).await;
    assert_stopped(&scene).await;
    scene.engine.resume_all().await.unwrap();
    scene.run_to_rest(3).await;
    assert_eq!(scene.fanvue.sent(), ["hey you"]);
    assert_eq!(scene.llm.requests().len(), 1, "what was written is kept");
}

#[tokio::test]
async fn a_resumption_that_dies_halfway_leaves_nobody_behind() {
    let scene = Scene::new([]).await;
    scene.engine.stop_all().await.unwrap();
    scene.fan_writes(1, "hi").await;
    scene.run_after(8).await;
    let store = scene.engine.backend().store();
    Ceiling::change(&**store, |ceiling| ceiling.stopped_at = None)
        .await
        .unwrap();
    scene.jobs_until(Duration::from_secs(15 * 60)).await;
    assert_eq!(scene.outcome(1).await, replied());
}

#[tokio::test]
async fn a_second_stop_leaves_the_time_of_the_first_and_another_engine_sees_it() {
    let scene = Scene::new([]).await;
    let first = scene.engine.stop_all().await.unwrap();
    scene.clock.advance(Duration::from_secs(60));
    assert_eq!(scene.engine.stop_all().await.unwrap(), first);
    let store = scene.engine.backend().store();
    assert_eq!(Ceiling::read(&**store).await.unwrap(), first);
}

#[tokio::test]
async fn an_approval_during_a_stop_is_kept_and_sent_after() {
    let draft_mode = settings().mode(Mode::Draft);
    let scene = Scene::with([Step::reply("hey you")], draft_mode, Backend::shared).await;
    scene.fan_writes(1, "hi").await;
    scene.run_after(8).await;
    scene.engine.stop_all().await.unwrap();
    let draft = DraftId {
        turn: TurnId::new(1),
        draft: 1,
    };
    let edited = None;
    let approve = OperatorAction::Approve { draft, edited };
    let answered = scene.engine.act(chat(), approve).await.unwrap();
    assert_eq!(answered.acted, Acted::Done);
    scene.run_after(0).await;
    assert_stopped(&scene).await;
    scene.engine.resume_all().await.unwrap();
    scene.run_after(0).await;
    assert_eq!(scene.fanvue.sent(), ["hey you"]);
}

#[tokio::test]
async fn the_ceiling_holds_for_every_creator_at_once() {
    let scene = Scene::new([]).await;
    let limit = |mode| {
        let engine = scene.engine.clone();
        async move { engine.limit(|ceiling| ceiling.mode = mode).await.unwrap() }
    };
    limit(Mode::Draft).await;
    scene.fan_writes(1, "hi").await;
    scene.run_after(8).await;
    let outcome = scene.outcome(1).await;
    assert!(matches!(outcome, Outcome::AwaitingApproval { .. }));
    limit(Mode::Off).await;
    scene.fan_writes(2, "hello?").await;
    scene.run_after(8).await;
    let rule = Rule::ModeOff;
    assert_eq!(scene.outcome(2).await, Outcome::Blocked { rule });
    limit(Mode::Auto).await;
    scene.fan_writes(3, "are you there?").await;
    scene.run_after(8).await;
    let turn = TurnId::new(2);
    assert_eq!(scene.outcome(3).await, Outcome::Replied { turn });
}

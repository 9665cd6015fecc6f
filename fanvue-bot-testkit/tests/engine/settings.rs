//! Settings that change while something is under way, for all fans and for one.

use std::time::Duration;

use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::decision::{Outcome, Rule, WaitCause};
use fanvue_bot_core::engine::EngineError;
use fanvue_bot_core::flow::OperatorAction;
use fanvue_bot_core::settings::{Mode, Overrides, Pace, QuietHours, Settings, TimeOfDay};
use fanvue_bot_core::store::Store;
use fanvue_bot_core::time::Clock as _;

use crate::ids::{chat, creator};
use crate::scene::Scene;

/// A fan has written, and the reply is held back for as long as a person would take.
async fn paced() -> Scene {
    let settings = Settings::default().mode(Mode::Auto);
    let scene = Scene::with([], settings, Backend::shared).await;
    scene.fan_writes(1, "hi").await;
    scene.run_after(8).await;
    let outcome = scene.outcome(1).await;
    let cause = WaitCause::Pacing;
    assert!(
        matches!(outcome, Outcome::Waiting { cause: found, .. } if found == cause),
        "{outcome:?}"
    );
    scene
}

/// As an integrator does it: read, change, commit with the revision that was read.
async fn change(scene: &Scene, change: impl FnOnce(&mut Creator)) {
    let mut stored = scene.memory.creator(creator()).await.unwrap().unwrap();
    change(&mut stored.value);
    scene
        .memory
        .commit(&stored.value.into(), Some(stored.revision))
        .await
        .unwrap();
}

/// It is quiet from a minute ago for 20 hours.
fn quiet_now(scene: &Scene) -> QuietHours {
    let minutes = scene.clock.now().as_seconds() / 60 - 1;
    let time = |minutes: i64| {
        TimeOfDay::from_minutes(u16::try_from(minutes.rem_euclid(24 * 60)).unwrap()).unwrap()
    };
    QuietHours::in_zone("UTC").daily(time(minutes), time(minutes + 20 * 60))
}

async fn act(scene: &Scene, overrides: Overrides) -> Result<(), EngineError> {
    let action = OperatorAction::Override(Box::new(overrides));
    scene.engine.act(chat(), action).await.map(drop)
}

#[tokio::test]
async fn a_mode_that_is_switched_off_stops_a_reply_that_is_held_back() {
    let scene = paced().await;
    change(&scene, |creator| creator.settings.mode = Mode::Off).await;
    scene.run_to_rest(5).await;
    assert_eq!(scene.fanvue.sent(), Vec::<String>::new());
    let rule = Rule::ModeOff;
    assert_eq!(scene.outcome(1).await, Outcome::Blocked { rule });
}

#[tokio::test]
async fn quiet_hours_that_are_set_hold_a_reply_that_is_held_back_and_let_it_go_after() {
    let scene = paced().await;
    let quiet = quiet_now(&scene);
    let ends = quiet.next_allowed(scene.clock.now(), Duration::ZERO);
    change(&scene, |creator| creator.settings.quiet_hours = quiet).await;
    scene.run_to_rest(1).await;
    assert_eq!(scene.fanvue.sent(), Vec::<String>::new());
    let outcome = scene.outcome(1).await;
    let Outcome::Waiting { until, cause } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(cause, WaitCause::QuietHours);
    assert!(until >= ends && until <= ends + Duration::from_secs(600));
    scene.run_to_rest(5).await;
    assert_eq!(scene.fanvue.sent().len(), 1);
    assert!(scene.clock.now() >= ends);
}

#[tokio::test]
async fn an_immediate_pace_lets_a_reply_out_no_later_than_it_was_due() {
    let scene = paced().await;
    let due = scene.memory.next_due().unwrap();
    change(&scene, |creator| creator.settings.pace = Pace::Immediate).await;
    scene.run_to_rest(5).await;
    assert_eq!(scene.fanvue.sent().len(), 1);
    assert!(scene.clock.now() <= due);
}

#[tokio::test]
async fn what_is_set_for_one_fan_acts_at_once() {
    let scene = paced().await;
    let mut overrides = Overrides::none();
    overrides.pace = Some(Pace::Immediate);
    act(&scene, overrides.clone()).await.unwrap();
    assert_eq!(scene.conversation().await.overrides, overrides);
    scene.run_after(0).await;
    assert_eq!(scene.fanvue.sent().len(), 1);
}

#[tokio::test]
async fn what_contradicts_itself_for_a_fan_is_refused_and_not_stored() {
    let scene = paced().await;
    let before = scene.conversation().await;
    let mut overrides = Overrides::none();
    overrides.human_pause = Some(Duration::ZERO);
    overrides.quiet_hours = Some(QuietHours::in_zone("Europe/Berlim"));
    let refused = act(&scene, overrides).await;
    let Err(EngineError::InvalidSettings(invalid)) = refused else {
        panic!("{refused:?}");
    };
    let fields: Vec<&str> = invalid.faults().iter().map(|fault| &*fault.field).collect();
    assert_eq!(fields, ["quiet_hours.zone", "human_pause"]);
    assert_eq!(scene.conversation().await, before);
}

//! A grant dies, fans wait, the operator is told, connects again, and everybody is answered.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::time::Duration;

use fanvue_bot::decision::WaitCause;
use fanvue_bot::queue::WorkerId;
use fanvue_bot::worker::{Worker, WorkerOptions};

use crate::connect::{CLIENT_ID, Stage, says};

const LIMIT: Duration = Duration::from_secs(20);

/// Lets others run until `condition` holds.
async fn until(condition: impl Fn() -> bool) {
    let reached = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, reached).await.unwrap();
}

#[tokio::test]
async fn fans_who_waited_for_an_account_are_answered_as_soon_as_it_is_connected_again() {
    let stage = Stage::set("reply-bot-secret").await;
    says(&stage.connect(stage.luna).await, 200, "@luna");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let options = WorkerOptions::new(WorkerId::new("worker-1"));
    let worker = tokio::spawn(Worker::new(stage.engine.clone(), options).run(async {
        let _ended = stopped.await;
    }));

    // Fanvue ends the grant, and the app's webhooks go on.
    stage.simulator.with_world(|world, _| {
        world.revoke_all(CLIENT_ID, stage.luna);
    });
    for name in ["ben", "max", "tom"] {
        let fan = stage.simulator.add_fan(name, name);
        stage.simulator.fan_writes(stage.luna, fan, "hi").unwrap();
    }
    until(|| {
        let conversations = stage.store.conversations();
        let causes = conversations.iter().filter_map(|stored| stored.value.hold);
        causes
            .filter(|hold| hold.cause == WaitCause::NotConnected)
            .count()
            == 3
    })
    .await;
    assert_eq!(stage.simulator.unanswered().len(), 3);
    let told = stage.pager.0.lock().unwrap().clone();
    assert_eq!(told.len(), 1, "{told:?}");

    // The operator follows the link.
    says(
        &stage.follow(told[0].link.clone(), Some("one")).await,
        200,
        "@luna",
    );
    let answered = stage
        .simulator
        .wait_until(LIMIT, |world| world.unanswered().is_empty())
        .await;
    assert!(answered, "{:?}", stage.simulator.unanswered());
    assert_eq!(stage.simulator.sent_answers().len(), 3);
    let _ended = stop.send(());
    worker.await.unwrap();
    stage.end().await;
}

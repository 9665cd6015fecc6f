//! Telling the operator that an account has to be connected again.

use std::time::Duration;

use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::oauth::{GrantId, RefreshFailure, TokenError};
use fanvue_bot_core::time::Clock as _;
use fanvue_bot_testkit::fault::{Fault, FaultPlan};

use crate::scene::{Process, Scene};
use crate::{HOUR, status, until_hang};

async fn asks(process: &Process, creator: &Creator) {
    let error = process.tokens.auth(creator).await.unwrap_err();
    assert!(matches!(error, TokenError::NotConnected), "{error:?}");
}

/// A creator whose grant Fanvue has ended, which nobody knows yet.
async fn ended(scene: &Scene) -> Creator {
    let luna = scene.connected(HOUR).await;
    scene.revoke(&luna);
    scene.advance(3_601);
    luna
}

#[tokio::test]
async fn the_operator_is_told_once_for_each_end_of_a_grant_with_a_link() {
    let scene = Scene::new();
    let luna = ended(&scene).await;
    let processes = [scene.process(), scene.process()];
    let since = scene.clock.now();
    for ends in 1..=2 {
        let waiting: Vec<_> = (0..64)
            .map(|fan| {
                let (tokens, luna) = (processes[fan % 2].tokens.clone(), luna.clone());
                tokio::spawn(async move { tokens.auth(&luna).await })
            })
            .collect();
        for fan in waiting {
            fan.await.unwrap().unwrap_err();
        }
        asks(&processes[0], &luna).await;
        assert_eq!(scene.alerts.told().len(), ends);
        let seen = status(&processes[1], &luna).await;
        assert_eq!(seen.alerted_at, Some(scene.clock.now()));
        scene.reconnect(&luna).await;
        processes[0].tokens.auth(&luna).await.unwrap();
        scene.revoke(&luna);
        scene.advance(3_601);
    }
    let first = &scene.alerts.told()[0];
    assert_eq!(first.grant, GrantId::Creator(luna.id));
    assert_eq!(first.cause, RefreshFailure::InvalidGrant);
    assert_eq!(first.since, since);
    assert_eq!(
        first.link,
        format!(
            "https://bot.example.test/oauth/start?creator_id={}",
            luna.id
        )
    );
}

#[tokio::test]
async fn an_operator_who_cannot_be_told_is_told_later() {
    let scene = Scene::new();
    let luna = ended(&scene).await;
    let process = scene.process();
    scene.alerts.set_broken(true);
    for _ in 0..3 {
        asks(&process, &luna).await;
        scene.advance(30);
    }
    scene.alerts.set_broken(false);
    asks(&process, &luna).await;
    asks(&process, &luna).await;
    assert_eq!(scene.alerts.told().len(), 1);
}

#[tokio::test]
async fn an_account_that_was_never_connected_alarms_nobody() {
    let scene = Scene::new();
    let luna = scene.connected(HOUR).await;
    let process = scene.process();
    process.tokens.disconnect(luna.id).await.unwrap();
    asks(&process, &luna).await;
    assert_eq!(scene.alerts.told(), []);
}

/// The one window that cannot be closed lies between telling and noting it: a kill there tells twice.
#[tokio::test]
async fn a_process_killed_at_any_point_of_a_grants_end_leaves_an_alert_within_60_s() {
    let mut doubles = 0;
    for fault in [Fault::HangBefore, Fault::HangAfter] {
        for call in 1.. {
            let scene = Scene::new();
            let luna = ended(&scene).await;
            let first = scene.process_with(FaultPlan::at(call, fault));
            if until_hang(&first.plan, first.tokens.auth(&luna))
                .await
                .is_some()
            {
                assert!(call > 12, "{call} calls");
                break;
            }
            drop(first.tokens);
            let second = scene.process();
            // What waits asks now and then, and so does the poll.
            for _ in 0..6 {
                scene.clock.advance(Duration::from_secs(10));
                second.tokens.auth(&luna).await.unwrap_err();
            }
            let told = scene.alerts.told().len();
            assert!(
                (1..=2).contains(&told),
                "{told} for {fault:?} of call {call}"
            );
            doubles += told - 1;
        }
    }
    assert!(doubles <= 4, "{doubles}");
}

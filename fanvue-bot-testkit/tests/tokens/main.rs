//! Grants that are made and do not break: `Authorizer` and `TokenSource` against an authorization server
//! with rotation, grace and reuse detection, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod agency;
mod alerts;
mod apps;
mod connect;
mod ended;
mod hooks;
mod lost_key;
mod scene;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fanvue_bot_core::client::Auth;
use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::oauth::{Connection, GrantStatus, RefreshFailure, TokenError};
use fanvue_bot_core::retry::Retry;
use fanvue_bot_core::time::Clock;
use fanvue_bot_testkit::fault::{Fault, FaultPlan};

use crate::scene::{PUT, Process, REFRESH, Scene};

const HOUR: Duration = Duration::from_secs(3_600);

/// Polls once, whoever wakes it.
fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls at most so many times, with the runtime's own work in between, and drops it then unless it ended.
async fn poll_for<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(value) = poll(future.as_mut()) {
            return Some(value);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// Runs until it ends or hangs on purpose, and drops it then, as a kill does.
async fn until_hang<T>(plan: &FaultPlan, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let hangs = plan.hangs();
    loop {
        if let Poll::Ready(value) = poll(future.as_mut()) {
            return Some(value);
        }
        if plan.hangs() > hangs {
            return None;
        }
        tokio::task::yield_now().await;
    }
}

async fn status(process: &Process, creator: &Creator) -> GrantStatus {
    process.tokens.status(creator.id).await.unwrap()
}

fn text(auth: &Auth) -> String {
    auth.token.expose().to_owned()
}

#[tokio::test]
async fn all_tasks_of_a_process_wait_for_one_refresh() {
    let scene = Scene::new();
    let luna = scene.connected(HOUR).await;
    let process = scene.process();
    scene.advance(3_601);
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (tokens, luna) = (process.tokens.clone(), luna.clone());
            tokio::spawn(async move { tokens.auth(&luna).await.unwrap() })
        })
        .collect();
    for task in tasks {
        assert!(scene.accepts(&task.await.unwrap()));
    }
    assert_eq!(process.requests(), 1);
}

#[tokio::test]
async fn a_task_whose_token_still_works_does_not_wait_for_a_refresh_that_another_is_at() {
    let scene = Scene::new();
    let luna = scene.connected(HOUR).await;
    let process = scene.process();
    scene.advance(3_590);
    let old = status(&process, &luna).await.issued_at;
    let mut first = pin!(process.tokens.auth(&luna));
    for _ in 0..4 {
        assert!(poll(first.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
    let second = process.tokens.auth(&luna).await.unwrap();
    assert_eq!(status(&process, &luna).await.issued_at, old);
    let first = first.await.unwrap();
    assert_ne!(text(&first), text(&second));
    assert!(scene.accepts(&first) && scene.accepts(&second));
    assert_eq!(process.requests(), 1);
}

#[tokio::test]
async fn a_task_that_is_aborted_anywhere_leaves_the_refresh_to_the_next_one() {
    let mut aborted = 0;
    for polls in 1.. {
        let scene = Scene::new();
        let luna = scene.connected(HOUR).await;
        let process = scene.process();
        scene.advance(3_601);
        let ended = poll_for(polls, process.tokens.auth(&luna)).await.is_some();
        aborted += u32::from(!ended);
        let auth = process.tokens.auth(&luna).await.unwrap();
        assert!(scene.accepts(&auth), "after {polls} polls");
        assert_eq!(process.requests(), 1, "after {polls} polls");
        if ended {
            break;
        }
    }
    assert!(aborted >= 8, "{aborted}");
}

#[tokio::test]
async fn a_drain_ends_what_aborted_tasks_have_begun() {
    for polls in 1..12 {
        let scene = Scene::new();
        let luna = scene.connected(HOUR).await;
        let process = scene.process();
        scene.advance(3_601);
        let _aborted = poll_for(polls, process.tokens.auth(&luna)).await;
        process.tokens.finish().await.unwrap();
        let begun = process.requests();
        let next = scene.process();
        assert!(scene.accepts(&next.tokens.auth(&luna).await.unwrap()));
        assert_eq!(begun + next.requests(), 1, "after {polls} polls");
    }
}

#[tokio::test]
async fn a_refresh_that_hangs_is_given_up_when_its_lease_has_lapsed() {
    let scene = Scene::new();
    let luna = scene.connected(HOUR).await;
    let process = scene.process();
    scene.advance(3_601);
    process.plan.fail_next(REFRESH, Fault::HangAfter);
    assert!(
        until_hang(&process.plan, process.tokens.auth(&luna))
            .await
            .is_none()
    );
    // One waits for it, and is told.
    let mut waiting = pin!(process.tokens.auth(&luna));
    for _ in 0..50 {
        assert!(poll(waiting.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
    scene.advance(21);
    let auth = process.tokens.auth(&luna).await.unwrap();
    assert!(scene.accepts(&auth));
    assert!(matches!(waiting.await, Err(TokenError::Busy)));
    assert_eq!(process.requests(), 2);
}

#[tokio::test]
async fn a_new_pair_that_could_not_be_stored_is_stored_before_anything_else() {
    for fault in [Fault::Before, Fault::After] {
        let scene = Scene::new();
        let luna = scene.connected(HOUR).await;
        // The first put notes that a refresh begins.
        let plan = FaultPlan::script((2..=4).map(|put| (put, fault))).only(|name| name == PUT);
        let process = scene.process_with(plan);
        scene.advance(3_601);
        let error = process.tokens.auth(&luna).await.unwrap_err();
        assert!(matches!(error, TokenError::Vault(_)), "{error:?}");
        // Long after the grace: a second request would end the grant.
        scene.advance(300);
        let auth = loop {
            match process.tokens.auth(&luna).await {
                Ok(auth) => break auth,
                Err(error) => assert!(matches!(error, TokenError::Vault(_)), "{error:?}"),
            }
        };
        assert!(scene.accepts(&auth));
        assert_eq!(process.requests(), 1);
        let other = scene.process();
        assert_eq!(text(&other.tokens.auth(&luna).await.unwrap()), text(&auth));
        assert_eq!(other.requests(), 0);
    }
}

#[tokio::test]
async fn a_pair_that_is_only_in_memory_gives_way_to_a_new_connection() {
    let scene = Scene::new();
    let luna = scene.connected(HOUR).await;
    let plan = FaultPlan::at(2, Fault::Before).only(|name| name == PUT);
    let process = scene.process_with(plan);
    scene.advance(3_601);
    process.tokens.auth(&luna).await.unwrap_err();
    scene.reconnect(&luna).await;
    let (auth, other) = (
        process.tokens.auth(&luna).await.unwrap(),
        scene.process().tokens.auth(&luna).await.unwrap(),
    );
    assert_eq!(text(&auth), text(&other));
}

/// Kills a process at each of its calls in turn, before and after the effect, and lets another one go on
/// this many seconds later. Answers with how many kills there were and how many grants were lost.
async fn kills(expired: bool, later: u64) -> (u32, u32) {
    let (mut kills, mut lost) = (0, 0);
    for fault in [Fault::HangBefore, Fault::HangAfter] {
        for call in 1.. {
            let scene = Scene::new();
            let luna = scene.connected(HOUR).await;
            let first = scene.process_with(FaultPlan::at(call, fault));
            scene.advance(if expired { 3_601 } else { 3_460 });
            if until_hang(&first.plan, first.tokens.auth(&luna))
                .await
                .is_some()
            {
                break;
            }
            drop(first.tokens);
            kills += 1;
            scene.advance(later);
            let told = scene.alerts.told().len();
            let second = scene.process();
            let auth = match second.tokens.auth(&luna).await {
                Ok(auth) => auth,
                Err(TokenError::Busy) => {
                    assert!(expired, "a token that works is handed out meanwhile");
                    scene.advance(20);
                    second.tokens.auth(&luna).await.unwrap()
                }
                Err(error) => {
                    assert!(matches!(error, TokenError::NotConnected), "{error:?}");
                    let status = status(&second, &luna).await;
                    assert_eq!(status.connection, Connection::NeedsReconnect);
                    assert_eq!(status.last_failure, Some(RefreshFailure::InvalidGrant));
                    lost += 1;
                    assert_eq!(scene.alerts.told().len(), told + 1);
                    scene.reconnect(&luna).await;
                    second.tokens.auth(&luna).await.unwrap()
                }
            };
            assert!(scene.accepts(&auth), "{fault:?} of call {call}");
            assert!(second.requests() <= 1, "{fault:?} of call {call}");
            let alerts = scene.alerts.told().len();
            assert!(alerts <= 1, "{alerts} alerts for {fault:?} of call {call}");
        }
    }
    (kills, lost)
}

#[tokio::test]
async fn a_process_killed_at_any_point_of_a_refresh_breaks_no_grant_within_the_grace() {
    for expired in [true, false] {
        for later in [0, 1, 21, 24] {
            let (kills, lost) = kills(expired, later).await;
            assert!(kills >= 14, "{kills}");
            assert_eq!(lost, 0, "{later} s later, expired: {expired}");
        }
    }
}

#[tokio::test]
async fn after_the_grace_only_a_kill_between_request_and_store_costs_the_connection() {
    // After the request had its effect, and before the new pair is put.
    assert_eq!(kills(true, 120).await.1, 2);
    // With a token that still works nothing is risked.
    assert_eq!(kills(false, 120).await.1, 0);
}

#[tokio::test]
async fn a_refresh_without_an_answer_is_reported_and_tried_once_more_when_the_token_expires() {
    for (fault, lost) in [(Fault::HangBefore, false), (Fault::HangAfter, true)] {
        let scene = Scene::new();
        let luna = scene.connected(HOUR).await;
        let first = scene.process();
        scene.advance(3_460);
        let began = scene.clock.now();
        first.plan.fail_next(REFRESH, fault);
        assert!(
            until_hang(&first.plan, first.tokens.auth(&luna))
                .await
                .is_none()
        );
        scene.advance(60);
        let second = scene.process();
        let auth = second.tokens.auth(&luna).await.unwrap();
        assert!(scene.accepts(&auth));
        assert_eq!(second.requests(), 0);
        let seen = status(&second, &luna).await;
        assert_eq!(seen.connection, Connection::Connected);
        assert_eq!(seen.unanswered_since, Some(began));
        assert_eq!(seen.last_failure, Some(RefreshFailure::Unanswered));

        scene.advance(3_600 - 3_460 - 60);
        let outcome = second.tokens.auth(&luna).await;
        assert_eq!(second.requests(), 1);
        if lost {
            assert!(matches!(outcome, Err(TokenError::NotConnected)));
        } else {
            assert!(scene.accepts(&outcome.unwrap()));
            assert_eq!(status(&second, &luna).await.unanswered_since, None);
        }
    }
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_at_once() {
    let scene = Scene::new();
    let luna = scene.connected(HOUR).await;
    let process = scene.process();
    scene.advance(3_601);
    process.plan.fail_next(REFRESH, Fault::After);
    let auth = process.tokens.auth(&luna).await.unwrap();
    assert!(scene.accepts(&auth));
    let seen = status(&process, &luna).await;
    assert_eq!((seen.unanswered_since, seen.last_failure), (None, None));
}

#[tokio::test]
async fn a_request_that_never_left_costs_nothing_however_long_fanvue_is_away() {
    let scene = Scene::new();
    let luna = scene.connected(HOUR).await;
    let process = scene.process();
    scene.advance(3_601);
    process.plan.fail_next(REFRESH, Fault::Before);
    let error = process.tokens.auth(&luna).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Backoff);
    let seen = status(&scene.process(), &luna).await;
    assert_eq!(seen.unanswered_since, None);
    assert_eq!(seen.last_failure, Some(RefreshFailure::Unavailable));
    assert_eq!(seen.last_failure_at, Some(scene.clock.now()));
    scene.advance(86_400);
    assert!(scene.accepts(&process.tokens.auth(&luna).await.unwrap()));
}

#[tokio::test]
async fn a_failed_refresh_is_left_alone_for_some_seconds() {
    for (age, valid) in [(3_460, true), (3_601, false)] {
        let scene = Scene::new();
        let luna = scene.connected(HOUR).await;
        let plan = FaultPlan::script((1..).take(1_000).map(|call| (call, Fault::Before)))
            .only(|operation| operation == REFRESH);
        let process = scene.process_with(plan);
        scene.advance(age);
        for _ in 0..100 {
            let outcome = process.tokens.auth(&luna).await;
            assert_eq!(outcome.is_ok(), valid);
        }
        assert_eq!(process.plan.calls(), 1);
        assert_eq!(status(&process, &luna).await.failures, 1);
        scene.advance(5);
        let _again = process.tokens.auth(&luna).await;
        assert_eq!(process.plan.calls(), 2);
        // Nothing that was set back or put off holds it up for long.
        scene.clock.set(scene.clock.now().minus(HOUR));
        scene.advance(3_600 + 30);
        process.plan.calm();
        assert!(scene.accepts(&process.tokens.auth(&luna).await.unwrap()));
        assert_eq!(status(&process, &luna).await.failures, 0);
    }
}

#[tokio::test]
async fn tokens_of_a_short_life_are_refreshed_in_its_last_quarter() {
    for life in [20, 60, 299, 300, 1_000] {
        let scene = Scene::new();
        let luna = scene.connected(Duration::from_secs(life)).await;
        let process = scene.process();
        for _ in 0..life * 3 / 4 {
            scene.advance(1);
            process.tokens.auth(&luna).await.unwrap();
        }
        assert_eq!(process.requests(), 0, "{life} s");
        scene.advance(life - life * 3 / 4 - 1);
        process.tokens.auth(&luna).await.unwrap();
        assert_eq!(process.requests(), 1, "{life} s");
    }
}

#[tokio::test]
async fn creators_whose_tokens_expire_at_once_are_not_refreshed_at_once() {
    let scene = Scene::new();
    let mut creators = Vec::new();
    for _ in 0..200 {
        creators.push(scene.connected(HOUR).await);
    }
    let process = scene.process();
    let (mut before, mut most) = (0, 0);
    scene.advance(3_299);
    for _ in 0..301 {
        for creator in &creators {
            assert!(scene.accepts(&process.tokens.auth(creator).await.unwrap()));
        }
        let requests = process.requests();
        most = most.max(requests - before);
        before = requests;
        scene.advance(1);
    }
    assert_eq!(before, 200);
    assert!(most <= 8, "{most} in one second");
}

#[tokio::test]
async fn a_refused_grant_waits_for_a_person_and_works_again_after_they_have_acted() {
    let scene = Scene::new();
    let luna = scene.connected(HOUR).await;
    let process = scene.process();
    assert_eq!(
        status(&process, &luna).await.connection,
        Connection::Connected
    );
    scene.revoke(&luna);
    let rejected = process.tokens.auth(&luna).await.unwrap();
    assert!(!scene.accepts(&rejected));
    for _ in 0..3 {
        let error = process.tokens.renew(&luna, &rejected).await.unwrap_err();
        assert!(matches!(error, TokenError::NotConnected));
        let error = process.tokens.auth(&luna).await.unwrap_err();
        assert!(matches!(error, TokenError::NotConnected));
    }
    assert_eq!(process.requests(), 1);
    let seen = status(&process, &luna).await;
    assert_eq!(seen.connection, Connection::NeedsReconnect);
    assert_eq!(seen.last_failure, Some(RefreshFailure::InvalidGrant));
    scene.reconnect(&luna).await;
    assert!(scene.accepts(&process.tokens.auth(&luna).await.unwrap()));
    let seen = status(&process, &luna).await;
    assert_eq!(
        (seen.connection, seen.last_failure),
        (Connection::Connected, None)
    );
}

#[tokio::test]
async fn a_rejected_token_is_replaced_once() {
    let scene = Scene::new();
    let luna = scene.connected(HOUR).await;
    let process = scene.process();
    let first = process.tokens.auth(&luna).await.unwrap();
    let renewed: Vec<_> = (0..8)
        .map(|_| {
            let (tokens, luna, first) = (process.tokens.clone(), luna.clone(), first.clone());
            tokio::spawn(async move { tokens.renew(&luna, &first).await.unwrap() })
        })
        .collect();
    let mut second = None;
    for task in renewed {
        second = Some(task.await.unwrap());
    }
    let second = second.unwrap();
    assert_ne!(text(&first), text(&second));
    assert_eq!(process.requests(), 1);
    for _ in 0..10 {
        let error = process.tokens.renew(&luna, &second).await.unwrap_err();
        assert!(matches!(error, TokenError::Unaccepted));
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(10)));
    }
    assert_eq!(process.requests(), 1);
    scene.advance(10);
    process.tokens.renew(&luna, &second).await.unwrap();
    assert_eq!(process.requests(), 2);
}

#[tokio::test]
async fn whoever_finds_another_process_at_it_comes_back_later() {
    let scene = Scene::new();
    let luna = scene.connected(HOUR).await;
    let (first, second) = (scene.process(), scene.process());
    scene.advance(3_601);
    let mut refresh = pin!(first.tokens.auth(&luna));
    for _ in 0..5 {
        assert!(poll(refresh.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
    let error = second.tokens.auth(&luna).await.unwrap_err();
    assert!(matches!(error, TokenError::Busy));
    assert_eq!(error.retry(), Retry::After(Duration::from_secs(1)));
    let auth = refresh.await.unwrap();
    assert_eq!(text(&second.tokens.auth(&luna).await.unwrap()), text(&auth));
    assert_eq!((first.requests(), second.requests()), (1, 0));
}

/// Where a test's logs go.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn operators_are_told_of_a_failure_once_and_never_of_a_token() {
    let log = Log::default();
    let writer = log.clone();
    let _logging = tracing::subscriber::set_default(
        tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .finish(),
    );
    let scene = Scene::new();
    let luna = scene.connected(HOUR).await;
    let plan = FaultPlan::script((1..=10).map(|call| (call, Fault::Before)))
        .only(|operation| operation == REFRESH);
    let process = scene.process_with(plan);
    scene.advance(3_460);
    let mut seen = vec![text(&process.tokens.auth(&luna).await.unwrap())];
    for _ in 0..60 {
        scene.advance(2);
        seen.push(text(&process.tokens.auth(&luna).await.unwrap()));
    }
    scene.advance(40);
    process.plan.calm();
    let auth = process.tokens.auth(&luna).await.unwrap();
    seen.push(text(&auth));
    scene.revoke(&luna);
    for _ in 0..5 {
        process.tokens.renew(&luna, &auth).await.unwrap_err();
        scene.advance(60);
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let count = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    assert_eq!((count(" WARN "), count(" ERROR ")), (1, 1), "{log}");
    assert!(count("DEBUG") > 1, "{log}");
    assert!(!seen.iter().any(|token| log.contains(token)));
    assert!(!log.contains("ory_rt_") && !log.contains("app-secret"));
}

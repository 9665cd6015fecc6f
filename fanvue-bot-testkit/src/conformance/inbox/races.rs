//! Concurrent calls, dropped futures, and waits.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::inbox::Inbox;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{all, event, keep, numbers};
use crate::conformance::cut::{CUTS, cut};
use crate::conformance::given::{at, conversation_id};

/// Longer than any announcement takes, and shorter than the case may.
const PATIENCE: Duration = Duration::from_secs(60);

pub async fn events_that_are_kept_at_once_are_all_there(inbox: Arc<dyn Inbox>) {
    let mut keeping = JoinSet::new();
    for number in 0..200 {
        let inbox = Arc::clone(&inbox);
        keeping.spawn(async move { inbox.keep(event(number % 7, number % 3, number)).await });
    }
    for kept in keeping.join_all().await {
        kept.unwrap();
    }
    let listed = all(&inbox).await;
    let mut found: Vec<u32> = (0..7)
        .flat_map(|creator| numbers(&listed, creator))
        .collect();
    found.sort_unstable();
    assert_eq!(found, Vec::from_iter(0..200));
}

pub async fn two_who_settle_the_same_events_both_succeed(inbox: Arc<dyn Inbox>) {
    for creator in 1..=5 {
        keep(&inbox, creator, 1, 0..10).await;
    }
    let ids: Vec<_> = all(&inbox).await.iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), 50);
    let backwards: Vec<_> = ids.iter().rev().copied().collect();
    let (one, other) = tokio::join!(inbox.settle(&ids), inbox.settle(&backwards));
    one.unwrap();
    other.unwrap();
    assert_eq!(all(&inbox).await, []);
}

pub async fn a_dropped_keep_leaves_the_event_or_nothing(inbox: Arc<dyn Inbox>) {
    for polls in CUTS {
        let fan = u32::try_from(polls).unwrap() + 1;
        let kept = cut(polls, inbox.keep(event(1, fan, 7))).await;
        let listed = inbox.waiting_of(conversation_id(1, fan), 10).await.unwrap();
        match kept {
            Some(kept) => {
                kept.unwrap();
                assert_eq!(numbers(&listed, 1), [7]);
            }
            None => assert!(listed.len() <= 1),
        }
    }
}

pub async fn a_dropped_settle_leaves_the_events_or_nothing(inbox: Arc<dyn Inbox>) {
    for polls in CUTS {
        let fan = u32::try_from(polls).unwrap() + 1;
        keep(&inbox, 1, fan, 0..5).await;
        let id = conversation_id(1, fan);
        let listed = inbox.waiting_of(id, 10).await.unwrap();
        let ids: Vec<_> = listed.iter().map(|event| event.id).collect();
        let settled = cut(polls, inbox.settle(&ids)).await;
        // One that was cut may come to its end a little later.
        let left = inbox.waiting_of(id, 10).await.unwrap().len();
        match settled {
            Some(settled) => {
                settled.unwrap();
                assert_eq!(left, 0);
            }
            None => assert!(left == 0 || left == 5, "{left} of 5 are left"),
        }
    }
}

pub async fn who_waits_hears_of_an_event(inbox: Arc<dyn Inbox>) {
    assert_eq!(inbox.waiting(at(0), 10).await.unwrap(), []);
    let waiting = {
        let inbox = Arc::clone(&inbox);
        tokio::spawn(async move {
            // It may resolve for nothing.
            while inbox.waiting(at(0), 10).await.unwrap().is_empty() {
                inbox.kept().await;
            }
        })
    };
    tokio::task::yield_now().await;
    keep(&inbox, 1, 1, [0]).await;
    timeout(PATIENCE, waiting).await.unwrap().unwrap();
}

pub async fn an_event_between_a_look_and_a_wait_is_not_missed(inbox: Arc<dyn Inbox>) {
    assert_eq!(inbox.waiting(at(0), 10).await.unwrap(), []);
    keep(&inbox, 1, 1, [0]).await;
    timeout(PATIENCE, inbox.kept()).await.unwrap();
}

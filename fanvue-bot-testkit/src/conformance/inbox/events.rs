//! Events read back as they came, until they are settled.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::inbox::{Inbox, KeptId};

use super::{all, event, keep, numbers};
use crate::conformance::given::{at, conversation_id, creator_id};

pub async fn an_empty_inbox_lists_nothing(inbox: Arc<dyn Inbox>) {
    assert_eq!(all(&inbox).await, []);
    let listed = inbox.waiting_of(conversation_id(1, 1), 10).await.unwrap();
    assert_eq!(listed, []);
}

pub async fn a_kept_event_reads_back_as_it_came(inbox: Arc<dyn Inbox>) {
    let mut kept = event(1, 2, 3);
    kept.topic = Some("creator.message.received".into());
    kept.event_id = Some("evt_1".into());
    inbox.keep(kept.clone()).await.unwrap();
    let listed = all(&inbox).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].event, kept);
    assert_eq!(listed[0].id.creator, creator_id(1));
    assert_eq!(listed[0].put_off, 0);
}

pub async fn any_bytes_and_texts_read_back(inbox: Arc<dyn Inbox>) {
    let bodies: [Vec<u8>; 6] = [
        Vec::new(),
        vec![0],
        b"'; DROP TABLE inbox; --".to_vec(),
        b"\xff\xfe\xc0\xaf\x00".to_vec(),
        "\u{1f48c}\u{10ffff}0".into(),
        (0..1 << 18).map(|at: u32| at.to_le_bytes()[1]).collect(),
    ];
    let texts = ["", "\0", "\u{10ffff}0", "a'b", "\u{1f48c}", " "];
    for (fan, (body, text)) in (1..).zip(bodies.into_iter().zip(texts)) {
        let mut kept = event(1, fan, 0);
        kept.body = body.into();
        kept.topic = Some(text.into());
        kept.event_id = Some(text.into());
        inbox.keep(kept.clone()).await.unwrap();
        let id = conversation_id(1, fan);
        let listed = inbox.waiting_of(id, 10).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert!(listed[0].event == kept, "body of fan {fan}");
    }
}

pub async fn events_of_a_creator_are_listed_as_they_were_kept(inbox: Arc<dyn Inbox>) {
    for number in 0..20 {
        keep(&inbox, number % 3, number % 5, [number]).await;
    }
    let listed = all(&inbox).await;
    for creator in 0..3 {
        let expected: Vec<u32> = (0..20).filter(|number| number % 3 == creator).collect();
        assert_eq!(numbers(&listed, creator), expected);
    }
}

pub async fn an_event_that_is_kept_twice_is_there_twice(inbox: Arc<dyn Inbox>) {
    keep(&inbox, 1, 1, [7, 7]).await;
    let listed = all(&inbox).await;
    assert_eq!(numbers(&listed, 1), [7, 7]);
    assert_ne!(listed[0].id, listed[1].id);
}

pub async fn at_most_as_many_as_asked_for_are_listed(inbox: Arc<dyn Inbox>) {
    for creator in 1..=10 {
        keep(&inbox, creator, 1, 0..3).await;
    }
    for limit in [0, 1, 2, 7, 30] {
        let listed = inbox.waiting(at(0), limit).await.unwrap();
        assert!(listed.len() <= limit, "{} of {limit}", listed.len());
        assert_eq!(listed.is_empty(), limit == 0);
    }
    let id = conversation_id(1, 1);
    assert_eq!(inbox.waiting_of(id, 2).await.unwrap().len(), 2);
}

pub async fn the_events_of_one_conversation_are_its_own(inbox: Arc<dyn Inbox>) {
    for creator in 1..=2 {
        for fan in 1..=2 {
            keep(&inbox, creator, fan, [10 * creator + fan]).await;
        }
    }
    keep(&inbox, 1, 2, [99]).await;
    let listed = inbox.waiting_of(conversation_id(1, 2), 10).await.unwrap();
    assert_eq!(numbers(&listed, 1), [12, 99]);
    assert_eq!(listed.len(), 2);
}

pub async fn a_settled_event_is_gone_and_the_others_are_not(inbox: Arc<dyn Inbox>) {
    keep(&inbox, 1, 1, 0..4).await;
    keep(&inbox, 2, 1, 0..2).await;
    let listed = inbox.waiting_of(conversation_id(1, 1), 10).await.unwrap();
    inbox.settle(&[listed[1].id, listed[3].id]).await.unwrap();
    let left = all(&inbox).await;
    assert_eq!(numbers(&left, 1), [0, 2]);
    assert_eq!(numbers(&left, 2), [0, 1]);
}

pub async fn settling_what_is_not_there_changes_nothing(inbox: Arc<dyn Inbox>) {
    keep(&inbox, 1, 1, [0]).await;
    let id = all(&inbox).await[0].id;
    let others = [id.number + 1_000_000, u64::MAX].map(|number| KeptId { number, ..id });
    inbox.settle(&others).await.unwrap();
    inbox.settle(&[]).await.unwrap();
    assert_eq!(numbers(&all(&inbox).await, 1), [0]);
    for _ in 0..2 {
        inbox.settle(&[id]).await.unwrap();
    }
    assert_eq!(all(&inbox).await, []);
}

pub async fn a_number_settles_nothing_of_another_creator(inbox: Arc<dyn Inbox>) {
    keep(&inbox, 1, 1, [0]).await;
    let id = all(&inbox).await[0].id;
    let foreign = KeptId {
        creator: creator_id(2),
        ..id
    };
    inbox.settle(&[foreign]).await.unwrap();
    inbox.put_off(foreign, at(100)).await.unwrap();
    assert_eq!(numbers(&all(&inbox).await, 1), [0]);
}

pub async fn an_event_that_is_put_off_is_listed_again_when_its_time_has_come(
    inbox: Arc<dyn Inbox>,
) {
    keep(&inbox, 1, 1, 0..2).await;
    let first = all(&inbox).await[0].id;
    inbox.put_off(first, at(60)).await.unwrap();
    assert_eq!(numbers(&all(&inbox).await, 1), [1]);
    let just_before = at(60).minus(Duration::from_micros(1));
    let listed = inbox.waiting(just_before, 100).await.unwrap();
    assert_eq!(numbers(&listed, 1), [1]);
    let listed = inbox.waiting(at(60), 100).await.unwrap();
    assert_eq!(numbers(&listed, 1), [0, 1]);
    assert_eq!(listed[0].put_off, 1);
    inbox.put_off(first, at(120)).await.unwrap();
    let listed = inbox.waiting(at(120), 100).await.unwrap();
    assert_eq!(listed[0].put_off, 2);
}

pub async fn an_event_that_is_put_off_is_still_of_its_conversation(inbox: Arc<dyn Inbox>) {
    keep(&inbox, 1, 1, 0..2).await;
    let first = all(&inbox).await[0].id;
    inbox.put_off(first, at(60)).await.unwrap();
    let listed = inbox.waiting_of(conversation_id(1, 1), 10).await.unwrap();
    assert_eq!(numbers(&listed, 1), [0, 1]);
}

pub async fn putting_off_what_is_not_there_changes_nothing(inbox: Arc<dyn Inbox>) {
    keep(&inbox, 1, 1, [0]).await;
    let id = all(&inbox).await[0].id;
    for number in [id.number + 1_000_000, u64::MAX] {
        let nothing = KeptId { number, ..id };
        inbox.put_off(nothing, at(60)).await.unwrap();
    }
    assert_eq!(numbers(&all(&inbox).await, 1), [0]);
}

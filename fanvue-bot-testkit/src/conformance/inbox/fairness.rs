//! Nobody's events hold up another's.

use std::collections::BTreeSet;
use std::sync::Arc;

use fanvue_bot_core::inbox::Inbox;

use super::{keep, numbers};
use crate::conformance::given::at;

pub async fn nobodys_many_events_hold_up_anothers_few(inbox: Arc<dyn Inbox>) {
    keep(&inbox, 2, 1, 0..100).await;
    keep(&inbox, 1, 1, [7]).await;
    keep(&inbox, 3, 1, [8]).await;
    // Wherever the look begins.
    for _ in 0..4 {
        let listed = inbox.waiting(at(0), 16).await.unwrap();
        assert_eq!(numbers(&listed, 1), [7]);
        assert_eq!(numbers(&listed, 3), [8]);
        assert_eq!(numbers(&listed, 2), [0, 1]);
    }
}

pub async fn looks_go_around_among_the_creators(inbox: Arc<dyn Inbox>) {
    for creator in 1..=10 {
        keep(&inbox, creator, 1, 0..5).await;
    }
    let mut seen = BTreeSet::new();
    for _ in 0..5 {
        let listed = inbox.waiting(at(0), 2).await.unwrap();
        assert_eq!(listed.len(), 2);
        seen.extend(listed.iter().map(|event| event.id.creator));
    }
    assert_eq!(seen.len(), 10, "five looks at two creators each reach all");
}

pub async fn whoever_is_put_off_takes_no_place(inbox: Arc<dyn Inbox>) {
    keep(&inbox, 1, 1, 0..20).await;
    keep(&inbox, 2, 1, [7]).await;
    for event in inbox.waiting(at(0), 160).await.unwrap() {
        if numbers(std::slice::from_ref(&event), 1).len() == 1 {
            inbox.put_off(event.id, at(60)).await.unwrap();
        }
    }
    for _ in 0..3 {
        let listed = inbox.waiting(at(0), 1).await.unwrap();
        assert_eq!(numbers(&listed, 2), [7]);
    }
}

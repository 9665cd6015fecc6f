//! Recipients are added once, moved from where they stand, listed, counted and forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;

use fanvue_bot_core::broadcast::{Broadcasts, Recipient, Standing};
use fanvue_bot_core::conversation::Skip;
use fanvue_bot_core::fan::FanProfile;
use fanvue_bot_core::id::FanId;
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::store::{Erased, StoreError};

use super::{id, put};
use crate::conformance::given::{conversation_id, creator_id, fan_id};

/// Fans `numbers` in the order of their ids.
fn fans(numbers: impl IntoIterator<Item = u32>) -> Vec<FanId> {
    let mut fans: Vec<FanId> = numbers.into_iter().map(fan_id).collect();
    fans.sort_unstable();
    fans
}

async fn counts(broadcasts: &dyn Broadcasts, creator: u32, number: u32) -> BTreeMap<Standing, u64> {
    let creator = creator_id(creator);
    let counted = broadcasts.recipient_counts(creator, id(number)).await;
    counted.unwrap().into_iter().collect()
}

async fn standing(
    broadcasts: &dyn Broadcasts,
    creator: u32,
    number: u32,
    at: Standing,
) -> Vec<FanId> {
    broadcasts
        .recipients(creator_id(creator), id(number), at, None, 100)
        .await
        .unwrap()
}

async fn add(broadcasts: &dyn Broadcasts, creator: u32, number: u32, fans: &[FanId]) {
    let fans: Vec<FanProfile> = fans.iter().copied().map(FanProfile::new).collect();
    broadcasts
        .add_recipients(creator_id(creator), id(number), &fans)
        .await
        .unwrap();
}

/// Fan `number`, who goes by this name.
fn named(number: u32, name: &str) -> FanProfile {
    let mut fan = FanProfile::new(fan_id(number));
    fan.display_name = Some(name.into());
    fan
}

async fn shift(broadcasts: &dyn Broadcasts, fans: &[FanId], from: Standing, to: Standing) {
    broadcasts
        .move_recipients(creator_id(1), id(1), fans, from, to)
        .await
        .unwrap();
}

pub async fn nobody_is_added_to_what_does_not_exist(broadcasts: Arc<dyn Broadcasts>) {
    put(&*broadcasts, 2, 1).await;
    let added = broadcasts
        .add_recipients(creator_id(1), id(1), &[named(1, "Ann")])
        .await;
    assert!(
        matches!(added, Err(StoreError::Rejected { .. })),
        "{added:?}"
    );
    assert_eq!(counts(&*broadcasts, 1, 1).await, BTreeMap::new());
}

pub async fn who_is_added_waits_and_is_counted(broadcasts: Arc<dyn Broadcasts>) {
    put(&*broadcasts, 1, 1).await;
    add(&*broadcasts, 1, 1, &[]).await;
    assert_eq!(counts(&*broadcasts, 1, 1).await, BTreeMap::new());
    add(&*broadcasts, 1, 1, &fans(1..=50)).await;
    let counted = counts(&*broadcasts, 1, 1).await;
    assert_eq!(counted, BTreeMap::from([(Standing::Waiting, 50)]));
}

pub async fn adding_again_changes_nothing(broadcasts: Arc<dyn Broadcasts>) {
    put(&*broadcasts, 1, 1).await;
    add(&*broadcasts, 1, 1, &fans([1, 2])).await;
    shift(&*broadcasts, &fans([1]), Standing::Waiting, Standing::Sent).await;
    add(&*broadcasts, 1, 1, &fans([1, 2, 3])).await;
    assert_eq!(
        standing(&*broadcasts, 1, 1, Standing::Sent).await,
        fans([1])
    );
    assert_eq!(
        standing(&*broadcasts, 1, 1, Standing::Waiting).await,
        fans([2, 3])
    );
}

pub async fn the_names_of_recipients_read_back_and_go_with_them(broadcasts: Arc<dyn Broadcasts>) {
    let names = async |creator: u32, number: u32| {
        let fans = fans(1..=4);
        let names = broadcasts.recipient_names(creator_id(creator), id(number), &fans);
        names.await.unwrap()
    };
    for creator in [1, 2] {
        put(&*broadcasts, creator, 1).await;
    }
    put(&*broadcasts, 1, 2).await;
    assert_eq!(names(1, 1).await, BTreeMap::new());
    let odd = "Zoë \u{0} \\u0000 \"🦀\", {name}";
    let listed = [named(1, "Ann"), named(2, odd), FanProfile::new(fan_id(3))];
    let renamed = [named(1, "Other"), named(3, "Late"), named(9, "Nine")];
    for fans in [&listed[..], &renamed] {
        broadcasts
            .add_recipients(creator_id(1), id(1), fans)
            .await
            .unwrap();
    }
    let known = BTreeMap::from([(fan_id(1), "Ann".into()), (fan_id(2), odd.into())]);
    assert_eq!(names(1, 1).await, known);
    let of_fan = broadcasts.broadcasts_to(conversation_id(1, 2), None, 2);
    let of_fan = of_fan.await.unwrap();
    assert_eq!(of_fan[0].name.as_deref(), Some(odd));
    shift(&*broadcasts, &fans([1]), Standing::Waiting, Standing::Sent).await;
    assert_eq!(names(1, 1).await, known);
    assert_eq!(names(1, 2).await, BTreeMap::new());
    assert_eq!(names(2, 1).await, BTreeMap::new());
    let none = broadcasts.recipient_names(creator_id(1), id(1), &[]).await;
    assert_eq!(none.unwrap(), BTreeMap::new());
    broadcasts
        .clear_gathered(creator_id(1), id(1))
        .await
        .unwrap();
    let left = BTreeMap::from([(fan_id(1), "Ann".into())]);
    assert_eq!(names(1, 1).await, left);
    broadcasts
        .forget_recipient(conversation_id(1, 1))
        .await
        .unwrap();
    assert_eq!(names(1, 1).await, BTreeMap::new());
}

pub async fn only_who_stands_there_is_moved(broadcasts: Arc<dyn Broadcasts>) {
    put(&*broadcasts, 1, 1).await;
    add(&*broadcasts, 1, 1, &fans(1..=4)).await;
    shift(
        &*broadcasts,
        &fans([1, 2]),
        Standing::Waiting,
        Standing::Placed,
    )
    .await;
    // The second stands elsewhere, and the ninth is not there.
    let moved = fans([2, 3, 9]);
    let skipped = Standing::Skipped(Skip::OptedOut);
    for _ in 0..2 {
        shift(&*broadcasts, &moved, Standing::Waiting, skipped).await;
    }
    assert_eq!(
        standing(&*broadcasts, 1, 1, Standing::Waiting).await,
        fans([4])
    );
    assert_eq!(
        standing(&*broadcasts, 1, 1, Standing::Placed).await,
        fans([1, 2])
    );
    assert_eq!(standing(&*broadcasts, 1, 1, skipped).await, fans([3]));
    shift(&*broadcasts, &[], Standing::Waiting, skipped).await;
}

pub async fn recipients_are_listed_in_order_page_by_page(broadcasts: Arc<dyn Broadcasts>) {
    put(&*broadcasts, 1, 1).await;
    let all = fans(1..=7);
    add(&*broadcasts, 1, 1, &all).await;
    let mut listed: Vec<FanId> = Vec::new();
    loop {
        let after = listed.last().copied();
        let page = broadcasts
            .recipients(creator_id(1), id(1), Standing::Waiting, after, 3)
            .await
            .unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 3);
        listed.extend(page);
    }
    assert_eq!(listed, all);
    let none = broadcasts.recipients(creator_id(1), id(1), Standing::Waiting, None, 0);
    assert_eq!(none.await.unwrap(), []);
}

pub async fn who_waits_is_cleared_and_the_others_stay(broadcasts: Arc<dyn Broadcasts>) {
    put(&*broadcasts, 1, 1).await;
    put(&*broadcasts, 1, 2).await;
    add(&*broadcasts, 1, 1, &fans(1..=3)).await;
    add(&*broadcasts, 1, 2, &fans(1..=3)).await;
    shift(&*broadcasts, &fans([1]), Standing::Waiting, Standing::Sent).await;
    let left_out = Standing::Skipped(Skip::NotInSegment);
    shift(&*broadcasts, &fans([2]), Standing::Waiting, left_out).await;
    for _ in 0..2 {
        broadcasts
            .clear_gathered(creator_id(1), id(1))
            .await
            .unwrap();
    }
    assert_eq!(
        counts(&*broadcasts, 1, 1).await,
        BTreeMap::from([(Standing::Sent, 1)])
    );
    assert_eq!(
        counts(&*broadcasts, 1, 2).await,
        BTreeMap::from([(Standing::Waiting, 3)])
    );
}

pub async fn the_broadcasts_of_a_fan_are_listed_page_by_page(broadcasts: Arc<dyn Broadcasts>) {
    for number in 1..=3 {
        put(&*broadcasts, 1, number).await;
        add(&*broadcasts, 1, number, &fans([number, 9])).await;
    }
    let of = conversation_id(1, 9);
    let recipient = |number| Recipient {
        broadcast: id(number),
        standing: Standing::Waiting,
        name: None,
    };
    let first = broadcasts.broadcasts_to(of, None, 2).await.unwrap();
    assert_eq!(first, [recipient(1), recipient(2)]);
    let rest = broadcasts.broadcasts_to(of, Some(id(2)), 2).await.unwrap();
    assert_eq!(rest, [recipient(3)]);
    let other = broadcasts
        .broadcasts_to(conversation_id(2, 9), None, 2)
        .await;
    assert_eq!(other.unwrap(), []);
}

pub async fn a_fan_is_forgotten_and_the_others_stay(broadcasts: Arc<dyn Broadcasts>) {
    for (creator, number) in [(1, 1), (1, 2), (2, 3)] {
        put(&*broadcasts, creator, number).await;
        add(&*broadcasts, creator, number, &fans([1, 2])).await;
    }
    for _ in 0..2 {
        broadcasts
            .forget_recipient(conversation_id(1, 1))
            .await
            .unwrap();
    }
    for number in [1, 2] {
        assert_eq!(
            standing(&*broadcasts, 1, number, Standing::Waiting).await,
            fans([2])
        );
    }
    assert_eq!(
        standing(&*broadcasts, 2, 3, Standing::Waiting).await,
        fans([1, 2])
    );
}

pub async fn no_creator_sees_anothers_recipients(broadcasts: Arc<dyn Broadcasts>) {
    for creator in [1, 2] {
        put(&*broadcasts, creator, 1).await;
    }
    add(&*broadcasts, 2, 1, &fans([1, 2])).await;
    assert_eq!(counts(&*broadcasts, 1, 1).await, BTreeMap::new());
    assert_eq!(standing(&*broadcasts, 1, 1, Standing::Waiting).await, []);
    shift(&*broadcasts, &fans([1]), Standing::Waiting, Standing::Sent).await;
    broadcasts
        .clear_gathered(creator_id(1), id(1))
        .await
        .unwrap();
    assert_eq!(
        counts(&*broadcasts, 2, 1).await,
        BTreeMap::from([(Standing::Waiting, 2)])
    );
}

pub async fn every_standing_reads_back(broadcasts: Arc<dyn Broadcasts>) {
    put(&*broadcasts, 1, 1).await;
    let standings: Vec<Standing> = [Standing::Placed, Standing::Sent, Standing::Failed]
        .into_iter()
        .chain(Skip::ALL.map(Standing::Skipped))
        .collect();
    for (number, to) in (1..).zip(&standings) {
        add(&*broadcasts, 1, 1, &fans([number])).await;
        shift(&*broadcasts, &fans([number]), Standing::Waiting, *to).await;
        let listed = broadcasts
            .broadcasts_to(conversation_id(1, number), None, 1)
            .await;
        assert_eq!(listed.unwrap()[0].standing, *to);
    }
    let counted = counts(&*broadcasts, 1, 1).await;
    assert_eq!(counted.into_keys().collect::<Vec<_>>(), {
        let mut sorted = standings;
        sorted.sort_unstable();
        sorted
    });
}

pub async fn erasing_a_creator_takes_broadcasts_and_recipients(broadcasts: Arc<dyn Broadcasts>) {
    for (creator, number) in [(1, 1), (1, 2), (1, 3), (2, 1)] {
        put(&*broadcasts, creator, number).await;
    }
    add(&*broadcasts, 1, 1, &fans(1..=4)).await;
    add(&*broadcasts, 1, 2, &fans(1..=3)).await;
    add(&*broadcasts, 2, 1, &fans(1..=2)).await;
    let mut parts = 1;
    while broadcasts
        .erase_broadcasts_of(creator_id(1), 2)
        .await
        .unwrap()
        == Erased::Some
    {
        parts += 1;
        assert!(parts < 100, "the erasure does not end");
    }
    assert!(parts >= 5, "{parts} parts of two for ten rows");
    let page = PageRequest::first(10);
    let left = broadcasts.broadcasts(creator_id(1), &page).await.unwrap();
    assert!(left.items.is_empty());
    for number in [1, 2] {
        let counts = broadcasts.recipient_counts(creator_id(1), id(number)).await;
        assert_eq!(counts.unwrap(), []);
    }
    let other = broadcasts.broadcasts(creator_id(2), &page).await.unwrap();
    assert_eq!(other.items.len(), 1);
    let counts = broadcasts.recipient_counts(creator_id(2), id(1)).await;
    assert_eq!(counts.unwrap(), [(Standing::Waiting, 2)]);
    let again = broadcasts
        .erase_broadcasts_of(creator_id(1), 2)
        .await
        .unwrap();
    assert_eq!(again, Erased::All);
}

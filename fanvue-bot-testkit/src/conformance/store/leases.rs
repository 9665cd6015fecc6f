//! Leases: one holder at a time, fenced.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::store::{HolderId, Lease, LeaseName, Store};
use tokio::task::JoinSet;

use super::Time;

fn name() -> LeaseName {
    LeaseName::new("refresh/creator-1")
}

fn holder(name: &str) -> HolderId {
    HolderId::new(name)
}

async fn take(store: &dyn Store, who: &str, time: &Time, ttl: Duration) -> Option<Lease> {
    store
        .acquire_lease(&name(), &holder(who), time.now(), ttl)
        .await
        .unwrap()
}

pub async fn a_free_lease_is_granted(store: Arc<dyn Store>, time: Time) {
    let now = time.now();
    let lease = take(&store, "a", &time, time.long()).await.unwrap();
    assert_eq!(lease.name, name());
    assert_eq!(lease.holder, holder("a"));
    time.assert_ends(lease.until, now, time.long());
}

pub async fn a_held_lease_is_refused_to_others(store: Arc<dyn Store>, time: Time) {
    take(&store, "a", &time, time.long()).await.unwrap();
    assert_eq!(take(&store, "b", &time, time.long()).await, None);
    assert_eq!(take(&store, "b", &time, time.long()).await, None);
}

pub async fn leases_of_different_names_are_independent(store: Arc<dyn Store>, time: Time) {
    take(&store, "a", &time, time.long()).await.unwrap();
    let other = store
        .acquire_lease(
            &LeaseName::new("refresh/creator-2"),
            &holder("b"),
            time.now(),
            time.long(),
        )
        .await
        .unwrap();
    assert!(other.is_some());
}

pub async fn a_holder_who_asks_again_gets_the_lease_extended(store: Arc<dyn Store>, time: Time) {
    let first = take(&store, "a", &time, time.short()).await.unwrap();
    let now = time.now();
    let second = take(&store, "a", &time, time.long()).await.unwrap();
    assert_eq!(second.fence, first.fence, "no new holder");
    time.assert_ends(second.until, now, time.long());
    time.outlast().await;
    assert_eq!(take(&store, "b", &time, time.long()).await, None);
}

pub async fn a_lapsed_lease_goes_to_the_next_with_a_greater_fence(
    store: Arc<dyn Store>,
    time: Time,
) {
    let first = take(&store, "a", &time, time.short()).await.unwrap();
    time.outlast().await;
    let second = take(&store, "b", &time, time.long()).await.unwrap();
    assert!(second.fence > first.fence);
    assert_eq!(second.holder, holder("b"));
    assert_eq!(take(&store, "a", &time, time.long()).await, None);
}

pub async fn a_lapsed_lease_can_be_taken_by_its_last_holder(store: Arc<dyn Store>, time: Time) {
    let first = take(&store, "a", &time, time.short()).await.unwrap();
    time.outlast().await;
    let second = take(&store, "a", &time, time.long()).await.unwrap();
    assert!(second.fence >= first.fence);
    assert_eq!(take(&store, "b", &time, time.long()).await, None);
}

pub async fn a_released_lease_is_free_at_once(store: Arc<dyn Store>, time: Time) {
    let lease = take(&store, "a", &time, time.long()).await.unwrap();
    store.release_lease(lease).await.unwrap();
    assert!(take(&store, "b", &time, time.long()).await.is_some());
}

pub async fn the_fence_grows_also_after_a_release(store: Arc<dyn Store>, time: Time) {
    let mut last = 0;
    for who in ["a", "b", "a", "c"] {
        let lease = take(&store, who, &time, time.long()).await.unwrap();
        assert!(lease.fence > last, "{} after {last}", lease.fence);
        last = lease.fence;
        store.release_lease(lease).await.unwrap();
    }
}

pub async fn releasing_a_lease_that_was_taken_over_is_harmless(store: Arc<dyn Store>, time: Time) {
    let first = take(&store, "a", &time, time.short()).await.unwrap();
    time.outlast().await;
    take(&store, "b", &time, time.long()).await.unwrap();
    store.release_lease(first).await.unwrap();
    assert_eq!(take(&store, "c", &time, time.long()).await, None);
}

pub async fn releasing_an_old_lease_leaves_a_newer_one_of_the_same_holder(
    store: Arc<dyn Store>,
    time: Time,
) {
    let first = take(&store, "a", &time, time.short()).await.unwrap();
    time.outlast().await;
    let between = take(&store, "b", &time, time.long()).await.unwrap();
    store.release_lease(between).await.unwrap();
    take(&store, "a", &time, time.long()).await.unwrap();
    store.release_lease(first).await.unwrap();
    assert_eq!(take(&store, "c", &time, time.long()).await, None);
}

pub async fn releasing_twice_is_harmless(store: Arc<dyn Store>, time: Time) {
    let lease = take(&store, "a", &time, time.long()).await.unwrap();
    let again = Lease {
        name: lease.name.clone(),
        holder: lease.holder.clone(),
        ..lease
    };
    store.release_lease(lease).await.unwrap();
    take(&store, "b", &time, time.long()).await.unwrap();
    store.release_lease(again).await.unwrap();
    assert_eq!(take(&store, "c", &time, time.long()).await, None);
}

pub async fn a_lease_that_is_extended_can_be_released_by_what_was_granted_first(
    store: Arc<dyn Store>,
    time: Time,
) {
    let first = take(&store, "a", &time, time.long()).await.unwrap();
    take(&store, "a", &time, time.long()).await.unwrap();
    store.release_lease(first).await.unwrap();
    assert!(take(&store, "b", &time, time.long()).await.is_some());
}

pub async fn long_and_odd_names_are_told_apart(store: Arc<dyn Store>, time: Time) {
    let names = [
        String::new(),
        " ".to_owned(),
        "a/b'c\"d\\e%_".to_owned(),
        "💌".repeat(50),
        "x".repeat(199),
        "x".repeat(200),
    ];
    for text in names {
        let name = LeaseName::new(text);
        let holders = [holder(name.as_str()), holder("another")];
        let [first, second] = holders.map(|holder| {
            let store = Arc::clone(&store);
            let (name, now, ttl) = (name.clone(), time.now(), time.long());
            async move { store.acquire_lease(&name, &holder, now, ttl).await.unwrap() }
        });
        let granted = first.await.unwrap();
        assert_eq!(granted.name, name);
        assert_eq!(second.await, None);
    }
}

pub async fn of_many_who_ask_at_once_exactly_one_gets_the_lease(store: Arc<dyn Store>, time: Time) {
    for _ in 0..5 {
        let mut rivals = JoinSet::new();
        for number in 0..16 {
            let (store, time) = (Arc::clone(&store), time.clone());
            rivals.spawn(async move {
                take(&store, &format!("rival-{number}"), &time, time.long()).await
            });
        }
        let mut granted: Vec<Lease> = rivals.join_all().await.into_iter().flatten().collect();
        assert_eq!(granted.len(), 1);
        store.release_lease(granted.remove(0)).await.unwrap();
    }
}

pub async fn many_who_take_turns_never_overlap(store: Arc<dyn Store>, time: Time) {
    let inside = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let mut workers = JoinSet::new();
    for number in 0..6 {
        let (store, time, inside) = (Arc::clone(&store), time.clone(), Arc::clone(&inside));
        workers.spawn(async move {
            let who = format!("worker-{number}");
            let mut fences = Vec::new();
            while fences.len() < 10 {
                let Some(lease) = take(&store, &who, &time, time.long()).await else {
                    tokio::task::yield_now().await;
                    continue;
                };
                let others = inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                assert_eq!(others, 0, "two holders at once");
                tokio::task::yield_now().await;
                inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                fences.push(lease.fence);
                store.release_lease(lease).await.unwrap();
            }
            fences
        });
    }
    let mut fences: Vec<u64> = workers.join_all().await.into_iter().flatten().collect();
    let granted = fences.len();
    fences.sort_unstable();
    fences.dedup();
    assert_eq!(fences.len(), granted, "a fence was given out twice");
}

//! Registers: small values that many processes decide on together.

use std::sync::Arc;

use fanvue_bot_core::revision::{Revision, Versioned};
use fanvue_bot_core::store::{RegisterName, Store, StoreError};
use tokio::task::JoinSet;

fn name() -> RegisterName {
    RegisterName::new("rate/one")
}

fn assert_conflict(outcome: &Result<Revision, StoreError>) {
    assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");
}

pub async fn a_register_that_was_never_set_is_none(store: Arc<dyn Store>) {
    assert_eq!(store.register(&name()).await.unwrap(), None);
}

pub async fn a_register_reads_back_at_the_revision_of_its_setting(store: Arc<dyn Store>) {
    let first = store.set_register(&name(), "1", None).await.unwrap();
    let stored = store.register(&name()).await.unwrap();
    assert_eq!(stored, Some(Versioned::new("1".to_owned(), first)));
    let second = store.set_register(&name(), "2", Some(first)).await.unwrap();
    assert!(second > first);
    let stored = store.register(&name()).await.unwrap();
    assert_eq!(stored, Some(Versioned::new("2".to_owned(), second)));
}

pub async fn a_register_is_set_only_by_whoever_names_its_revision(store: Arc<dyn Store>) {
    let unknown = Revision::new(7);
    assert_conflict(&store.set_register(&name(), "none", Some(unknown)).await);
    assert_eq!(store.register(&name()).await.unwrap(), None);
    let first = store.set_register(&name(), "1", None).await.unwrap();
    let second = store.set_register(&name(), "2", Some(first)).await.unwrap();
    for stale in [None, Some(first), Some(second.next())] {
        assert_conflict(&store.set_register(&name(), "stale", stale).await);
    }
    let odd = Some(Revision::new(u64::MAX));
    assert_conflict(&store.set_register(&name(), "odd", odd).await);
    let stored = store.register(&name()).await.unwrap();
    assert_eq!(stored, Some(Versioned::new("2".to_owned(), second)));
}

pub async fn registers_of_different_names_are_independent(store: Arc<dyn Store>) {
    let another = RegisterName::new("rate/another");
    store.set_register(&name(), "1", None).await.unwrap();
    assert_eq!(store.register(&another).await.unwrap(), None);
    store.set_register(&another, "2", None).await.unwrap();
    let stored = store.register(&name()).await.unwrap().unwrap();
    assert_eq!(stored.value, "1");
}

pub async fn odd_names_and_values_of_a_register_read_back(store: Arc<dyn Store>) {
    let texts = [
        String::new(),
        " ".to_owned(),
        "a/b'c\"d\\e%_".to_owned(),
        "nul \0 and the last \u{10ffff}".to_owned(),
        "💌".repeat(50),
        "x".repeat(200),
    ];
    for text in &texts {
        let name = RegisterName::new(text.clone());
        store.set_register(&name, text, None).await.unwrap();
    }
    for text in &texts {
        let name = RegisterName::new(text.clone());
        let stored = store.register(&name).await.unwrap().unwrap();
        assert_eq!(stored.value, *text);
    }
}

pub async fn of_many_who_count_at_once_no_count_is_lost(store: Arc<dyn Store>) {
    let mut rivals = JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        rivals.spawn(async move {
            let mut counted = 0;
            while counted < 10 {
                let stored = store.register(&name()).await.unwrap();
                let (count, expected) = stored.map_or((0, None), |stored| {
                    (stored.value.parse().unwrap(), Some(stored.revision))
                });
                let next: u32 = count + 1;
                match store
                    .set_register(&name(), &next.to_string(), expected)
                    .await
                {
                    Ok(_) => counted += 1,
                    Err(StoreError::Conflict) => tokio::task::yield_now().await,
                    Err(error) => panic!("{error:?}"),
                }
            }
        });
    }
    rivals.join_all().await;
    let stored = store.register(&name()).await.unwrap().unwrap();
    assert_eq!(stored.value, "80");
}

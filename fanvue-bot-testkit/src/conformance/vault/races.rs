//! Concurrent writes and dropped futures.

use std::sync::Arc;

use fanvue_bot_core::secret::{Secret, SecretVault, VaultError};
use tokio::task::JoinSet;

use super::{id, put, read};
use crate::conformance::cut::{CUTS, cut};

pub async fn of_concurrent_first_puts_exactly_one_wins(vault: Arc<dyn SecretVault>) {
    let mut rivals = JoinSet::new();
    for number in 0..16_u8 {
        let vault = Arc::clone(&vault);
        rivals.spawn(async move {
            let result = vault.put(&id(1), &Secret::new([number]), None).await;
            (number, result)
        });
    }
    let mut winners = Vec::new();
    for (number, result) in rivals.join_all().await {
        match result {
            Ok(_) => winners.push(number),
            Err(VaultError::Conflict) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(read(&vault, 1).await.expose(), winners);
}

pub async fn of_concurrent_rotations_exactly_one_wins(vault: Arc<dyn SecretVault>) {
    let mut revision = put(&vault, 1, b"first").await;
    for _ in 0..5 {
        let mut rivals = JoinSet::new();
        for number in 0..12_u8 {
            let vault = Arc::clone(&vault);
            rivals.spawn(async move {
                let secret = Secret::new([number]);
                (number, vault.put(&id(1), &secret, Some(revision)).await)
            });
        }
        let won: Vec<_> = rivals
            .join_all()
            .await
            .into_iter()
            .filter_map(|(number, result)| result.ok().map(|revision| (number, revision)))
            .collect();
        assert_eq!(won.len(), 1);
        assert_eq!(read(&vault, 1).await.expose(), [won[0].0]);
        revision = won[0].1;
    }
}

pub async fn a_put_and_a_delete_of_one_revision_do_not_both_win(vault: Arc<dyn SecretVault>) {
    for number in 1..=10 {
        let revision = put(&vault, number, b"old").await;
        let putting = {
            let vault = Arc::clone(&vault);
            let secret = Secret::new(*b"new");
            tokio::spawn(async move { vault.put(&id(number), &secret, Some(revision)).await })
        };
        let deleted = vault.delete(&id(number), revision).await.is_ok();
        let replaced = putting.await.unwrap().is_ok();
        assert!(deleted != replaced, "deleted: {deleted}");
        let stored = vault.get(&id(number)).await.unwrap();
        assert_eq!(stored.is_some(), replaced);
    }
}

pub async fn a_dropped_put_leaves_the_old_value_or_the_new_one(vault: Arc<dyn SecretVault>) {
    for (number, polls) in (1..).zip(CUTS) {
        let revision = put(&vault, number, b"old").await;
        let secret = Secret::new(*b"new");
        let target = id(number);
        let done = cut(polls, vault.put(&target, &secret, Some(revision))).await;
        let stored = read(&vault, number).await;
        assert!(
            stored.expose() == b"new" || (done.is_none() && stored.expose() == b"old"),
            "neither"
        );
        // Whoever reads again gets through.
        loop {
            let newest = vault.get(&target).await.unwrap().unwrap();
            let last = Secret::new(*b"last");
            match vault.put(&target, &last, Some(newest.revision)).await {
                Ok(_) => break,
                Err(VaultError::Conflict) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(read(&vault, number).await.expose(), b"last");
    }
}

pub async fn a_dropped_delete_leaves_the_secret_or_nothing(vault: Arc<dyn SecretVault>) {
    for (number, polls) in (1..).zip(CUTS) {
        let revision = put(&vault, number, b"old").await;
        let target = id(number);
        let done = cut(polls, vault.delete(&target, revision)).await;
        match vault.get(&target).await.unwrap() {
            Some(stored) => {
                assert!(done.is_none(), "done, but there");
                assert_eq!(stored.value.expose(), b"old");
            }
            None => assert!(polls > 0, "gone without being asked"),
        }
    }
}

pub async fn a_dropped_get_changes_nothing(vault: Arc<dyn SecretVault>) {
    put(&vault, 1, b"x").await;
    let before = vault.get(&id(1)).await.unwrap();
    for polls in CUTS {
        drop(cut(polls, vault.get(&id(1))).await);
    }
    assert_eq!(vault.get(&id(1)).await.unwrap(), before);
}

//! One secret is brought under another key.

use fanvue_bot_core::secret::{
    Keyring, KeyringError, Rewrapped, Secret, SecretVault as _, VaultError,
};

use super::{Reopen, id, key, put, read};
use crate::conformance::cut::{CUTS, cut};

pub async fn a_rewrapped_secret_opens_with_the_new_key_alone(place: Reopen) {
    put(&*place.old(), id(1)).await;
    let new = place.new_only();
    assert!(matches!(
        new.get(&id(1)).await,
        Err(VaultError::Sealed { .. })
    ));
    let both = place.both();
    assert_eq!(read(&*both, id(1)).await, id(1).to_string());
    assert_eq!(both.rewrap(&id(1)).await.unwrap(), Rewrapped::Done);
    assert_eq!(read(&*both, id(1)).await, id(1).to_string());
    assert_eq!(read(&*new, id(1)).await, id(1).to_string());
    assert!(matches!(
        place.old().get(&id(1)).await,
        Err(VaultError::Sealed { .. })
    ));
}

pub async fn whoever_read_a_secret_before_it_was_rewrapped_can_replace_it(place: Reopen) {
    let revision = put(&*place.old(), id(1)).await;
    let both = place.both();
    both.rewrap(&id(1)).await.unwrap();
    let stored = both.get(&id(1)).await.unwrap().unwrap();
    assert_eq!(stored.revision, revision);
    let next = Secret::new(*b"next");
    let newest = both.put(&id(1), &next, Some(revision)).await.unwrap();
    assert!(newest > revision);
    assert_eq!(read(&*both, id(1)).await, "next");
}

pub async fn a_secret_under_the_primary_key_needs_nothing(place: Reopen) {
    let both = place.both();
    put(&*both, id(1)).await;
    let before = both.get(&id(1)).await.unwrap();
    assert_eq!(both.rewrap(&id(1)).await.unwrap(), Rewrapped::NotNeeded);
    assert_eq!(both.get(&id(1)).await.unwrap(), before);
    put(&*place.old(), id(2)).await;
    both.rewrap(&id(2)).await.unwrap();
    assert_eq!(both.rewrap(&id(2)).await.unwrap(), Rewrapped::NotNeeded);
}

pub async fn a_secret_that_is_gone_needs_nothing(place: Reopen) {
    let both = place.both();
    assert_eq!(both.rewrap(&id(1)).await.unwrap(), Rewrapped::NotNeeded);
    assert_eq!(both.get(&id(1)).await.unwrap(), None);
}

pub async fn a_secret_under_a_key_that_is_not_at_hand_stays_as_it_is(place: Reopen) {
    let old = place.old();
    put(&*old, id(1)).await;
    let refused = place.new_only().rewrap(&id(1)).await;
    let Err(VaultError::Sealed {
        source: KeyringError::UnknownKey { key: named },
        ..
    }) = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!(named, Keyring::new(key(1)).primary());
    assert_eq!(read(&*old, id(1)).await, id(1).to_string());
}

pub async fn what_does_not_open_names_its_revision_and_can_be_replaced_and_removed(place: Reopen) {
    let (old, new) = (place.old(), place.new_only());
    let mut named = Vec::new();
    for number in [1, 2] {
        let stored = put(&*old, id(number)).await;
        match new.get(&id(number)).await {
            Err(VaultError::Sealed { revision, .. }) => assert_eq!(revision, stored),
            other => panic!("{other:?}"),
        }
        named.push(stored);
    }
    let entered = Secret::new(*b"entered again");
    let blind = new.put(&id(1), &entered, None).await;
    assert!(matches!(blind, Err(VaultError::Conflict)), "{blind:?}");
    new.put(&id(1), &entered, Some(named[0])).await.unwrap();
    assert_eq!(read(&*new, id(1)).await, "entered again");
    new.delete(&id(2), named[1]).await.unwrap();
    assert_eq!(new.get(&id(2)).await.unwrap(), None);
}

pub async fn a_put_at_the_same_time_wins(place: Reopen) {
    let (old, both) = (place.old(), place.both());
    for number in 1..=20 {
        let revision = put(&*old, id(number)).await;
        let rewrapping = {
            let both = place.both();
            tokio::spawn(async move { both.rewrap(&id(number)).await })
        };
        let newer = Secret::new(*b"newer");
        both.put(&id(number), &newer, Some(revision)).await.unwrap();
        rewrapping.await.unwrap().unwrap();
        assert_eq!(read(&*both, id(number)).await, "newer");
    }
}

pub async fn a_delete_at_the_same_time_wins(place: Reopen) {
    let (old, both) = (place.old(), place.both());
    for number in 1..=20 {
        let revision = put(&*old, id(number)).await;
        let rewrapping = {
            let both = place.both();
            tokio::spawn(async move { both.rewrap(&id(number)).await })
        };
        both.delete(&id(number), revision).await.unwrap();
        rewrapping.await.unwrap().unwrap();
        assert_eq!(both.get(&id(number)).await.unwrap(), None);
    }
}

pub async fn a_dropped_rewrap_leaves_a_secret_that_opens(place: Reopen) {
    let (old, both) = (place.old(), place.both());
    for (number, polls) in (1..).zip(CUTS) {
        put(&*old, id(number)).await;
        let target = id(number);
        drop(cut(polls, both.rewrap(&target)).await);
        assert_eq!(read(&*both, id(number)).await, id(number).to_string());
    }
}

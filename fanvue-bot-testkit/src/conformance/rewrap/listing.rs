//! Which secrets are under which key.

use fanvue_bot_core::page::{Cursor, PageRequest};
use fanvue_bot_core::secret::{Keyring, Rewrap, SealedUnder, VaultError};

use super::{Reopen, ids, key, put};

/// The whole list, in pages of `limit`.
async fn list(vault: &dyn Rewrap, limit: usize) -> Vec<SealedUnder> {
    let mut all = Vec::new();
    let mut request = PageRequest::first(limit);
    loop {
        let page = vault.under_other_keys(&request).await.unwrap();
        assert!(page.items.len() <= limit);
        all.extend(page.items);
        match page.next {
            Some(cursor) => request = PageRequest::after(limit, cursor),
            None => return all,
        }
    }
}

pub async fn what_is_under_another_key_is_listed_once_with_that_key(place: Reopen) {
    let (old, both) = (place.old(), place.both());
    let mut expected = ids();
    for id in &expected {
        put(&*old, *id).await;
    }
    expected.sort();
    for limit in [1, 2, 7, 100] {
        let mut listed = list(&*both, limit).await;
        listed.sort_by_key(|sealed| sealed.id);
        let found: Vec<_> = listed.iter().map(|sealed| sealed.id).collect();
        assert_eq!(found, expected, "in pages of {limit}");
        let of_old = Some(Keyring::new(key(1)).primary());
        assert!(listed.iter().all(|sealed| sealed.key == of_old));
    }
    let count = u64::try_from(expected.len()).unwrap();
    assert_eq!(both.count_under_other_keys().await.unwrap(), count);
}

pub async fn what_is_under_the_primary_key_is_not_listed(place: Reopen) {
    let both = place.both();
    for id in ids() {
        put(&*both, id).await;
    }
    for vault in [both, place.new_only()] {
        assert_eq!(vault.primary_key(), Keyring::new(key(2)).primary());
        assert_eq!(list(&*vault, 10).await, []);
        assert_eq!(vault.count_under_other_keys().await.unwrap(), 0);
    }
    let count = u64::try_from(ids().len()).unwrap();
    assert_eq!(place.old().count_under_other_keys().await.unwrap(), count);
}

pub async fn what_is_rewrapped_leaves_the_list_and_the_count(place: Reopen) {
    let (old, both) = (place.old(), place.both());
    for id in ids() {
        put(&*old, id).await;
    }
    let mut left = ids();
    while let Some(id) = left.pop() {
        both.rewrap(&id).await.unwrap();
        let listed = list(&*both, 4).await;
        assert!(listed.iter().all(|sealed| sealed.id != id));
        assert_eq!(listed.len(), left.len());
        let count = u64::try_from(left.len()).unwrap();
        assert_eq!(both.count_under_other_keys().await.unwrap(), count);
    }
}

pub async fn a_page_after_one_that_was_rewrapped_misses_nothing(place: Reopen) {
    let (old, both) = (place.old(), place.both());
    for id in ids() {
        put(&*old, id).await;
    }
    let mut request = PageRequest::first(3);
    loop {
        let page = both.under_other_keys(&request).await.unwrap();
        for sealed in page.items {
            both.rewrap(&sealed.id).await.unwrap();
        }
        match page.next {
            Some(cursor) => request = PageRequest::after(3, cursor),
            None => break,
        }
    }
    assert_eq!(both.count_under_other_keys().await.unwrap(), 0);
}

pub async fn a_cursor_from_elsewhere_is_refused(place: Reopen) {
    let request = PageRequest::after(10, Cursor::new("no such place"));
    let refused = place.both().under_other_keys(&request).await;
    assert!(
        matches!(refused, Err(VaultError::InvalidCursor)),
        "{refused:?}"
    );
}

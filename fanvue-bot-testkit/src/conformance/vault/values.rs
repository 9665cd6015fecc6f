//! Secrets read back byte for byte, and revisions guard them.

use std::sync::Arc;

use fanvue_bot_core::revision::Revision;
use fanvue_bot_core::secret::{Secret, SecretVault, VaultError};

use super::{id, put, read};

pub async fn a_secret_that_was_never_put_is_none(vault: Arc<dyn SecretVault>) {
    assert_eq!(vault.get(&id(1)).await.unwrap(), None);
}

pub async fn a_secret_reads_back_at_the_revision_of_the_put(vault: Arc<dyn SecretVault>) {
    let secret = Secret::new(*b"s3cret");
    let revision = vault.put(&id(1), &secret, None).await.unwrap();
    let stored = vault.get(&id(1)).await.unwrap().unwrap();
    assert_eq!(stored.value, secret);
    assert_eq!(stored.revision, revision);
}

pub async fn any_bytes_read_back(vault: Arc<dyn SecretVault>) {
    let all: Vec<u8> = (0..=255).collect();
    let odd: [&[u8]; 9] = [
        b"",
        b"\0",
        b"\0\0\0",
        b" leading and trailing \n",
        b"'; DROP TABLE secrets; --",
        b"{\"access_token\":\"a\",\"refresh_token\":\"b\"}",
        b"\xff\xfe\xc0\xaf",
        "💌".as_bytes(),
        &all,
    ];
    for (number, bytes) in (1..).zip(odd) {
        put(&vault, number, bytes).await;
        assert_eq!(read(&vault, number).await.expose(), bytes);
    }
}

pub async fn an_empty_secret_is_not_none(vault: Arc<dyn SecretVault>) {
    put(&vault, 1, b"").await;
    assert_eq!(read(&vault, 1).await.expose(), b"");
}

pub async fn a_large_secret_reads_back(vault: Arc<dyn SecretVault>) {
    for (number, size) in (1..).zip([4_095, 4_096, 65_535, 65_536, 1 << 20]) {
        let bytes: Vec<u8> = (0..size)
            .map(|at: u32| at.to_le_bytes()[0] ^ 0x5a)
            .collect();
        put(&vault, number, &bytes).await;
        assert_eq!(read(&vault, number).await.expose(), bytes);
    }
}

pub async fn a_secret_is_replaced_at_its_revision(vault: Arc<dyn SecretVault>) {
    let mut last = put(&vault, 1, b"0").await;
    for text in [&b"1"[..], b"a longer one", b"2", b""] {
        let next = vault
            .put(&id(1), &Secret::new(text), Some(last))
            .await
            .unwrap();
        assert!(next > last, "{next} follows {last}");
        let stored = vault.get(&id(1)).await.unwrap().unwrap();
        assert_eq!((stored.value.expose(), stored.revision), (text, next));
        last = next;
    }
}

pub async fn putting_the_same_value_is_a_new_revision(vault: Arc<dyn SecretVault>) {
    let first = put(&vault, 1, b"same").await;
    let second = vault.put(&id(1), &Secret::new(*b"same"), Some(first)).await;
    assert!(second.unwrap() > first);
}

pub async fn a_secret_that_exists_is_not_added_again(vault: Arc<dyn SecretVault>) {
    let revision = put(&vault, 1, b"first").await;
    let refused = vault.put(&id(1), &Secret::new(*b"second"), None).await;
    assert!(matches!(refused, Err(VaultError::Conflict)), "{refused:?}");
    let stored = vault.get(&id(1)).await.unwrap().unwrap();
    assert_eq!(stored.value.expose(), b"first");
    assert_eq!(stored.revision, revision);
}

pub async fn a_secret_that_does_not_exist_is_not_replaced(vault: Arc<dyn SecretVault>) {
    let refused = vault
        .put(&id(1), &Secret::new(*b"x"), Some(Revision::FIRST))
        .await;
    assert!(matches!(refused, Err(VaultError::Conflict)), "{refused:?}");
    assert_eq!(vault.get(&id(1)).await.unwrap(), None);
}

pub async fn a_stale_put_conflicts_and_changes_nothing(vault: Arc<dyn SecretVault>) {
    let stale = put(&vault, 1, b"first").await;
    let newest = vault
        .put(&id(1), &Secret::new(*b"second"), Some(stale))
        .await
        .unwrap();
    for expected in [stale, newest.next(), Revision::new(newest.number() + 100)] {
        let refused = vault
            .put(&id(1), &Secret::new(*b"late"), Some(expected))
            .await;
        assert!(matches!(refused, Err(VaultError::Conflict)), "{refused:?}");
    }
    let stored = vault.get(&id(1)).await.unwrap().unwrap();
    assert_eq!(stored.value.expose(), b"second");
    assert_eq!(stored.revision, newest);
}

pub async fn a_deleted_secret_is_gone(vault: Arc<dyn SecretVault>) {
    let revision = put(&vault, 1, b"x").await;
    vault.delete(&id(1), revision).await.unwrap();
    assert_eq!(vault.get(&id(1)).await.unwrap(), None);
}

pub async fn deleting_what_is_not_there_conflicts(vault: Arc<dyn SecretVault>) {
    let refused = vault.delete(&id(1), Revision::FIRST).await;
    assert!(matches!(refused, Err(VaultError::Conflict)), "{refused:?}");
    let revision = put(&vault, 1, b"x").await;
    vault.delete(&id(1), revision).await.unwrap();
    let refused = vault.delete(&id(1), revision).await;
    assert!(matches!(refused, Err(VaultError::Conflict)), "{refused:?}");
}

pub async fn a_stale_delete_conflicts_and_changes_nothing(vault: Arc<dyn SecretVault>) {
    let stale = put(&vault, 1, b"first").await;
    let newest = vault
        .put(&id(1), &Secret::new(*b"second"), Some(stale))
        .await
        .unwrap();
    for expected in [stale, newest.next()] {
        let refused = vault.delete(&id(1), expected).await;
        assert!(matches!(refused, Err(VaultError::Conflict)), "{refused:?}");
    }
    assert_eq!(read(&vault, 1).await.expose(), b"second");
}

pub async fn a_deleted_secret_can_be_put_anew(vault: Arc<dyn SecretVault>) {
    let revision = put(&vault, 1, b"old").await;
    vault.delete(&id(1), revision).await.unwrap();
    put(&vault, 1, b"new").await;
    assert_eq!(read(&vault, 1).await.expose(), b"new");
}

pub async fn who_read_a_secret_before_it_was_deleted_cannot_replace_the_new_one(
    vault: Arc<dyn SecretVault>,
) {
    let old = put(&vault, 1, b"old").await;
    vault.delete(&id(1), old).await.unwrap();
    let new = put(&vault, 1, b"new").await;
    assert_ne!(old, new, "a revision came back");
    let refused = vault.put(&id(1), &Secret::new(*b"late"), Some(old)).await;
    assert!(matches!(refused, Err(VaultError::Conflict)), "{refused:?}");
    let refused = vault.delete(&id(1), old).await;
    assert!(matches!(refused, Err(VaultError::Conflict)), "{refused:?}");
    assert_eq!(read(&vault, 1).await.expose(), b"new");
}

pub async fn neither_errors_nor_the_vault_show_a_secret(vault: Arc<dyn SecretVault>) {
    put(&vault, 1, b"visible-if-leaked").await;
    let refused = vault
        .put(&id(1), &Secret::new(*b"visible-if-leaked-too"), None)
        .await
        .unwrap_err();
    let shown = format!(
        "{refused} {refused:?} {vault:?} {:?}",
        vault.get(&id(1)).await
    );
    assert!(!shown.contains("visible"), "{shown}");
}

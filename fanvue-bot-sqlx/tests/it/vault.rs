//! What the file holds of secrets, and the change of the master key.

use fanvue_bot_core::secret::{
    Keyring, KeyringError, MasterKey, Secret, SecretId, SecretKind, SecretVault as _, VaultError,
};
use fanvue_bot_sqlx::{SqliteBackend, SqliteVault};

use crate::given::{Db, conversation_id, db};

const CANARY: &[u8] = b"refresh-token-canary-7f3a";

fn key(first: u8) -> MasterKey {
    let mut bytes = [first; 32];
    bytes[31] = 0;
    MasterKey::from_bytes(&bytes).unwrap()
}

fn vault(db: &Db, keyring: Keyring) -> SqliteVault {
    SqliteVault::new(db.backend.clone(), keyring)
}

fn id(creator: u128) -> SecretId {
    SecretId::of_creator(conversation_id(creator, 0).creator, SecretKind::TokenSet)
}

#[tokio::test]
async fn no_file_of_the_database_holds_a_secret_in_clear() {
    let db = db().await;
    let vault = vault(&db, Keyring::new(key(1)));
    let revision = vault.put(&id(1), &Secret::new(CANARY), None).await.unwrap();
    vault
        .put(&id(1), &Secret::new(CANARY), Some(revision))
        .await
        .unwrap();
    let mut files = 0;
    for file in std::fs::read_dir(db.dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY));
        files += 1;
    }
    assert!(files >= 2, "the database and its log");
    assert!(!format!("{vault:?}").contains("canary"));
}

#[tokio::test]
async fn a_secret_moved_to_another_row_does_not_open() {
    let db = db().await;
    let vault = vault(&db, Keyring::new(key(1)));
    for creator in [1, 2] {
        vault
            .put(&id(creator), &Secret::new(CANARY), None)
            .await
            .unwrap();
    }
    sqlx::query(
        "UPDATE secrets SET sealed = (SELECT sealed FROM secrets ORDER BY creator_id LIMIT 1)",
    )
    .execute(&mut db.raw().await)
    .await
    .unwrap();
    assert!(vault.get(&id(1)).await.unwrap().is_some());
    assert!(matches!(
        vault.get(&id(2)).await,
        Err(VaultError::Sealed {
            source: KeyringError::Altered,
            ..
        })
    ));
}

#[tokio::test]
async fn a_deleted_secret_put_anew_has_a_new_revision() {
    let db = db().await;
    let vault = vault(&db, Keyring::new(key(1)));
    let first = vault.put(&id(1), &Secret::new(CANARY), None).await.unwrap();
    vault.delete(&id(1), first).await.unwrap();
    let second = vault.put(&id(1), &Secret::new(CANARY), None).await.unwrap();
    assert!(second > first);
    assert!(matches!(
        vault.delete(&id(1), first).await,
        Err(VaultError::Conflict)
    ));
    db.backend.close().await;
    let again = SqliteBackend::open(&db.path).await.unwrap();
    let again = SqliteVault::new(again, Keyring::new(key(1)));
    assert_eq!(again.get(&id(1)).await.unwrap().unwrap().revision, second);
}

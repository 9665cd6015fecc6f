//! A secret belongs to one owner and one kind.

use std::sync::Arc;

use fanvue_bot_core::id::AgencyId;
use fanvue_bot_core::secret::{Secret, SecretId, SecretKind, SecretVault, VaultError};

use super::given::creator_id;

fn all() -> Vec<SecretId> {
    SecretKind::ALL
        .iter()
        .flat_map(|&kind| {
            [
                SecretId::of_deployment(kind),
                SecretId::of_creator(creator_id(1), kind),
                SecretId::of_creator(creator_id(2), kind),
                // Of the same id as the creator, by chance or on purpose.
                SecretId::of_agency(AgencyId::from_uuid(creator_id(1).as_uuid()), kind),
            ]
        })
        .collect()
}

pub async fn every_owner_and_kind_has_a_secret_of_its_own(vault: Arc<dyn SecretVault>) {
    for id in all() {
        let secret = Secret::new(id.to_string());
        vault.put(&id, &secret, None).await.unwrap();
    }
    for id in all() {
        let stored = vault.get(&id).await.unwrap().unwrap();
        assert_eq!(stored.value.expose_text(), Some(id.to_string().as_str()));
    }
}

pub async fn a_secret_is_not_found_under_another_owner_or_kind(vault: Arc<dyn SecretVault>) {
    let owned = SecretId::of_creator(creator_id(1), SecretKind::TokenSet);
    let revision = vault
        .put(&owned, &Secret::new(*b"mine"), None)
        .await
        .unwrap();
    for other in all().into_iter().filter(|other| *other != owned) {
        assert_eq!(vault.get(&other).await.unwrap(), None, "{other}");
        let refused = vault.put(&other, &Secret::new(*b"x"), Some(revision)).await;
        assert!(matches!(refused, Err(VaultError::Conflict)), "{refused:?}");
        let refused = vault.delete(&other, revision).await;
        assert!(matches!(refused, Err(VaultError::Conflict)), "{refused:?}");
    }
    let stored = vault.get(&owned).await.unwrap().unwrap();
    assert_eq!(stored.value.expose(), b"mine");
}

pub async fn deleting_a_secret_leaves_all_others(vault: Arc<dyn SecretVault>) {
    let mut revisions = Vec::new();
    for id in all() {
        let secret = Secret::new(id.to_string());
        revisions.push((id, vault.put(&id, &secret, None).await.unwrap()));
    }
    let (deleted, revision) = revisions.remove(5);
    vault.delete(&deleted, revision).await.unwrap();
    assert_eq!(vault.get(&deleted).await.unwrap(), None);
    for (id, revision) in revisions {
        let stored = vault.get(&id).await.unwrap().unwrap();
        assert_eq!(stored.value.expose_text(), Some(id.to_string().as_str()));
        assert_eq!(stored.revision, revision);
    }
}

//! SQLite, through the facade: as store, queue and vault, and as both in one transaction.

use std::sync::Arc;

use fanvue_bot::backend::Backend;
use fanvue_bot::secret::{Keyring, MasterKey};
use fanvue_bot::sqlx::{SqliteBackend, SqliteVault};
use fanvue_bot_testkit::conformance::{Guarded, Reopen};
use fanvue_bot_testkit::{
    admin_queries_conformance, broadcasts_conformance, commit_and_enqueue_conformance,
    job_queue_conformance, rewrap_conformance, secret_vault_conformance, store_conformance,
};
use tempfile::TempDir;

/// An empty database, and the directory that must outlive it.
async fn empty() -> (SqliteBackend, TempDir) {
    let dir = tempfile::tempdir().expect("a directory for the database");
    let backend = SqliteBackend::open(dir.path().join("bot.db"))
        .await
        .expect("an empty database");
    (backend, dir)
}

mod store {
    use super::*;

    store_conformance!(async {
        let (backend, dir) = empty().await;
        Guarded::new(backend, dir)
    });
}

mod queue {
    use super::*;

    job_queue_conformance!(async {
        let (backend, dir) = empty().await;
        Guarded::new(backend, dir)
    });
}

mod vault {
    use super::*;

    secret_vault_conformance!(async {
        let (backend, dir) = empty().await;
        let key = MasterKey::from_bytes(b"0123456789abcdef0123456789abcdef").expect("a key");
        Guarded::new(SqliteVault::new(backend, Keyring::new(key)), dir)
    });
}

mod rewrap {
    use super::*;

    rewrap_conformance!(async {
        let (backend, dir) = empty().await;
        let guard = Arc::new(dir);
        Reopen::new(move |keyring| {
            Guarded::new(
                SqliteVault::new(backend.clone(), keyring),
                Arc::clone(&guard),
            )
        })
    });
}

mod backend {
    use super::*;

    commit_and_enqueue_conformance!(
        async {
            let (backend, dir) = empty().await;
            Backend::shared(Arc::new(Guarded::new(backend, dir)))
        },
        one_transaction
    );
}

mod admin {
    use super::*;

    admin_queries_conformance!(async {
        let (backend, dir) = empty().await;
        Guarded::new(backend, dir)
    });
}

mod broadcasts {
    use super::*;

    broadcasts_conformance!(async {
        let (backend, dir) = empty().await;
        Guarded::new(backend, dir)
    });
}

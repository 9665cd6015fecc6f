//! Postgres, through the facade: as store, queue and vault, and as both in one transaction.

use std::sync::Arc;

use fanvue_bot::backend::Backend;
use fanvue_bot::secret::{Keyring, MasterKey};
use fanvue_bot::sqlx::{PostgresBackend, PostgresVault};
use fanvue_bot_testkit::conformance::{Guarded, LeaseClock, Reopen};
use fanvue_bot_testkit::{
    admin_queries_conformance, broadcasts_conformance, commit_and_enqueue_conformance,
    job_queue_conformance, rewrap_conformance, secret_vault_conformance, store_conformance,
};

use crate::postgres_server::{Fresh, fresh};

/// An empty database, and what must outlive it; without a server there is none.
async fn empty() -> Option<(PostgresBackend, Fresh)> {
    let database = fresh().await?;
    let backend = PostgresBackend::builder(database.address())
        .max_connections(4)
        .open()
        .await
        .expect("an empty database");
    Some((backend, database))
}

/// The subject of a case, which is over without a server.
macro_rules! guarded {
    ($subject:expr) => {
        std::future::ready(match empty().await {
            Some((backend, database)) => Guarded::new($subject(backend), database),
            None => return,
        })
    };
}

mod store {
    use super::*;

    store_conformance!(guarded!(std::convert::identity), LeaseClock::Server);
}

mod queue {
    use super::*;

    job_queue_conformance!(guarded!(std::convert::identity), LeaseClock::Server);
}

mod vault {
    use super::*;

    fn sealed(backend: PostgresBackend) -> PostgresVault {
        let key = MasterKey::from_bytes(b"0123456789abcdef0123456789abcdef").expect("a key");
        PostgresVault::new(backend, Keyring::new(key))
    }

    secret_vault_conformance!(guarded!(sealed));
}

mod rewrap {
    use super::*;

    rewrap_conformance!(std::future::ready(match empty().await {
        Some((backend, database)) => {
            let guard = Arc::new(database);
            Reopen::new(move |keyring| {
                Guarded::new(
                    PostgresVault::new(backend.clone(), keyring),
                    Arc::clone(&guard),
                )
            })
        }
        None => return,
    }));
}

mod backend {
    use super::*;

    commit_and_enqueue_conformance!(
        std::future::ready(Backend::shared(Arc::new(
            guarded!(std::convert::identity).await
        ))),
        one_transaction
    );
}

mod admin {
    use super::*;

    admin_queries_conformance!(guarded!(std::convert::identity));
}

mod broadcasts {
    use super::*;

    broadcasts_conformance!(guarded!(std::convert::identity));
}

//! The ports' contracts on Postgres: directly with leases by the callers' clock, as simulations need it, and through
//! a pooler in transaction mode with leases by the server's. Directly with leases by the server's clock they run
//! through the facade.

use std::sync::Arc;

use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::secret::{Keyring, MasterKey};
use fanvue_bot_sqlx::postgres::{LeaseClock, Pooler};
use fanvue_bot_sqlx::{PostgresBackend, PostgresVault};
use fanvue_bot_testkit::conformance::{Guarded, LeaseClock as Clock, Reopen};
use fanvue_bot_testkit::{
    admin_queries_conformance, broadcasts_conformance, commit_and_enqueue_conformance,
    inbox_conformance, job_queue_conformance, rewrap_conformance, secret_vault_conformance,
    store_conformance,
};

use super::server::{Fresh, fresh};

async fn direct() -> Option<(PostgresBackend, Fresh)> {
    let database = fresh().await?;
    let backend = PostgresBackend::builder(database.address())
        .max_connections(4)
        .lease_clock(LeaseClock::Caller)
        .open()
        .await
        .unwrap();
    Some((backend, database))
}

async fn pooled() -> Option<(PostgresBackend, Fresh)> {
    let database = fresh().await?;
    let backend = PostgresBackend::builder(database.address_behind_pooler()?)
        .max_connections(6)
        .pooler(Pooler::Transaction)
        .open()
        .await
        .unwrap();
    Some((backend, database))
}

fn vault(backend: PostgresBackend) -> PostgresVault {
    let key = MasterKey::from_bytes(b"0123456789abcdef0123456789abcdef").unwrap();
    PostgresVault::new(backend, Keyring::new(key))
}

/// The subject of a case, which is over without a server.
macro_rules! on {
    ($backend:expr, $subject:expr) => {
        match $backend.await {
            Some((backend, database)) => Guarded::new($subject(backend), database),
            None => return,
        }
    };
    ($backend:expr) => {
        std::future::ready(on!($backend, std::convert::identity))
    };
}

mod store {
    use super::*;

    store_conformance!(on!(direct()));
}

mod queue {
    use super::*;

    job_queue_conformance!(on!(direct()));
}

mod inbox {
    use super::*;

    inbox_conformance!(on!(direct()));
}

mod vault_directly {
    use super::*;

    secret_vault_conformance!(std::future::ready(on!(direct(), vault)));
}

/// What opens an empty database under any keyring; a case is over without a server.
macro_rules! reopen {
    ($backend:expr) => {
        match $backend.await {
            Some((backend, database)) => {
                let guard = Arc::new(database);
                Reopen::new(move |keyring| {
                    let vault = PostgresVault::new(backend.clone(), keyring);
                    Guarded::new(vault, Arc::clone(&guard))
                })
            }
            None => return,
        }
    };
}

mod rewrap_directly {
    use super::*;

    rewrap_conformance!(std::future::ready(reopen!(direct())));
}

mod backend {
    use super::*;

    commit_and_enqueue_conformance!(
        std::future::ready(Backend::shared(Arc::new(on!(
            direct(),
            std::convert::identity
        )))),
        one_transaction
    );
}

mod store_behind_a_pooler {
    use super::*;

    store_conformance!(on!(pooled()), Clock::Server);
}

mod queue_behind_a_pooler {
    use super::*;

    job_queue_conformance!(on!(pooled()), Clock::Server);
}

mod broadcasts {
    use super::*;

    broadcasts_conformance!(on!(direct()));
}

mod broadcasts_behind_a_pooler {
    use super::*;

    broadcasts_conformance!(on!(pooled()));
}

mod inbox_behind_a_pooler {
    use super::*;

    inbox_conformance!(on!(pooled()));
}

mod vault_behind_a_pooler {
    use super::*;

    secret_vault_conformance!(std::future::ready(on!(pooled(), vault)));
}

mod rewrap_behind_a_pooler {
    use super::*;

    rewrap_conformance!(std::future::ready(reopen!(pooled())));
}

mod backend_behind_a_pooler {
    use super::*;

    commit_and_enqueue_conformance!(
        std::future::ready(Backend::shared(Arc::new(on!(
            pooled(),
            std::convert::identity
        )))),
        one_transaction
    );
}

mod admin {
    use super::*;

    admin_queries_conformance!(on!(direct()));
}

mod admin_behind_a_pooler {
    use super::*;

    admin_queries_conformance!(on!(pooled()));
}

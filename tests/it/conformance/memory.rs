//! The in-memory adapters: each alone, the backend as store and as queue, and behind pointers.

use std::sync::Arc;

use fanvue_bot_core::admin::AdminQueries;
use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::broadcast::Broadcasts;
use fanvue_bot_core::memory::{
    MemoryBackend, MemoryBroadcasts, MemoryInbox, MemoryQueue, MemoryStore, MemoryVault,
    SealedMemoryVault,
};
use fanvue_bot_core::queue::JobQueue;
use fanvue_bot_core::secret::{Keyring, MasterKey, Rewrap, SecretVault};
use fanvue_bot_core::store::Store;
use fanvue_bot_testkit::conformance::{Guarded, Reopen};
use fanvue_bot_testkit::fault::{FaultPlan, Faulty};
use fanvue_bot_testkit::{
    admin_queries_conformance, broadcasts_conformance, commit_and_enqueue_conformance,
    inbox_conformance, job_queue_conformance, rewrap_conformance, secret_vault_conformance,
    store_conformance,
};

fn sealed_vault() -> SealedMemoryVault {
    let key = MasterKey::from_bytes(b"0123456789abcdef0123456789abcdef").expect("a key");
    SealedMemoryVault::new(Keyring::new(key))
}

mod store {
    use super::*;

    store_conformance!(async { MemoryStore::new() });
}

mod queue {
    use super::*;

    job_queue_conformance!(async { MemoryQueue::new() });
}

mod inbox {
    use super::*;

    inbox_conformance!(async { MemoryInbox::new() });
}

mod vault {
    use super::*;

    secret_vault_conformance!(async { MemoryVault::new() });
}

mod sealed_vault {
    use super::*;

    secret_vault_conformance!(async { super::sealed_vault() });
}

mod rewrap {
    use super::*;

    rewrap_conformance!(async {
        let vault = sealed_vault();
        Reopen::new(move |keyring| vault.reopen(keyring))
    });
}

mod rewrap_behind_a_pointer {
    use super::*;

    rewrap_conformance!(async {
        let vault = sealed_vault();
        Reopen::new(move |keyring| Arc::new(vault.reopen(keyring)) as Arc<dyn Rewrap>)
    });
}

mod rewrap_decorated {
    use super::*;

    rewrap_conformance!(async {
        let vault = sealed_vault();
        Reopen::new(move |keyring| Faulty::new(vault.reopen(keyring), FaultPlan::none()))
    });
}

mod backend_as_store {
    use super::*;

    store_conformance!(async { MemoryBackend::new() });
}

mod backend_as_queue {
    use super::*;

    job_queue_conformance!(async { MemoryBackend::new() });
}

mod backend_shared {
    use super::*;

    commit_and_enqueue_conformance!(
        async { Backend::shared(Arc::new(MemoryBackend::new())) },
        one_transaction
    );
}

mod backend_separate {
    use super::*;

    commit_and_enqueue_conformance!(
        async { Backend::separate(Arc::new(MemoryStore::new()), Arc::new(MemoryQueue::new())) },
        two_steps
    );
}

mod store_behind_a_pointer {
    use super::*;

    store_conformance!(async { Arc::new(MemoryStore::new()) as Arc<dyn Store> });
}

mod queue_behind_a_pointer {
    use super::*;

    job_queue_conformance!(async { Arc::new(MemoryQueue::new()) as Arc<dyn JobQueue> });
}

mod vault_behind_a_pointer {
    use super::*;

    secret_vault_conformance!(async { Box::new(MemoryVault::new()) as Box<dyn SecretVault> });
}

mod store_decorated {
    use super::*;

    store_conformance!(async { Faulty::new(MemoryStore::new(), FaultPlan::none()) });
}

mod queue_decorated {
    use super::*;

    job_queue_conformance!(async { Guarded::new(MemoryQueue::new(), "a guard") });
}

mod vault_decorated {
    use super::*;

    secret_vault_conformance!(async { Faulty::new(MemoryVault::new(), FaultPlan::none()) });
}

mod backend_decorated {
    use super::*;

    commit_and_enqueue_conformance!(
        async {
            let faulty = Faulty::new(MemoryBackend::new(), FaultPlan::none());
            Backend::shared(Arc::new(faulty))
        },
        one_transaction
    );
}

mod admin {
    use super::*;

    admin_queries_conformance!(async { MemoryStore::new() });
}

mod backend_as_admin {
    use super::*;

    admin_queries_conformance!(async { MemoryBackend::new() });
}

mod admin_behind_a_pointer {
    use super::*;

    admin_queries_conformance!(async { Arc::new(MemoryStore::new()) as Arc<dyn AdminQueries> });
}

mod admin_decorated {
    use super::*;

    admin_queries_conformance!(async { Faulty::new(MemoryStore::new(), FaultPlan::none()) });
}

mod broadcasts {
    use super::*;

    broadcasts_conformance!(async { MemoryBroadcasts::new() });
}

mod broadcasts_behind_a_pointer {
    use super::*;

    broadcasts_conformance!(async { Arc::new(MemoryBroadcasts::new()) as Arc<dyn Broadcasts> });
}

mod broadcasts_decorated {
    use super::*;

    broadcasts_conformance!(async { Faulty::new(MemoryBroadcasts::new(), FaultPlan::none()) });
}

//! The contracts of the persistent ports as tests: one suite per port, for every adapter.
//!
//! The suite is the contract. A case is a sentence about behavior; a bug that is found in one adapter
//! becomes a case for all. Each suite is a macro that expands to one named `#[tokio::test]` per case, so
//! the crate that runs it needs `tokio` with features `macros` and `rt-multi-thread` as a
//! dev-dependency, and each suite wants a module of its own:
//!
//! ```
//! # fn main() {}
//! mod store {
//!     fanvue_bot_testkit::store_conformance!(async {
//!         fanvue_bot_core::memory::MemoryStore::new()
//!     });
//! }
//! mod queue {
//!     fanvue_bot_testkit::job_queue_conformance!(async {
//!         fanvue_bot_core::memory::MemoryQueue::new()
//!     });
//! }
//! mod inbox {
//!     fanvue_bot_testkit::inbox_conformance!(async {
//!         fanvue_bot_core::memory::MemoryInbox::new()
//!     });
//! }
//! mod broadcasts {
//!     fanvue_bot_testkit::broadcasts_conformance!(async {
//!         fanvue_bot_core::memory::MemoryBroadcasts::new()
//!     });
//! }
//! mod vault {
//!     fanvue_bot_testkit::secret_vault_conformance!(async {
//!         fanvue_bot_core::memory::MemoryVault::new()
//!     });
//! }
//! mod backend {
//!     use std::sync::Arc;
//!
//!     use fanvue_bot_core::backend::Backend;
//!     use fanvue_bot_core::memory::MemoryBackend;
//!
//!     fanvue_bot_testkit::commit_and_enqueue_conformance!(
//!         async { Backend::shared(Arc::new(MemoryBackend::new())) },
//!         one_transaction
//!     );
//! }
//! mod admin {
//!     fanvue_bot_testkit::admin_queries_conformance!(async {
//!         fanvue_bot_core::memory::MemoryStore::new()
//!     });
//! }
//! mod rewrap {
//!     use fanvue_bot_core::memory::SealedMemoryVault;
//!     use fanvue_bot_core::secret::{Keyring, MasterKey};
//!     use fanvue_bot_testkit::conformance::Reopen;
//!
//!     fanvue_bot_testkit::rewrap_conformance!(async {
//!         let key = MasterKey::from_bytes(b"0123456789abcdef0123456789abcdef").expect("a key");
//!         let vault = SealedMemoryVault::new(Keyring::new(key));
//!         Reopen::new(move |keyring| vault.reopen(keyring))
//!     });
//! }
//! ```
//!
//! # The factory
//!
//! The first argument is an expression that yields a future of an **empty** adapter; it is evaluated once
//! per case. What must live as long as the adapter, such as a temporary directory, goes with it in
//! [`Guarded`]. The expression stands in the test function, which returns `()`: where a database is
//! missing it may print why and `return`.
//!
//! # What adapters may differ in
//!
//! A difference is declared, as the second argument, and never asked for inside a case:
//!
//! | Suite | Capability | Default |
//! | --- | --- | --- |
//! | store, queue | [`LeaseClock`]: whose clock decides leases | `LeaseClock::Caller` |
//! | commit and enqueue | `one_transaction` or `two_steps` | none, must be said |
//!
//! With [`LeaseClock::Server`] a few cases wait for real leases of some hundred milliseconds.

pub mod admin;
pub mod backend;
pub mod broadcasts;
mod cut;
pub mod given;
mod guarded;
pub mod inbox;
pub mod queue;
pub mod rewrap;
pub mod store;
mod time;
pub mod vault;

#[doc(hidden)]
pub use fanvue_bot_core as __core;

pub use self::guarded::Guarded;
pub use self::rewrap::Reopen;
pub use self::time::{LeaseClock, Time};

/// Expands a list of cases to tests. `$extra` is what a case takes beside its subject.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    (
        [$port:ty, $suite:ident, $factory:expr, $extra:tt]
        $($theme:ident { $($case:ident)* })*
    ) => {
        $($(
            #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let subject: $port = $crate::conformance::IntoSubject::into_subject($factory.await);
                let case = $crate::__conformance_call!(
                    $crate::conformance::$suite::$theme::$case, subject, $extra
                );
                $crate::conformance::__in_time(case).await;
            }
        )*)*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_call {
    ($case:path, $subject:ident, ()) => {
        $case($subject)
    };
    ($case:path, $subject:ident, ($lease_clock:expr)) => {
        $case($subject, $crate::conformance::Time::new($lease_clock))
    };
}

/// Expands a list of cases to the list of their names.
#[cfg(test)]
macro_rules! names {
    ([] $($theme:ident { $($case:ident)* })*) => {
        vec![$((stringify!($theme), vec![$(stringify!($case)),*])),*]
    };
}
#[cfg(test)]
pub(crate) use names;

/// Runs a case; one that waits for something that never comes fails after two minutes.
#[doc(hidden)]
pub async fn __in_time(case: impl Future<Output = ()>) {
    let limit = std::time::Duration::from_secs(120);
    let result = tokio::time::timeout(limit, case).await;
    assert!(result.is_ok(), "the case does not end");
}

/// From what a factory yields to what a case takes.
#[doc(hidden)]
pub trait IntoSubject<S> {
    fn into_subject(self) -> S;
}

macro_rules! into_arc {
    ($($port:path),*) => {
        $(
            impl<T: $port> IntoSubject<std::sync::Arc<dyn $port>> for T {
                fn into_subject(self) -> std::sync::Arc<dyn $port> {
                    std::sync::Arc::new(self)
                }
            }
        )*
    };
}
into_arc!(
    fanvue_bot_core::admin::AdminQueries,
    fanvue_bot_core::store::Store,
    fanvue_bot_core::broadcast::Broadcasts,
    fanvue_bot_core::inbox::Inbox,
    fanvue_bot_core::queue::JobQueue,
    fanvue_bot_core::secret::SecretVault
);

impl IntoSubject<Self> for fanvue_bot_core::backend::Backend {
    fn into_subject(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    /// Every `pub async fn` of a theme's file is a case of the list, and the other way around.
    pub(super) fn check(theme: &str, listed: &[&str], source: &str) {
        let written: Vec<&str> = source
            .lines()
            .filter_map(|line| line.strip_prefix("pub async fn "))
            .filter_map(|rest| rest.split('(').next())
            .collect();
        assert_eq!(written, listed, "cases of {theme}");
    }
}

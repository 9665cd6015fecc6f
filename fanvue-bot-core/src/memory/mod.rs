//! Adapters that keep everything in memory: for a first run, for tests, and as the contract of the ports
//! in its shortest form. Nothing survives the process.
//!
//! [`MemoryBackend`] is store and queue in one, with one transaction for both. [`MemoryStore`] and
//! [`MemoryQueue`] are the two apart, for a deployment or a test in which they know nothing of each other.
//! [`MemoryVault`] keeps secrets, [`MemoryInbox`] events that are not yet taken in,
//! [`MemoryBroadcasts`] messages to many.
//!
//! ```
//! use std::sync::Arc;
//!
//! use fanvue_bot_core::backend::{Atomicity, Backend};
//! use fanvue_bot_core::memory::{MemoryBackend, MemoryQueue, MemoryStore};
//!
//! let shared = Backend::shared(Arc::new(MemoryBackend::new()));
//! assert_eq!(shared.atomicity(), Atomicity::OneTransaction);
//!
//! let separate = Backend::separate(Arc::new(MemoryStore::new()), Arc::new(MemoryQueue::new()));
//! assert_eq!(separate.atomicity(), Atomicity::TwoSteps);
//! ```
//!
//! They hold no lock across an await, sleep nowhere and read no clock: every time comes in as an
//! argument. So the next due time does not resolve [`ready`](crate::queue::JobQueue::ready) here, only
//! work that is added or handed back does; callers also poll, or ask [`MemoryQueue::next_due`] when they
//! drive a virtual clock.

mod backend;
mod broadcasts;
mod decisions;
mod inbox;
mod lane;
mod lane_records;
mod lanes;
mod queue;
mod records;
mod signal;
mod store;
#[cfg(test)]
mod tests;
mod vault;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use self::backend::MemoryBackend;
pub use self::broadcasts::MemoryBroadcasts;
pub use self::inbox::MemoryInbox;
pub use self::lanes::DeadLetter;
pub use self::queue::MemoryQueue;
pub use self::store::MemoryStore;
pub use self::vault::{MemoryVault, SealedMemoryVault};

/// Locks, also after a panic elsewhere: every change is validated before its first write, so what a
/// panicking thread leaves behind is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

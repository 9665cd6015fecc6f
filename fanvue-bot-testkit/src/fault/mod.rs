//! Ports that fail on purpose: before the effect, after it, or by never answering.
//!
//! [`Faulty`] wraps any implementation of any port and asks a [`FaultPlan`] before each call. Wrappers
//! that share a plan share its count of calls, so a test can run a scenario once to learn how many calls
//! it makes, and then once for each call and each [`Fault`]:
//!
//! ```
//! use std::sync::Arc;
//!
//! use fanvue_bot_core::creator::Creator;
//! use fanvue_bot_core::id::CreatorId;
//! use fanvue_bot_core::memory::MemoryStore;
//! use fanvue_bot_core::persona::Persona;
//! use fanvue_bot_core::store::Store;
//! use fanvue_bot_testkit::fault::{Fault, FaultPlan, Faulty};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let truth = Arc::new(MemoryStore::new());
//! let store = Faulty::new(Arc::clone(&truth), FaultPlan::at(1, Fault::After));
//!
//! let mia: CreatorId = "5b0f3c1e-0000-4000-8000-00000000c0de".parse()?;
//! let change = Creator::new(mia, Persona::named("Mia")).into();
//! assert!(store.commit(&change, None).await.is_err(), "the answer is lost");
//! assert!(truth.creator(mia).await?.is_some(), "the effect is not");
//! # Ok(())
//! # }
//! ```

mod plan;

use std::fmt;
use std::future::{Future, pending};

pub use self::plan::{Fault, FaultPlan, FaultRates, Injected};
use crate::decorator::{Effect, PortError, decorate_ports};

/// A store that fails on purpose.
pub type FaultyStore<S> = Faulty<S>;
/// A queue that fails on purpose.
pub type FaultyQueue<Q> = Faulty<Q>;
/// A vault that fails on purpose.
pub type FaultyVault<V> = Faulty<V>;
/// A language model that fails on purpose.
pub type FaultyLlm<L> = Faulty<L>;
/// A Fanvue client that fails on purpose.
pub type FaultyClient<C> = Faulty<C>;

/// An implementation of ports that fails as its plan says. It implements every port that `T` does.
///
/// A failed call answers with the error that stands for silence: `Unavailable`, `Overloaded`, and for
/// writes to Fanvue after the effect `OutcomeUnknown`.
pub struct Faulty<T> {
    inner: T,
    plan: FaultPlan,
}

impl<T> Faulty<T> {
    /// `inner`, failing as `plan` says.
    #[must_use]
    pub const fn new(inner: T, plan: FaultPlan) -> Self {
        Self { inner, plan }
    }

    /// What never fails.
    #[must_use]
    pub const fn inner(&self) -> &T {
        &self.inner
    }

    /// The plan.
    #[must_use]
    pub const fn plan(&self) -> &FaultPlan {
        &self.plan
    }

    async fn around<R, E: PortError>(
        &self,
        operation: &'static str,
        effect: Effect,
        call: impl Future<Output = Result<R, E>>,
    ) -> Result<R, E> {
        match self.plan.next(operation) {
            None => call.await,
            Some(Fault::Before) => Err(E::nothing_done()),
            Some(Fault::After) => {
                let _lost = call.await;
                Err(match effect {
                    Effect::Read => E::nothing_done(),
                    Effect::Write => E::write_unknown(),
                })
            }
            Some(Fault::HangBefore) => {
                self.plan.hang();
                pending().await
            }
            Some(Fault::HangAfter) => {
                let _lost = call.await;
                self.plan.hang();
                pending().await
            }
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Faulty<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty")
            .field("inner", &self.inner)
            .field("calls", &self.plan.calls())
            .finish_non_exhaustive()
    }
}

decorate_ports!(Faulty);

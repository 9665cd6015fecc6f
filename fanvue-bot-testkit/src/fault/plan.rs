//! Which call fails, and how.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanvue_bot_core::entropy::Seed;

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The call fails and has no effect.
    Before,
    /// The call has its effect, and the caller is told that it failed.
    After,
    /// The call has no effect and never returns: whoever drops the future is in the place of a process
    /// that died just before.
    HangBefore,
    /// The call has its effect and never returns: the process died just after.
    HangAfter,
}

impl Fault {
    /// All of them, for tests that try each.
    pub const ALL: [Self; 4] = [Self::Before, Self::After, Self::HangBefore, Self::HangAfter];
}

/// How often calls fail, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plain numbers, one for each fault"
)]
pub struct FaultRates {
    /// Of [`Fault::Before`].
    pub before: u64,
    /// Of [`Fault::After`].
    pub after: u64,
    /// Of [`Fault::HangBefore`].
    pub hang_before: u64,
    /// Of [`Fault::HangAfter`].
    pub hang_after: u64,
}

/// A fault that was injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Injected {
    /// Which call, counted from 1.
    pub call: u64,
    /// Of which method, such as `Store::commit`.
    pub operation: &'static str,
    /// What happened to it.
    pub fault: Fault,
}

type Filter = dyn Fn(&str) -> bool + Send + Sync;

/// Which call fails, and how. Clones are handles to the same plan and the same count of calls.
#[derive(Clone, Default)]
pub struct FaultPlan(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    calls: u64,
    at: BTreeMap<u64, Fault>,
    next_of: Vec<(&'static str, Fault)>,
    seeded: Option<(Seed, FaultRates)>,
    only: Option<Arc<Filter>>,
    calm: bool,
    hanging: u64,
    #[cfg(feature = "simulated-day")]
    noticed: u64,
    injected: Vec<Injected>,
}

impl FaultPlan {
    /// Nothing fails; calls are counted.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Call number `call`, counted from 1, fails in this way.
    #[must_use]
    pub fn at(call: u64, fault: Fault) -> Self {
        Self::script([(call, fault)])
    }

    /// These calls, counted from 1, fail in these ways.
    #[must_use]
    pub fn script(faults: impl IntoIterator<Item = (u64, Fault)>) -> Self {
        let plan = Self::default();
        plan.lock().at = faults.into_iter().collect();
        plan
    }

    /// Each call fails at these rates, drawn from `seed` and the number of the call.
    #[must_use]
    pub fn seeded(seed: Seed, rates: FaultRates) -> Self {
        let plan = Self::default();
        plan.lock().seeded = Some((seed, rates));
        plan
    }

    /// Only operations that `filter` accepts are counted and fail; their names are such as
    /// `Store::commit`.
    #[must_use]
    pub fn only(self, filter: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.lock().only = Some(Arc::new(filter));
        self
    }

    /// The next call of this operation, such as `FanvueClient::send_message`, fails in this way.
    pub fn fail_next(&self, operation: &'static str, fault: Fault) {
        self.lock().next_of.push((operation, fault));
    }

    /// Nothing fails from here on; calls are still counted.
    pub fn calm(&self) {
        self.lock().calm = true;
    }

    /// The plan holds again after [`FaultPlan::calm`].
    pub fn resume(&self) {
        self.lock().calm = false;
    }

    /// How many calls there have been.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// How many calls hang, or hung until they were dropped: a driver that sees it grow after a poll
    /// drops the future.
    #[must_use]
    pub fn hangs(&self) -> u64 {
        self.lock().hanging
    }

    /// Whether a call hangs that no driver knows of yet. Where one driver runs inside another, the inner one is
    /// the first to ask, and the outer one goes on.
    #[cfg(feature = "simulated-day")]
    pub(crate) fn notice_hang(&self) -> bool {
        let mut state = self.lock();
        let hangs = state.hanging > state.noticed;
        state.noticed = state.hanging;
        hangs
    }

    /// What was injected, in order.
    #[must_use]
    pub fn injected(&self) -> Vec<Injected> {
        self.lock().injected.clone()
    }

    pub(super) fn hang(&self) {
        self.lock().hanging += 1;
    }

    pub(super) fn next(&self, operation: &'static str) -> Option<Fault> {
        let mut state = self.lock();
        if state.only.as_ref().is_some_and(|only| !only(operation)) {
            return None;
        }
        state.calls += 1;
        let call = state.calls;
        if state.calm {
            return None;
        }
        let named = state
            .next_of
            .iter()
            .position(|(name, _)| *name == operation);
        let fault = if let Some(index) = named {
            Some(state.next_of.remove(index).1)
        } else if let Some(fault) = state.at.get(&call) {
            Some(*fault)
        } else {
            state
                .seeded
                .and_then(|(seed, rates)| rates.draw(seed.derive(operation), call))
        }?;
        state.injected.push(Injected {
            call,
            operation,
            fault,
        });
        Some(fault)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FaultRates {
    fn draw(self, seed: Seed, call: u64) -> Option<Fault> {
        let mut draw = seed.derive(&call.to_string()).in_range(0, 999);
        for (rate, fault) in [
            (self.before, Fault::Before),
            (self.after, Fault::After),
            (self.hang_before, Fault::HangBefore),
            (self.hang_after, Fault::HangAfter),
        ] {
            if draw < rate {
                return Some(fault);
            }
            draw -= rate;
        }
        None
    }
}

impl fmt::Debug for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("FaultPlan")
            .field("calls", &state.calls)
            .field("injected", &state.injected)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeded_faults_come_at_their_rates_and_repeat() {
        let rates = FaultRates {
            before: 50,
            hang_after: 10,
            ..FaultRates::default()
        };
        let run = || {
            let plan = FaultPlan::seeded(Seed::new(3), rates);
            for _ in 0..10_000 {
                plan.next("Store::commit");
            }
            plan.injected()
        };
        let injected = run();
        assert_eq!(injected, run());
        let count = |fault| injected.iter().filter(|one| one.fault == fault).count();
        assert!((400..600).contains(&count(Fault::Before)));
        assert!((60..140).contains(&count(Fault::HangAfter)));
        assert_eq!(count(Fault::After), 0);
    }

    #[test]
    fn only_what_the_filter_accepts_counts() {
        let plan = FaultPlan::at(2, Fault::Before).only(|name| name == "Store::commit");
        for (operation, fault) in [
            ("Store::commit", None),
            ("Store::creator", None),
            ("Store::commit", Some(Fault::Before)),
        ] {
            assert_eq!(plan.next(operation), fault);
        }
    }

    #[test]
    fn a_named_fault_waits_for_its_operation() {
        let plan = FaultPlan::none();
        plan.fail_next("Store::commit", Fault::After);
        assert_eq!(plan.next("Store::creator"), None);
        assert_eq!(plan.next("Store::commit"), Some(Fault::After));
        assert_eq!(plan.next("Store::commit"), None);
    }
}

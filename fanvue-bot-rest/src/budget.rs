//! Our own share of Fanvue's rate limits: one bucket per account, asked before each request.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanvue_bot_core::client::{AccessToken, Reach};
use fanvue_bot_core::rate::TokenBucket;
use fanvue_bot_core::time::{Clock, Timestamp};

use crate::headers::RateHeaders;

/// How many buckets are kept. A bucket that nobody used for a minute is full again, so forgetting one
/// costs at most what its answers taught.
const MAX_BUCKETS: usize = 10_000;

/// Which of Fanvue's limits a call counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Bucket {
    /// All calls but those below.
    General,
    /// `POST /chats/statuses`.
    Statuses,
}

impl Bucket {
    /// Requests per minute until an answer says otherwise. Fanvue's texts say 100 and 200.
    const fn initial(self) -> u32 {
        match self {
            Self::General => 100,
            Self::Statuses => 80,
        }
    }
}

/// Whose bucket: the token's owner, and for an agency the creator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Principal {
    /// A keyed hash of the token: it is the same for the same token within this process, and says
    /// nothing about it.
    token: u64,
    reach: Reach,
    bucket: Bucket,
}

struct Entry {
    bucket: TokenBucket,
    used: Timestamp,
}

/// The buckets of all accounts that this client speaks for.
pub(crate) struct Budgets {
    clock: Arc<dyn Clock>,
    hasher: RandomState,
    entries: Mutex<HashMap<Principal, Entry>>,
}

impl Budgets {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            hasher: RandomState::new(),
            entries: Mutex::new(HashMap::new()),
        }
    }

    pub(crate) fn principal(&self, token: &AccessToken, reach: Reach, bucket: Bucket) -> Principal {
        Principal {
            token: self.hasher.hash_one(token.expose()),
            reach,
            bucket,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Takes one request, or says how long to wait.
    pub(crate) fn try_take(&self, principal: Principal) -> Result<(), Duration> {
        let now = self.now();
        self.with(principal, now, |bucket| bucket.try_take(now))
    }

    /// Learns what an answer says.
    pub(crate) fn observe(&self, principal: Principal, rate: RateHeaders) {
        let now = self.now();
        self.with(principal, now, |bucket| {
            bucket.observe(rate.limit, rate.remaining, rate.reset, now);
        });
    }

    /// Sends nothing more for this long.
    pub(crate) fn hold(&self, principal: Principal, wait: Duration) {
        let now = self.now();
        self.with(principal, now, |bucket| bucket.hold(now + wait, now));
    }

    /// How many requests may go out now.
    pub(crate) fn available(&self, principal: Principal) -> u32 {
        let now = self.now();
        self.lock().get(&principal).map_or_else(
            || principal.bucket.initial(),
            |entry| entry.bucket.available(now),
        )
    }

    fn with<T>(
        &self,
        principal: Principal,
        now: Timestamp,
        act: impl FnOnce(&mut TokenBucket) -> T,
    ) -> T {
        let mut entries = self.lock();
        if entries.len() >= MAX_BUCKETS && !entries.contains_key(&principal) {
            forget_oldest(&mut entries);
        }
        let entry = entries.entry(principal).or_insert_with(|| Entry {
            bucket: TokenBucket::new(principal.bucket.initial(), now),
            used: now,
        });
        entry.used = now;
        act(&mut entry.bucket)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Principal, Entry>> {
        // Every change of a bucket is whole before anything can panic.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Budgets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budgets")
            .field("accounts", &self.lock().len())
            .finish_non_exhaustive()
    }
}

/// Drops the eighth that was used longest ago, so that the scan is rare.
fn forget_oldest(entries: &mut HashMap<Principal, Entry>) {
    let mut used: Vec<Timestamp> = entries.values().map(|entry| entry.used).collect();
    let eighth = used.len() / 8;
    let (_, &mut limit, _) = used.select_nth_unstable(eighth);
    let before = entries.len();
    entries.retain(|_, entry| entry.used >= limit);
    if entries.len() == before {
        // All were used at the same time: which go does not matter.
        let mut surplus = eighth.max(1);
        entries.retain(|_, _| {
            let keep = surplus == 0;
            surplus = surplus.saturating_sub(1);
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Fixed(Mutex<Timestamp>);

    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }
    }

    fn budgets() -> (Arc<Fixed>, Budgets) {
        let clock = Arc::new(Fixed(Mutex::new(Timestamp::from_seconds(1_767_603_600))));
        (Arc::clone(&clock), Budgets::new(clock))
    }

    #[test]
    fn accounts_creators_and_special_limits_do_not_share_a_bucket() {
        let (_, budgets) = budgets();
        let creator = "c0de0000-0000-4000-8000-000000000001".parse().unwrap();
        let token = AccessToken::new("one");
        let own = budgets.principal(&token, Reach::Own, Bucket::General);
        for _ in 0..100 {
            budgets.try_take(own).unwrap();
        }
        assert!(budgets.try_take(own).is_err());
        let others = [
            budgets.principal(&AccessToken::new("two"), Reach::Own, Bucket::General),
            budgets.principal(&token, Reach::Agency(creator), Bucket::General),
            budgets.principal(&token, Reach::Own, Bucket::Statuses),
        ];
        for other in others {
            assert_eq!(budgets.try_take(other), Ok(()));
        }
        assert_eq!(budgets.available(others[2]), 79);
    }

    #[test]
    fn the_map_stays_bounded_and_forgets_the_oldest_first() {
        for advance in [0, 1] {
            let (clock, budgets) = budgets();
            let mut newest = None;
            for n in 0..(MAX_BUCKETS + 5_000) {
                let token = AccessToken::new(format!("token {n}"));
                let principal = budgets.principal(&token, Reach::Own, Bucket::General);
                budgets.try_take(principal).unwrap();
                newest = Some(principal);
                let mut now = clock.0.lock().unwrap();
                *now = *now + Duration::from_micros(advance);
            }
            assert!(budgets.lock().len() <= MAX_BUCKETS);
            assert!(budgets.lock().contains_key(&newest.unwrap()));
        }
    }
}

//! The budget: the pure parts, put together with a store.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Told;
use super::class::Class;
use super::ledger::Ledger;
use super::principal::Principal;
use super::share::{Answer, Share};
use crate::entropy::{Entropy, EntropyError, Seed};
use crate::flight::{Flight, Waiting};
use crate::revision::Versioned;
use crate::store::{RegisterName, Store, StoreError};
use crate::time::{Clock, SystemClock, Timestamp};

/// How many buckets are kept. One that nobody used for a minute is full again, so forgetting it costs at most
/// what its answers taught.
const MAX_ACCOUNTS: usize = 10_000;
/// A register that others write to all the time is tried this often.
const TRIES: usize = 8;
/// For one request the ledger is asked at most this often: once for what is in hand to be renewed, once for all who
/// came meanwhile, and once more if others were quicker.
const ASKS: usize = 3;
/// How long to wait where nothing better is known.
const SHORT: Duration = Duration::from_millis(250);

/// Requests per minute until an answer says otherwise. Fanvue's texts say 100 and 200.
const CALLS: u32 = 100;
/// The documented limit of `POST /chats/statuses`.
const STATUSES: u32 = 80;
/// What an app sends to the authorization server at most. Fanvue publishes no limit; 200 accounts whose tokens
/// have expired together are to be refreshed at once.
const TOKENS: u32 = 300;

/// How many requests may go out, and for what.
///
/// Cheap to clone; clones are one budget. A process has one, given to the client that sends its requests.
///
/// It never sleeps. A request that may not go out is told for how long, each a time of its own, and is to be put
/// off.
#[derive(Clone)]
pub struct Budget {
    clock: Arc<dyn Clock>,
    sharing: Option<Sharing>,
    token_requests: u32,
    accounts: Arc<Mutex<HashMap<Principal, Entry>>>,
}

#[derive(Clone)]
struct Sharing {
    store: Arc<dyn Store>,
    holder: u64,
}

struct Entry {
    account: Arc<Account>,
    used: Timestamp,
}

struct Account {
    share: Mutex<Share>,
    flight: Mutex<Option<Arc<Flight<()>>>>,
}

impl Budget {
    /// For a process that is the only one to speak for its accounts. Others are known as far as Fanvue's answers
    /// tell.
    #[must_use]
    pub fn local() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            sharing: None,
            token_requests: TOKENS,
            accounts: Arc::default(),
        }
    }

    /// Shared by all processes that use this store.
    ///
    /// A loan costs a read and a write of the store. A process takes one for all who wait, and with it some for
    /// whoever comes next: twice what it used of the last one, but at most a quarter of its part, so that what it
    /// does not use is not missing elsewhere. So it needs one a second for each account that it speaks for; for
    /// requests that come one by one but all at once, about one for ten; and where the limit is reached, four a second
    /// besides one for each request that goes out.
    ///
    /// While the store fails, an even part of each bucket is used without it, and it is left alone for 2 s at a time;
    /// what was used is told once it answers again. A process that began meanwhile knows of no other and takes the
    /// bucket for its own. So processes may together make a few requests too many, until Fanvue's answers have said
    /// what is left; Fanvue refuses those, and they are put off. A store that is slow holds up those who ask it:
    /// [`Budget::take_without_store`] is for a caller who does not wait that long.
    ///
    /// # Errors
    /// If there is no randomness for a name of this process.
    pub fn shared(store: Arc<dyn Store>, entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let holder = Seed::draw(entropy)?.value();
        Ok(Self {
            sharing: Some(Sharing { store, holder }),
            ..Self::local()
        })
    }

    /// With this clock. Default: the system's. Those of all hosts should agree to a second.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How many requests a minute an app may make to the authorization server, all processes together. Fanvue
    /// publishes no limit, so this one is a guess: 300 by default.
    #[must_use]
    pub const fn token_requests(mut self, per_minute: u32) -> Self {
        self.token_requests = per_minute;
        self
    }

    /// Takes one request. Asks the store if the loan is used up or old, once for all who wait. May be dropped at
    /// any point.
    ///
    /// # Errors
    /// How long to wait, if the request may not go out now; nothing is taken then.
    pub async fn take(&self, principal: &Principal, class: Class) -> Result<(), Duration> {
        let account = self.account(principal);
        let mut waits = None;
        for asked in 0..=ASKS {
            let answer = lock(&account.share).try_take(class, self.clock.now());
            match (answer, &self.sharing) {
                (Answer::Taken, _) => return Ok(()),
                (Answer::Wait(wait), _) => return Err(wait),
                (Answer::Ask, Some(sharing)) if asked < ASKS => {
                    waits.get_or_insert_with(|| Waits::at(&account));
                    self.renew(&account, principal, sharing).await;
                }
                (Answer::Ask, _) => break,
            }
        }
        Err(SHORT)
    }

    /// Takes one request without asking the store, for a caller who cannot wait for it any longer.
    ///
    /// # Errors
    /// As [`Budget::take`].
    pub fn take_without_store(&self, principal: &Principal, class: Class) -> Result<(), Duration> {
        let account = self.account(principal);
        let now = self.clock.now();
        let mut share = lock(&account.share);
        let mut answer = share.try_take(class, now);
        if answer == Answer::Ask {
            share.store_away(now);
            answer = share.try_take(class, now);
        }
        match answer {
            Answer::Taken => Ok(()),
            Answer::Wait(wait) => Err(wait),
            Answer::Ask => Err(SHORT),
        }
    }

    /// Learns what an answer says.
    pub fn observe(&self, principal: &Principal, told: Told) {
        let account = self.account(principal);
        lock(&account.share).observe(told, self.clock.now());
    }

    /// Sends nothing more for this long, in no process: Fanvue said so.
    pub async fn hold(&self, principal: &Principal, wait: Duration) {
        let account = self.account(principal);
        let now = self.clock.now();
        lock(&account.share).hold(now + wait, now);
        let Some(sharing) = &self.sharing else { return };
        // A renewal that was under way may not have told of it.
        for _ in 0..2 {
            let untold = lock(&account.share).has_untold_hold();
            if untold {
                self.renew(&account, principal, sharing).await;
            }
        }
    }

    /// How many requests may go out now, as far as this process knows.
    #[must_use]
    pub fn left(&self, principal: &Principal) -> u32 {
        let now = self.clock.now();
        match self.lock().get(principal) {
            Some(entry) => lock(&entry.account.share).left(now),
            None => self.initial(principal),
        }
    }

    /// The current time, by the budget's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn initial(&self, principal: &Principal) -> u32 {
        match principal {
            Principal::Calls { .. } => CALLS,
            Principal::Statuses { .. } => STATUSES,
            Principal::Tokens { .. } => self.token_requests,
        }
    }

    fn account(&self, principal: &Principal) -> Arc<Account> {
        let now = self.clock.now();
        let mut accounts = self.lock();
        if let Some(entry) = accounts.get_mut(principal) {
            entry.used = now;
            return Arc::clone(&entry.account);
        }
        if accounts.len() >= MAX_ACCOUNTS {
            forget_oldest(&mut accounts);
        }
        let capacity = self.initial(principal);
        let share = match self.sharing {
            Some(_) => Share::shared(capacity, now),
            None => Share::alone(capacity, now),
        };
        let account = Arc::new(Account {
            share: Mutex::new(share),
            flight: Mutex::new(None),
        });
        let entry = Entry {
            account: Arc::clone(&account),
            used: now,
        };
        accounts.insert(principal.clone(), entry);
        account
    }

    /// Gives the loan back for a new one. One task of the process does, and the others wait for it.
    async fn renew(&self, account: &Arc<Account>, principal: &Principal, sharing: &Sharing) {
        let joined = {
            let mut under_way = lock(&account.flight);
            let flight = under_way.get_or_insert_with(|| {
                let work = renew(
                    Arc::clone(account),
                    sharing.clone(),
                    Arc::clone(&self.clock),
                    register(principal),
                    self.initial(principal),
                );
                Arc::new(Flight::new(work, self.clock.now()))
            });
            Joined {
                account,
                flight: Arc::clone(flight),
                waiting: Some(flight.join()),
                over: false,
            }
        };
        joined.landed().await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Principal, Entry>> {
        lock(&self.accounts)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("accounts", &self.lock().len())
            .field("shared", &self.sharing.is_some())
            .finish_non_exhaustive()
    }
}

/// One who counts among those for whom the ledger is asked.
struct Waits<'a>(&'a Account);

impl<'a> Waits<'a> {
    fn at(account: &'a Account) -> Self {
        lock(&account.share).wait();
        Self(account)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        lock(&self.0.share).waited();
    }
}

/// One who waits for a renewal. The last one who leaves ends it, so that no call of the store stays open.
struct Joined<'a> {
    account: &'a Account,
    flight: Arc<Flight<()>>,
    waiting: Option<Waiting<()>>,
    over: bool,
}

impl Joined<'_> {
    async fn landed(mut self) {
        if let Some(waiting) = &mut self.waiting {
            let _cancelled = waiting.await;
            self.over = true;
        }
    }
}

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        let mut under_way = lock(&self.account.flight);
        self.waiting = None;
        if self.over || self.flight.is_orphaned() {
            under_way.take_if(|other| Arc::ptr_eq(other, &self.flight));
            drop(under_way);
            self.flight.cancel();
        }
    }
}

async fn renew(
    account: Arc<Account>,
    sharing: Sharing,
    clock: Arc<dyn Clock>,
    name: RegisterName,
    capacity: u32,
) {
    let request = lock(&account.share).begin(sharing.holder, clock.now());
    for _ in 0..TRIES {
        let stored = match sharing.store.register(&name).await {
            Ok(stored) => stored,
            Err(error) => return away(&account, &error, clock.now()),
        };
        let expected = stored.as_ref().map(|stored| stored.revision);
        let now = clock.now();
        let mut ledger = read(stored).unwrap_or_else(|| Ledger::new(capacity, now));
        let lent = ledger.renew(&request, now);
        match sharing
            .store
            .set_register(&name, &ledger.to_text(), expected)
            .await
        {
            Ok(_) => return lock(&account.share).granted(&request, lent, now),
            Err(StoreError::Conflict) => {}
            Err(error) => return away(&account, &error, clock.now()),
        }
    }
    away(&account, &StoreError::Conflict, clock.now());
}

fn away(account: &Account, error: &StoreError, now: Timestamp) {
    tracing::debug!(%error, "the request budget could not be shared; a part of it is used without");
    lock(&account.share).store_away(now);
}

fn read(stored: Option<Versioned<String>>) -> Option<Ledger> {
    stored.and_then(|stored| Ledger::from_text(&stored.value))
}

pub(crate) fn register(principal: &Principal) -> RegisterName {
    RegisterName::new(format!("rate/{principal}"))
}

/// Every change below the locks is whole before anything can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Drops the eighth that was used longest ago, so that the scan is rare.
fn forget_oldest(accounts: &mut HashMap<Principal, Entry>) {
    let mut used: Vec<Timestamp> = accounts.values().map(|entry| entry.used).collect();
    let eighth = used.len() / 8;
    let (_, &mut limit, _) = used.select_nth_unstable(eighth);
    let before = accounts.len();
    accounts.retain(|_, entry| entry.used >= limit);
    if accounts.len() == before {
        // All were used at the same time: which go does not matter.
        let mut surplus = eighth.max(1);
        accounts.retain(|_, _| {
            let keep = surplus == 0;
            surplus = surplus.saturating_sub(1);
            keep
        });
    }
}

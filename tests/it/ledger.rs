//! The request budget that processes share, on the stores that they have: many tasks of several processes against one
//! bucket of Fanvue's, processes that die with a loan, and a store that fails or does not answer.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on ends, and says what it counted"
)]

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use fanvue_bot::client::Reach;
use fanvue_bot::entropy::{OsEntropy, Seed};
use fanvue_bot::id::CreatorId;
use fanvue_bot::memory::MemoryStore;
use fanvue_bot::oauth::GrantId;
use fanvue_bot::rate::{Budget, Class, Principal, TokenBucket, Told};
use fanvue_bot::sqlx::{PostgresBackend, SqliteBackend};
use fanvue_bot::store::Store;
use fanvue_bot::time::Clock as _;
use fanvue_bot_testkit::clock::VirtualClock;
use fanvue_bot_testkit::fault::{Fault, FaultPlan, FaultRates, Faulty};
use futures_util::future::join_all;
use uuid::Uuid;

use crate::postgres_server::fresh;

const PROCESSES: usize = 4;
const TASKS: usize = 8;
const SECONDS: u32 = 120;
const LIFE: u32 = 20;
/// What a budget takes the limit for, until an answer says otherwise.
const PER_MINUTE: u32 = 100;
/// What comes back in the time, and what was there.
const ALLOWED: u32 = PER_MINUTE * SECONDS / 60 + PER_MINUTE;

fn account() -> Principal {
    Principal::Calls {
        grant: GrantId::Creator(CreatorId::from_uuid(Uuid::from_u128(7))),
        reach: Reach::Own,
    }
}

fn budget(store: &Arc<dyn Store>, clock: &VirtualClock) -> Budget {
    Budget::shared(Arc::clone(store), &OsEntropy)
        .unwrap()
        .clock(Arc::new(clock.clone()))
}

/// What came of many requests.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    sent: u32,
    /// Of those, what Fanvue's bucket had no room for.
    too_many: u32,
    put_off: u32,
}

/// All tasks of all processes ask for one request each second, 19 times what comes back. Each of `stores` is another
/// process's; one of them dies with its loan every [`LIFE`] seconds. `each` hears of every second.
async fn crowd(stores: &[Arc<dyn Store>], each: impl Fn(u32)) -> Tally {
    let clock = VirtualClock::default();
    let fanvue = Arc::new(Mutex::new((
        TokenBucket::new(PER_MINUTE, clock.now()),
        Tally::default(),
    )));
    let mut processes: Vec<Budget> = stores.iter().map(|store| budget(store, &clock)).collect();
    for second in 0..SECONDS {
        each(second);
        if second % LIFE == LIFE - 1 {
            let dies = usize::try_from(second / LIFE).unwrap() % PROCESSES;
            processes[dies] = budget(&stores[dies], &clock);
        }
        let asked = processes.iter().flat_map(|process| {
            (0..TASKS).map(|task| {
                let (process, fanvue) = (process.clone(), Arc::clone(&fanvue));
                let clock = clock.clone();
                let class = Class::ALL[task % Class::ALL.len()];
                tokio::spawn(async move {
                    let taken = process.take(&account(), class).await;
                    let now = clock.now();
                    let (bucket, tally) = &mut *fanvue.lock().unwrap();
                    match taken {
                        Ok(()) if bucket.try_take(now).is_ok() => tally.sent += 1,
                        Ok(()) => tally.too_many += 1,
                        Err(_) => return tally.put_off += 1,
                    }
                    // As the headers of the answer tell it.
                    let told = Told {
                        limit: Some(bucket.capacity()),
                        remaining: Some(bucket.available(now)),
                        reset: None,
                    };
                    process.observe(&account(), told);
                })
            })
        });
        for ended in join_all(asked).await {
            ended.unwrap();
        }
        clock.advance(Duration::from_secs(1));
    }
    let (_, tally) = *fanvue.lock().unwrap();
    tally
}

fn told(what: &str, tally: Tally, begun: Instant) {
    println!(
        "{what}: {PROCESSES} processes x {TASKS} tasks for {SECONDS} virtual s, {ALLOWED} allowed: {tally:?}; {:.1} s",
        begun.elapsed().as_secs_f64()
    );
}

/// No more than the bucket holds, and nearly all of it.
async fn stays_inside(stores: &[Arc<dyn Store>], what: &str) {
    let begun = Instant::now();
    let tally = crowd(stores, |_| {}).await;
    told(what, tally, begun);
    assert_eq!(tally.too_many, 0);
    assert!(tally.sent >= ALLOWED * 4 / 5, "{tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_of_several_processes_stay_inside_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let mut stores: Vec<Arc<dyn Store>> = Vec::new();
    for _ in 0..PROCESSES {
        let opened = SqliteBackend::open(folder.path().join("bot.db")).await;
        stores.push(Arc::new(opened.unwrap()));
    }
    stays_inside(&stores, "SQLite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_of_several_processes_stay_inside_on_postgres() {
    let Some(database) = fresh().await else {
        return;
    };
    let mut opened = Vec::new();
    for _ in 0..PROCESSES {
        opened.push(PostgresBackend::open(database.address()).await.unwrap());
    }
    let stores: Vec<Arc<dyn Store>> = opened
        .iter()
        .map(|backend| Arc::new(backend.clone()) as Arc<dyn Store>)
        .collect();
    stays_inside(&stores, "Postgres").await;
    for backend in opened {
        backend.close().await;
    }
}

/// One store in memory, whose calls fail by this plan, as every process has it.
fn failing(plan: &FaultPlan) -> Vec<Arc<dyn Store>> {
    let store: Arc<dyn Store> = Arc::new(Faulty::new(MemoryStore::new(), plan.clone()));
    vec![store; PROCESSES]
}

/// A store that fails now and then, before or after the effect: what one process does not know to be lent may be
/// used twice, and that is all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_at_times_costs_little_and_stops_nobody() {
    let rates = FaultRates {
        before: 100,
        after: 100,
        ..FaultRates::default()
    };
    let stores = failing(&FaultPlan::seeded(Seed::new(1), rates));
    let begun = Instant::now();
    let tally = crowd(&stores, |_| {}).await;
    told("one call of five fails", tally, begun);
    assert!(tally.too_many <= ALLOWED / 10, "{tally:?}");
    assert!(tally.sent >= ALLOWED * 4 / 5, "{tally:?}");
}

/// Processes that know of each other use an even part each while the store is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_is_away_processes_stay_inside_and_go_on() {
    // Over before another process dies: what that one used meanwhile it could tell nobody.
    const AWAY: std::ops::Range<u32> = 2 * LIFE..3 * LIFE - 5;
    let rates = FaultRates {
        before: 1_000,
        ..FaultRates::default()
    };
    let plan = FaultPlan::seeded(Seed::new(1), rates);
    let begun = Instant::now();
    let tally = crowd(&failing(&plan), |second| {
        if AWAY.contains(&second) {
            plan.resume();
        } else {
            plan.calm();
        }
    })
    .await;
    told("the store is away for 15 s", tally, begun);
    assert_eq!(tally.too_many, 0);
    assert!(tally.sent >= ALLOWED * 4 / 5, "{tally:?}");
}

/// As the client does that speaks to Fanvue: it waits for a second at most.
#[tokio::test]
async fn who_does_not_wait_for_a_store_that_hangs_goes_on_without_it() {
    for fault in [Fault::HangBefore, Fault::HangAfter] {
        let (clock, plan) = (VirtualClock::default(), FaultPlan::none());
        let budget = budget(&failing(&plan)[0], &clock);
        budget.take(&account(), Class::LiveReply).await.unwrap();
        clock.advance(Duration::from_secs(1));
        plan.fail_next("Store::set_register", fault);
        let principal = account();
        let mut waits = Box::pin(budget.take(&principal, Class::LiveReply));
        let mut context = Context::from_waker(Waker::noop());
        while plan.hangs() == 0 {
            assert!(waits.as_mut().poll(&mut context).is_pending());
        }
        drop(waits);
        budget
            .take_without_store(&principal, Class::LiveReply)
            .unwrap();
        // For two seconds nobody waits for the store again.
        let asked = plan.calls();
        for _ in 0..5 {
            budget.take(&principal, Class::LiveReply).await.unwrap();
        }
        assert_eq!(plan.calls(), asked, "{fault:?}");
        clock.advance(Duration::from_secs(2));
        budget.take(&principal, Class::LiveReply).await.unwrap();
        assert!(plan.calls() > asked);
    }
}
